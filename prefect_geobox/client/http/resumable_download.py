"""Downloads a file: streamed, resumed after a broken connection, renamed when it is complete."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import anyio.to_thread
import httpx

from prefect_geobox.client.http.multipart_upload import OnBytes
from prefect_geobox.client.http.retry import RetryPolicy, retry_read
from prefect_geobox.client.http.transport import Transport
from prefect_geobox.client.model.errors import (
    GeoboxError,
    InvalidResponseError,
    TransferTimeoutError,
)
from prefect_geobox.client.model.file_names import file_name, file_name_of_header

_CHUNK: Final = 256 * 1024

#: How often the folder of a download is made.
_FOLDER_ATTEMPTS: Final = 5

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class Download:
    """The download of one file. Lives on the I/O thread.

    Args:
        transport: Sends the requests.
        path: Below the base URL.
        target: Where it is written: a path, or a folder that exists or ends with a slash.
        default_name: Its name in a folder where the server sends none.
        size: Its size, where it is known beforehand.
        overwrite: Whether an existing file is replaced.
        on_bytes: Called with the bytes received so far.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        target: str | os.PathLike[str],
        *,
        default_name: str,
        size: int | None,
        overwrite: bool,
        on_bytes: OnBytes | None,
    ) -> None:
        self._transport = transport
        self._path = path
        self._is_folder = os.fspath(target).endswith(("/", os.sep))
        self._target = Path(target).expanduser()
        self._is_folder = self._is_folder or self._target.is_dir()
        self._default_name = default_name
        self._known_size = size
        self._overwrite = overwrite
        self._on_bytes = on_bytes
        self._file: IO[bytes] | None = None
        self._received = 0
        self._total: int | None = None
        self._validator: str | None = None
        self._is_complete = False

    async def run(self, seconds: float | None = None) -> Path:
        """Downloads it and returns its path. Where it fails or is cancelled, nothing is left.

        Args:
            seconds: Seconds that it may take; None for no limit.

        Raises:
            TransferTimeoutError: It took longer.
            FileExistsError: Another file exists there, and `overwrite` is false.
            OSError: It cannot be written there.
            GeoboxError: The server refused, or the connection failed for good.
        """
        with anyio.move_on_after(seconds):
            return await self._run()
        total = self._total or self._known_size
        size = f"{total:,} bytes" if total else "a file of unknown size"
        raise TransferTimeoutError(
            f"GET {self._path} had sent {self._received:,} of {size} when the timeout ended; "
            "nothing was kept. Download it again with a longer timeout."
        )

    async def _run(self) -> Path:
        folder = self._target if self._is_folder else self._target.parent
        with _new_folders(folder), _temporary(folder) as file:
            self._file = file
            while not self._is_complete:
                await retry_read(self._attempt, RetryPolicy(), self._transport.clock)
            await anyio.to_thread.run_sync(_finish, file)
            return await anyio.to_thread.run_sync(self._move_into_place, Path(file.name))

    async def _attempt(self) -> None:
        before = self._received
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if before and self._validator:
            headers |= {"Range": f"bytes={before}-", "If-Range": self._validator}
        try:
            await self._transport.attempt_stream(self._path, headers, self._receive)
            self._check_size()
            self._is_complete = True
        except GeoboxError as error:
            # An attempt that made progress has not failed: the next one has the whole budget again.
            if not error.transient or self._received <= before:
                raise

    async def _receive(self, response: httpx.Response) -> None:
        file = self._file
        assert file is not None  # noqa: S101 - `run` has opened it
        if response.status_code == 206:
            self._check_range(response)
        else:
            # From the beginning: the first time, or because the server supports no ranges, or
            # because the file has changed.
            self._received = 0
            file.seek(0)
            file.truncate()
            is_plain = response.headers.get("content-encoding", "identity") == "identity"
            length = response.headers.get("content-length", "")
            self._total = int(length) if is_plain and length.isdigit() else None
            self._validator = _validator(response) if is_plain else None
            if self._is_folder:
                self._target = self._target / _name_of(response, self._default_name)
                self._is_folder = False
            self._refuse_overwrite()
        # In pieces as they arrive: larger ones would be lost where the connection breaks.
        async for chunk in response.aiter_bytes():
            await anyio.to_thread.run_sync(file.write, chunk)
            self._received += len(chunk)
            if self._on_bytes:
                self._on_bytes(self._received, self._total or self._known_size or 0)

    def _check_range(self, response: httpx.Response) -> None:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if match is None or int(match[1]) != self._received:
            self._validator = None
            raise InvalidResponseError(
                f"GET {self._path} was answered 206, but with another range than requested"
            )

    def _check_size(self) -> None:
        total = self._known_size if self._total is None else self._total
        if total is not None and total != self._received:
            received, self._received = self._received, 0
            raise InvalidResponseError(
                f"GET {self._path} sent {received:,} bytes where {total:,} were expected"
            )

    def _refuse_overwrite(self) -> None:
        if self._overwrite or not self._target.exists():
            return
        size = self._target.stat().st_size if self._target.is_file() else -1
        # With the same size it may be the result of an earlier attempt; the end will show.
        if size < 0 or (self._total is not None and self._total != size):
            raise _exists(self._target)

    def _move_into_place(self, complete: Path) -> Path:
        target = self._target
        if self._overwrite:
            complete.replace(target)
            return target
        try:
            # Unlike a rename, this fails where a file has been created in the meantime.
            os.link(complete, target)
        except FileExistsError:
            if not target.is_file() or not _are_equal(complete, target):
                raise _exists(target) from None
        except OSError:
            # A file system without hard links.
            if target.exists():
                raise _exists(target) from None
            complete.replace(target)
        return target


@contextlib.contextmanager
def _new_folders(folder: Path) -> Iterator[None]:
    """Removes the folders that are missing now, if they are still empty after a failure."""
    missing = list(itertools.takewhile(lambda path: not path.exists(), (folder, *folder.parents)))
    try:
        yield
    except BaseException:
        # Another download may use them meanwhile.
        with contextlib.suppress(OSError):
            for path in missing:
                path.rmdir()
        raise


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[IO[bytes]]:
    # A plain file: one of `tempfile` would stay readable by its owner only after the rename.
    path = folder / f".geobox-{secrets.token_hex(8)}.part"
    with _opened(path) as file:
        try:
            yield file
        finally:
            # It no longer exists where it was renamed.
            path.unlink(missing_ok=True)


def _opened(path: Path) -> IO[bytes]:
    for _ in range(_FOLDER_ATTEMPTS):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Another download into the same new folder may fail, and remove it just now.
        with contextlib.suppress(FileNotFoundError):
            return path.open("xb")
    return path.open("xb")


def _finish(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _exists(target: Path) -> FileExistsError:
    return FileExistsError(
        f"{str(target)!r} exists already and is a different file. Choose another path, "
        "or pass overwrite=True."
    )


def _are_equal(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        while chunk := first.read(_CHUNK):
            if chunk != second.read(_CHUNK):
                return False
    return True


def _validator(response: httpx.Response) -> str | None:
    """The validator by which the server recognizes the same file later; None if it sends none."""
    etag: str = response.headers.get("etag", "")
    if etag and not etag.startswith("W/"):
        return etag
    modified: str | None = response.headers.get("last-modified")
    return modified


def _name_of(response: httpx.Response, default: str) -> str:
    """A file name without a path, so that the file stays in its folder."""
    sent = file_name_of_header(response.headers.get("content-disposition", ""))
    return sent or file_name(default) or "download"
