"""A way to a server that can be closed until something holds, as if the server were restarted."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

from typing_extensions import Self

from .until import until


class GatedProxy:
    """A TCP proxy on a port of its own; while it is closed, connections to it are refused.

    Args:
        url: What it leads to; `url` of the proxy has the same path.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._opener: threading.Thread | None = None
        self._port = 0
        self.open()
        self.url = urlunsplit(parts._replace(netloc=f"127.0.0.1:{self._port}"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._opener is not None:
            self._opener.join()
        self.close()

    def open(self) -> None:
        """Accepts connections, again on the same port."""
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        """Refuses connections, and breaks those that are open."""
        with self._lock:
            listener, self._listener = self._listener, None
            left, self._open = self._open, set()
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in left:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def close_until(self, condition: Callable[[], bool]) -> None:
        """Closes it now, and opens it again once something holds."""
        self.close()

        def open_then() -> None:
            until(condition)
            self.open()

        self._opener = threading.Thread(target=open_then, daemon=True)
        self._opener.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
                behind = socket.create_connection(self._target)
            except OSError:
                return
            with self._lock:
                is_open = self._listener is listener
                if is_open:
                    self._open |= {connection, behind}
            if not is_open:
                connection.close()
                behind.close()
                return
            for source, target in ((connection, behind), (behind, connection)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                target.sendall(part)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
