"""The file that an upload sends, and its multipart body, streamed from disk."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final

import anyio.to_thread
import httpx

from prefect_geobox.client.model.errors import InvalidArgumentError, LocalFileError
from prefect_geobox.client.model.local_files import refuse_folder, refuse_incomplete
from prefect_geobox.client.model.names import composed
from prefect_geobox.client.model.validation import refuse_coroutine

logger = logging.getLogger(__name__)


def readable_file(path: str | os.PathLike[str]) -> Path:
    """The path of a file that exists, is not empty, can be read, and is complete in itself.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder.
        PermissionError: It cannot be read.
        InvalidArgumentError: It is empty or no file at all, cannot be used without the files beside
            it, or its name is not UTF-8.
    """
    file = checked_local_path("path", path)
    refuse_names_that_are_not_utf8("path", file.name)
    if not file.exists():
        raise FileNotFoundError(
            f"There is no file {str(file)!r} here ({Path.cwd()}). Check the spelling, or give "
            "the whole path."
        )
    if file.is_dir():
        refuse_folder(file)
    if not file.is_file():
        raise InvalidArgumentError(
            f"{str(file)!r} is not a regular file: only what has a size can be uploaded. Save it "
            "to a file first."
        )
    if not os.access(file, os.R_OK):
        raise PermissionError(f"{str(file)!r} may not be read. Change its permissions.")
    if file.stat().st_size == 0:
        raise InvalidArgumentError(f"{str(file)!r} is empty: there is nothing to upload.")
    refuse_incomplete(file)
    return file


def checked_local_path(field: str, path: str | os.PathLike[str]) -> Path:
    """A path in the local file system, with `~` expanded.

    Args:
        field: The argument's name, for the message.
        path: The path.

    Raises:
        InvalidArgumentError: It is something else.
    """
    refuse_coroutine(field, path)
    if not isinstance(path, (str, os.PathLike)) or path == "":
        raise InvalidArgumentError(
            f"{field} must be the path of a file, as a text or a Path; got "
            f"{'an empty text' if path == '' else f'an object of type {type(path).__name__}'}"
        )
    try:
        return Path(path).expanduser()
    except (TypeError, RuntimeError) as error:
        raise InvalidArgumentError(f"{field} must be the path of a file: {error}") from None


def refuse_names_that_are_not_utf8(field: str, name: str) -> None:
    """Refuses a name whose bytes on disk are of another encoding: JSON cannot hold it.

    Args:
        field: The argument's name, for the message.
        name: A path, or a part of one.

    Raises:
        InvalidArgumentError: It is not UTF-8.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            f"{field}: the name {os.fsencode(name)!r} is not UTF-8, so that it can neither be sent "
            "nor recorded. Rename it; convmv does that for many at once."
        ) from None


#: Called with the bytes sent or received so far and the total; 0 while the total is not known.
OnBytes = Callable[[int, int], None]

_CHUNK: Final = 256 * 1024

#: Bytes that are hashed at once.
_HASHED_CHUNK: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class UploadSource:
    """A file that is uploaded, as it was when the upload began.

    Attributes:
        path: The file.
        size: Its bytes.
        modified: The time of its last change, in nanoseconds.
        sha256: The hash of its content, in hexadecimal digits, which must be that of what is sent;
            None where it was not hashed.
    """

    path: Path
    size: int
    modified: int
    sha256: str | None = None

    @classmethod
    def of(cls, path: Path) -> UploadSource:
        """A file as it is now."""
        found = path.stat()
        return cls(path, found.st_size, found.st_mtime_ns)

    async def hashed(self) -> UploadSource:
        """The same file with its hash. Worker threads read the disk, and a cancellation ends it.

        Raises:
            LocalFileError: It has changed, or cannot be read any more.
        """
        sha = hashlib.sha256()
        try:
            with await anyio.to_thread.run_sync(_open, self.path) as file:
                while await anyio.to_thread.run_sync(_read, file, _HASHED_CHUNK, sha):
                    pass
        except OSError as error:
            raise _unreadable(self.path, error) from None
        await anyio.to_thread.run_sync(self.check)
        return replace(self, sha256=sha.hexdigest())

    def check(self) -> None:
        """Raises where the file is no longer as it was.

        Raises:
            LocalFileError: It has changed, or is gone.
        """
        try:
            now = UploadSource.of(self.path)
        except OSError as error:
            raise _unreadable(self.path, error) from None
        if (now.size, now.modified) == (self.size, self.modified):
            return
        change = "it was written to"
        if now.size != self.size:
            change = f"it had {self.size:,} bytes and has {now.size:,} now"
        raise _changed(self.path, change)


