"""The methods that download files."""

from __future__ import annotations

import os
from pathlib import Path

from prefect_geobox.client.api.input_lookup import InputLookup
from prefect_geobox.client.api.progress_bar import transfer_listener
from prefect_geobox.client.api.transfer_call import TransferCall
from prefect_geobox.client.http.multipart_upload import OnBytes, checked_local_path
from prefect_geobox.client.http.resumable_download import Download
from prefect_geobox.client.model.validation import positive_seconds
from prefect_geobox.client.operations._inputs import AssetLike, Input, Resource, to_input


class DownloadMethods(InputLookup):
    """Downloads files."""

    async def download_file(
        self,
        file: AssetLike,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        timeout: float | None = None,
        progress_bar: bool = True,
        on_bytes: OnBytes | None = None,
    ) -> Path:
        """Downloads a file, or the file of a raster: `GET files/{uuid}/download/`.

        It is streamed to a temporary file in the same folder and renamed when it is complete. After
        a broken connection it is resumed, if the server supports that. An existing file is not
        overwritten; one with the same content is left as it is. Where it fails or is cancelled,
        nothing is left, no new folder either.

        Args:
            file: The file or raster; a bare uuid or a name is that of a file.
            path: Where it is written. In a folder, which exists or ends with a slash, it gets the
                name that the server sends. Missing folders are created.
            overwrite: Whether an existing file is replaced.
            timeout: Seconds from the call; above 0; None for no limit.
            progress_bar: Whether to draw a bar where there is a terminal.
            on_bytes: Called on the I/O thread with the bytes received so far and the total, which
                is 0 while it is not known.

        Returns:
            Its path.

        Raises:
            InvalidArgumentError: It is neither a file nor a raster, or the timeout is invalid; no
                request was sent.
            TransferTimeoutError: The timeout ended.
            FileExistsError: Another file exists there.
            OSError: It cannot be written there.
            GeoboxError: The server refused, or could not be reached for 30 s.
        """
        title = f"Download of {file_input(file).label}"
        with transfer_listener(on_bytes, title, show=progress_bar) as listener:
            call = self.downloading(
                file, path, overwrite=overwrite, timeout=timeout, on_bytes=listener
            )
            return await call.arun()

    def downloading(
        self,
        file: AssetLike,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        timeout: float | None = None,
        on_bytes: OnBytes | None = None,
        began: float | None = None,
    ) -> TransferCall[Path]:
        """Prepares a download, which `run` or `arun` of the call carries out.

        Args:
            file: As in `download_file`, like the other arguments.
            path: The target.
            overwrite: Whether an existing file is replaced.
            timeout: Seconds.
            on_bytes: Called with the bytes so far.
            began: The moment of the client's clock from which the timeout counts; now by default.

        Raises:
            InvalidArgumentError: It is neither a file nor a raster, or the timeout is invalid.
        """
        ref = file_input(file)
        checked_local_path("path", path)
        if timeout is not None:
            positive_seconds("timeout", timeout)
        since = self.clock.monotonic() if began is None else began

        async def download() -> Path:
            found = await self.look_up(ref)
            size = found.data.get("size")
            transfer = Download(
                self.shared_session().transport,
                f"{found.path}download/",
                path,
                default_name=found.name or found.uuid,
                size=size if isinstance(size, int) and not isinstance(size, bool) else None,
                overwrite=overwrite,
                on_bytes=on_bytes,
            )
            gone = self.clock.monotonic() - since
            return await transfer.run(None if timeout is None else max(0.0, timeout - gone))

        return TransferCall(download)


def file_input(file: AssetLike) -> Input:
    """What can be downloaded, as an input.

    Raises:
        InvalidArgumentError: It is neither a file nor a raster.
    """
    return to_input("file", file, Resource.FILE, Resource.RASTER)
