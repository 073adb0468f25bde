"""`GeoboxEmulator`: the emulator as a server in a thread of this process."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from typing_extensions import Self

from prefect_geobox.client.model.tasks import TaskState
from prefect_geobox.emulator.app import make_app
from prefect_geobox.emulator.http.access import Access
from prefect_geobox.emulator.http.connection import ConnectionProtocol
from prefect_geobox.emulator.http.web_server import WebServer
from prefect_geobox.emulator.state.emulator_state import CountShape, EmulatorState, TaskIdKind
from prefect_geobox.emulator.state.import_sources import Sources
from prefect_geobox.emulator.state.remote_tasks import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from prefect_geobox.emulator.faults import Fault
    from prefect_geobox.emulator.http.recording import RecordedRequest

_HOST = "127.0.0.1"
_START_SECONDS = 10.0
_STOP_SECONDS = 1
_NO_RESULT: Final[Mapping[str, Any]] = {}
_NO_SOURCES: Final[Mapping[str, str | Path]] = {}


class GeoboxEmulator:
    """A local Geobox at 127.0.0.1.

    Tasks, assets, tokens and the port outlive `stop()` and `start()`, which together simulate an
    outage.

    Args:
        port: The port; 0 takes a free one.
        seconds: The duration of a remote task. Each 5,000 features add the same duration.
        apikey: The API key; a random one if None.
        username: The user; a random one if None.
        password: The password; a random one if None.
        task_id_kind: Whether the answer to a start has the uuid of the task or its `id`.
        count_shape: Whether a count is a plain number (`int`) or `{"count": …}` (`object`).
        sources: Files, such as GPKG, SQLite or GeoJSON, that replace map servers and databases in
            imports: by the URL of a WFS, or by `host:port/name` of a database. The emulator never
            connects to another machine.

    Raises:
        ValueError: An argument is invalid.

    Example:
        >>> import httpx
        >>> with GeoboxEmulator(seconds=0.1) as geobox:
        ...     uuid = geobox.add_task(name="my task", state="SUCCESS")
        ...     url = f"{geobox.url}/v1/tasks/{uuid}/"
        ...     answer = httpx.get(url, params={"apikey": geobox.apikey})
        >>> answer.json()["name"]
        'my task'
    """

    def __init__(
        self,
        port: int = 0,
        *,
        seconds: float = 2.0,
        apikey: str | None = None,
        username: str | None = None,
        password: str | None = None,
        task_id_kind: TaskIdKind = "uuid",
        count_shape: CountShape = "int",
        sources: Mapping[str, str | Path] = _NO_SOURCES,
    ) -> None:
        if not 0 <= port <= 65535:
            raise ValueError(f"port must lie between 0 and 65535, not {port}")
        if task_id_kind not in {"uuid", "id"}:
            raise ValueError(f"task_id_kind must be 'uuid' or 'id', not {task_id_kind!r}")
        if count_shape not in {"int", "object"}:
            raise ValueError(f"count_shape must be 'int' or 'object', not {count_shape!r}")
        self._port = port
        self._state = EmulatorState(
            access=Access(username, password, apikey),
            seconds=_duration(seconds),
            task_id_kind=task_id_kind,
            count_shape=count_shape,
            sources=Sources(sources),
        )
        self._server: WebServer | None = None
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None

    @property
    def url(self) -> str:
        """Its address, without the version; known once it has started."""
        return f"http://{_HOST}:{self._port}"

    @property
    def apikey(self) -> str:
        """The API key."""
        return self._state.access.apikey

    @property
    def username(self) -> str:
        """The user."""
        return self._state.access.username

    @property
    def password(self) -> str:
        """The password."""
        return self._state.access.password

    @property
    def seconds(self) -> float:
        """The duration of a remote task; a change affects tasks that start later."""
        return self._state.seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        self._state.seconds = _duration(value)

    @property
    def requests(self) -> list[RecordedRequest]:
        """The last 200,000 requests at most, in the order of their arrival.

        A request is added when its answer starts or its connection ends.
        """
        return sorted(self._state.requests.copy(), key=lambda request: request.at)

    def clear_requests(self) -> None:
        """Clears the recorded requests and `most_in_flight`."""
        self._state.requests.clear()
        self._state.in_flight.most = 0

    def revoke_tokens(self) -> None:
        """Makes every access token issued so far invalid."""
        self._state.access.revoke_tokens()

    def withdraw_apikey(self) -> None:
        """Makes the API key invalid until it is issued again."""
        self._state.access.is_key_withdrawn = True

    def reissue_apikey(self) -> None:
        """Makes the same API key valid again."""
        self._state.access.is_key_withdrawn = False

    @property
    def most_in_flight(self) -> int:
        """The most requests that waited for an answer at one time, since `clear_requests()`.

        Requests that were answered within 20 ms do not count.
        """
        return self._state.in_flight.most

    @property
    def faults(self) -> Callable[[RecordedRequest], Fault | None] | None:
        """The fault plan: which request gets which fault; None, the default, for no faults.

        A plan of `prefect_geobox.emulator.faults`, or any function of a request that returns a
        fault or None. It is called in the server's thread.
        """
        return self._state.faults.plan

    @faults.setter
    def faults(self, plan: Callable[[RecordedRequest], Fault | None] | None) -> None:
        if plan is not None and not callable(plan):
            raise TypeError(f"faults takes a plan, such as always(fault), not {plan!r}")
        self._state.faults.plan = plan

    @contextmanager
    def outage(self) -> Iterator[None]:
        """A context in which the server is down: it refuses connections and closes open ones."""
        self.stop()
        try:
            # Reserves the port meanwhile, also against clients that need a source port.
            with _bound(self._port):
                yield
        finally:
            self.start()

    def add_task(
        self,
        *,
        name: str = "import:publish-file-to-vector-layer",
        seconds: float | None = None,
        pending: float = 0.2,
        state: str = TaskState.SUCCESS,
        result: Any = _NO_RESULT,
        progress: bool = True,
        states: Sequence[str] = (),
    ) -> str:
        """Adds a remote task with a given course.

        Args:
            name: Its name.
            seconds: Its duration; `self.seconds` if None.
            pending: The share of the duration, from 0 to 1, before it starts.
            state: Its final state: `SUCCESS`, `FAILURE` or `ABORTED`.
            result: Its result once it has ended; any JSON value.
            progress: Whether it reports its progress.
            states: The states that its next reads return, one after the other; the last one
                stays. Any text is allowed. Replaces `seconds`, `pending` and `state`. A read is a
                request for the task, or for a list that contains it.

        Returns:
            Its uuid.

        Raises:
            ValueError: An argument is invalid.
            TypeError: The result is not JSON.
        """
        finals = [str(s) for s in TaskState if s.is_final]
        if str(state) not in finals:
            raise ValueError(f"state must be one of {', '.join(finals)}, not {state!r}")
        if not 0 <= pending <= 1:
            raise ValueError(f"pending must lie between 0 and 1, not {pending}")
        if result is not _NO_RESULT:
            # Fails here, in the caller's code, rather than in the server.
            json.dumps(result, allow_nan=False)
        duration = self.seconds if seconds is None else _duration(seconds)
        task = self._state.tasks.add_scripted(
            name=name,
            seconds=0.0 if states else duration,
            pending=pending,
            units=100 if progress else None,
            outcome=Outcome({} if result is _NO_RESULT else result, state=str(state)),
            states=[str(s) for s in states],
        )
        return task.uuid

    def start(self) -> Self:
        """Starts the server; does nothing if it runs already.

        Raises:
            OSError: The port is in use.
        """
        if self._server is not None:
            return self
        self._socket = _listen(self._port)
        self._state.faults.start()
        self._port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            make_app(self._state),
            access_log=False,
            log_config=None,
            lifespan="off",
            ws="none",
            http=ConnectionProtocol,
        )
        self._server = WebServer(config, _STOP_SECONDS)
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            name="geobox-emulator",
            daemon=True,
        )
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("the emulator's server did not start; see its log")
            time.sleep(0.002)
        return self

    def stop(self) -> None:
        """Stops the server; does nothing if none runs."""
        if self._server is None or self._thread is None or self._socket is None:
            return
        self._state.faults.stop()
        self._server.end()
        self._thread.join()
        self._socket.close()
        self._state.tasks.stop_workers()
        self._server = self._thread = self._socket = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"GeoboxEmulator({self.url!r}, running={self._server is not None})"


def _listen(port: int) -> socket.socket:
    listener = _bound(port)
    try:
        # Listens at once, so that an early client waits instead of being refused.
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def _bound(port: int) -> socket.socket:
    # asyncio disables Nagle's algorithm only if the protocol is given; with it, every answer would
    # take 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Lets a restart use a port whose connections are still closing.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((_HOST, port))
    except OSError:
        bound.close()
        raise
    return bound


def _duration(seconds: float) -> float:
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"seconds must be a number that is not negative, not {seconds}")
    return float(seconds)
