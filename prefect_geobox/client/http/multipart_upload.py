"""The file that an upload sends, and its multipart body, streamed from disk."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import IO, Final

import anyio.to_thread
import httpx

from prefect_geobox.client.model.errors import InvalidArgumentError


def readable_file(path: str | os.PathLike[str]) -> Path:
    """The path of a file that exists, is not empty and can be read.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder.
        PermissionError: It cannot be read.
        InvalidArgumentError: It is empty.
    """
    file = Path(path).expanduser()
    if not file.exists():
        raise FileNotFoundError(
            f"There is no file {str(file)!r} here ({Path.cwd()}). Check the spelling, or give "
            "the whole path."
        )
    if file.is_dir():
        raise IsADirectoryError(
            f"{str(file)!r} is a folder. Give one file; pack a Shapefile's parts or a file "
            "geodatabase into a .zip first."
        )
    if not os.access(file, os.R_OK):
        raise PermissionError(f"{str(file)!r} may not be read. Change its permissions.")
    if file.stat().st_size == 0:
        raise InvalidArgumentError(f"{str(file)!r} is empty: there is nothing to upload.")
    return file


#: Called with the bytes sent or received so far and the total; 0 while the total is not known.
OnBytes = Callable[[int, int], None]

_CHUNK: Final = 256 * 1024


class _FileBody(httpx.AsyncByteStream):
    """Head, content of the file, tail. A worker thread reads the disk, one chunk at a time."""

    def __init__(
        self, path: Path, size: int, head: bytes, tail: bytes, on_bytes: OnBytes | None
    ) -> None:
        self._path = path
        self._size = size
        self._head = head
        self._tail = tail
        self._on_bytes = on_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._head
        sent = 0
        with await anyio.to_thread.run_sync(_open, self._path) as file:
            while chunk := await anyio.to_thread.run_sync(file.read, _CHUNK):
                yield chunk
                sent += len(chunk)
                if self._on_bytes:
                    self._on_bytes(sent, self._size)
        yield self._tail


def upload_body(
    path: Path, on_bytes: OnBytes | None
) -> tuple[Mapping[str, str], httpx.AsyncByteStream]:
    """Headers and body of a multipart upload of one file.

    Args:
        path: The file.
        on_bytes: Called with the bytes sent so far.
    """
    # httpx writes the multipart framing; the file goes between its first and last line.
    framing = httpx.Request(
        "POST",
        "http://upload",
        data={"scan_archive": "True"},
        files={"file": (path.name, b"\0")},
    )
    head, _, tail = framing.read().rpartition(b"\0")
    size = path.stat().st_size
    headers = {
        "Content-Type": framing.headers["content-type"],
        "Content-Length": str(len(head) + size + len(tail)),
    }
    return headers, _FileBody(path, size, head, tail, on_bytes)


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")
