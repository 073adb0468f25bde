"""TCP servers and a proxy that answer as no HTTP server would."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from struct import pack
from urllib.parse import urlsplit


@contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A TCP server in threads; yields its URL.

    Args:
        serve: Handles one connection; the socket is closed after it.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    open_sockets: list[socket.socket] = []

    def handle(connection: socket.socket) -> None:
        with connection:
            try:
                serve(connection)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_sockets.append(connection)
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(2)
        listener.close()
        for connection in open_sockets:
            connection.close()
        thread.join(2)


def hang(connection: socket.socket) -> None:
    """Reads for ever and never answers."""
    while connection.recv(65536):
        pass


def reset(connection: socket.socket) -> None:
    """Reads a request and breaks the connection."""
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))


def refused_url() -> str:
    """The URL of a port without a listener."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


@contextmanager
def cutting_proxy(url: str, after: int) -> Iterator[str]:
    """A way to a server that breaks its first connection after so many bytes; yields its URL.

    Later connections pass untouched.
    """
    target, cuts = urlsplit(url), iter([after])

    def serve(connection: socket.socket) -> None:
        left = next(cuts, None)
        with socket.create_connection((target.hostname, target.port)) as behind:
            back = threading.Thread(target=pass_on, args=(behind, connection), daemon=True)
            back.start()
            while part := connection.recv(4096 if left is None else min(4096, left)):
                behind.sendall(part)
                if left is not None and (left := left - len(part)) <= 0:
                    break
            behind.shutdown(socket.SHUT_RDWR)
            back.join(5)

    with raw_server(serve) as proxy:
        yield proxy


def pass_on(source: socket.socket, target: socket.socket) -> None:
    """Passes on what one socket receives to another, until it closes."""
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