class _FileBody(httpx.AsyncByteStream):
    """Head, content of the file, tail. A worker thread reads the disk, one chunk at a time.

    Before the tail, without which a server does not accept a body, the file is compared with what
    was announced. All failures of the source are classified here: below, they would be taken for
    mistakes in the use of HTTP.
    """

    def __init__(
        self, source: UploadSource, head: bytes, tail: bytes, on_bytes: OnBytes | None
    ) -> None:
        self._source = source
        self._head = head
        self._tail = tail
        self._on_bytes = on_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._head
        sent, size = 0, self._source.size
        sha = None if self._source.sha256 is None else hashlib.sha256()
        try:
            with await anyio.to_thread.run_sync(_open, self._source.path) as file:
                while chunk := await anyio.to_thread.run_sync(
                    _read, file, min(_CHUNK, size - sent), sha
                ):
                    yield chunk
                    sent += len(chunk)
                    self._report(sent)
            await anyio.to_thread.run_sync(self._source.check)
        except OSError as error:
            if isinstance(error, LocalFileError):
                raise
            raise _unreadable(self._source.path, error) from None
        if sent < size:
            raise LocalFileError(
                f"Only {sent:,} of the {size:,} bytes of {self._source.path.name} could be read. "
                "The server has not received it. Check the disk, and upload it again."
            )
        if sha is not None and sha.hexdigest() != self._source.sha256:
            raise _changed(self._source.path, "it has another content than when it was hashed")
        yield self._tail

    def _report(self, sent: int) -> None:
        if self._on_bytes is None:
            return
        try:
            self._on_bytes(sent, self._source.size)
        except Exception:
            # An upload goes on where its listener fails.
            logger.exception("Progress of an upload could not be reported; it goes on without.")
            self._on_bytes = None


def upload_body(
    source: UploadSource, on_bytes: OnBytes | None
) -> tuple[Mapping[str, str], httpx.AsyncByteStream]:
    """Headers and body of a multipart upload of one file.

    Args:
        source: The file.
        on_bytes: Called with the bytes sent so far.

    Raises:
        LocalFileError: It has changed since it was examined, or is gone.
    """
    source.check()
    # httpx writes the multipart framing; the file goes between its first and last line.
    framing = httpx.Request(
        "POST",
        "http://upload",
        data={"scan_archive": "True"},
        files={"file": (composed(source.path.name), b"\0")},
    )
    head, _, tail = framing.read().rpartition(b"\0")
    headers = {
        "Content-Type": framing.headers["content-type"],
        "Content-Length": str(len(head) + source.size + len(tail)),
    }
    return headers, _FileBody(source, head, tail, on_bytes)


def _unreadable(path: Path, error: OSError) -> LocalFileError:
    return LocalFileError(
        f"{path.name} cannot be read any more: {error.strerror or error}. The server has not "
        "received it. Upload it again when it can be read."
    )


def _changed(path: Path, change: str) -> LocalFileError:
    return LocalFileError(
        f"{path.name} changed while it was uploaded: {change}. The server has not received it. "
        "Upload it again when nothing writes to it any more, or upload a copy."
    )


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _read(file: IO[bytes], size: int, sha: hashlib._Hash | None) -> bytes:
    chunk = file.read(size)
    if sha is not None:
        sha.update(chunk)
    return chunk
