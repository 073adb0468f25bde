"""A way to a Prefect server that notes the requests, and can fail for the stream of events only."""

from __future__ import annotations

import contextlib
import re
import socket
import threading

from .gated_proxy import GatedProxy

_REQUEST = re.compile(rb"^(GET|POST|PATCH|PUT|DELETE) (/\S*) HTTP/1\.1\r$", re.MULTILINE)

_FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class EventsGate(GatedProxy):
    """A TCP proxy in front of a Prefect server.

    Attributes:
        requests: Method and path of each request, in order.
        is_refusing: Whether the stream of events answers 403.
        is_mute: Whether the stream of events passes nothing on, without an end.
    """

    def __init__(self, url: str) -> None:
        self.requests: list[str] = []
        self.is_refusing = False
        self.is_mute = False
        self._streams: dict[socket.socket, None] = {}
        self._streams_lock = threading.Lock()
        super().__init__(url)

    @property
    def streams(self) -> int:
        """How many connections receive events now."""
        with self._streams_lock:
            return len(self._streams)

    def opened_streams(self) -> int:
        """How often a connection for events was asked for."""
        return sum(request.endswith("/events/out") for request in self.requests)

    def state_reads(self) -> int:
        """How many requests have read the state of a flow run."""
        paths = ("GET /api/flow_runs/", "POST /api/flow_runs/filter")
        return sum(request.startswith(paths) for request in self.requests)

    def close_streams(self) -> None:
        """Breaks the connections that receive events."""
        with self._streams_lock:
            streams = list(self._streams)
        for stream in streams:
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        is_stream = False
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                for method, path in _REQUEST.findall(part):
                    self.requests.append(f"{method.decode()} {path.decode()}")
                    if path.endswith(b"/events/out"):
                        if self.is_refusing:
                            source.sendall(_FORBIDDEN)
                            break
                        is_stream = True
                        with self._streams_lock:
                            self._streams[source] = None
                else:
                    if not (self.is_mute and (is_stream or target in self._streams)):
                        target.sendall(part)
                    continue
                break
        if is_stream:
            with self._streams_lock:
                self._streams.pop(source, None)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_WR)
