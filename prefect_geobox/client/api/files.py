"""The methods that upload files."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from prefect_geobox.client.api.assets import COLLECTIONS, AssetMethods
from prefect_geobox.client.api.progress_bar import transfer_listener
from prefect_geobox.client.http.multipart_upload import (
    OnBytes,
    UploadSource,
    readable_file,
    upload_body,
)
from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.local_files import remarks_on
from prefect_geobox.client.model.payloads import parse_asset
from prefect_geobox.client.model.text import printable
from prefect_geobox.client.submission import Submission

logger = logging.getLogger(__name__)


class FileMethods(AssetMethods):
    """Uploads files."""

    async def upload_file(
        self,
        path: str | os.PathLike[str],
        *,
        progress_bar: bool = True,
        on_bytes: OnBytes | None = None,
        notify: Callable[[str], None] = logger.warning,
    ) -> OutputAsset:
        """Uploads a file, streamed from disk: `POST files/`.

        Where it is unclear after a failure whether the file has arrived, it is looked up by its
        name and size: a new file is adopted; without one it is sent again.

        Args:
            path: The file.
            progress_bar: Whether to draw a bar where there is a terminal.
            on_bytes: Called on the I/O thread with the bytes sent so far and the total.
            notify: Called with a sentence where a file was adopted or sent again, or where
                something of it is not in the file, such as pending edits; logs by default.

        Raises:
            FileNotFoundError: There is no such file.
            OSError: It is a folder or cannot be read.
            InvalidArgumentError: It is empty, or cannot be used without the files beside it.
            LocalFileError: It changed while it was sent.
            AmbiguousSubmissionError: It may have arrived, and the server cannot tell.
            GeoboxError: The server refused it, or could not be reached.
        """
        file = readable_file(path)
        title = f"Upload of {printable(file.name, 100)}"
        with transfer_listener(on_bytes, title, show=progress_bar) as listener:
            source = UploadSource.of(file)
            return await self.submit(self.uploading(source, on_bytes=listener, notify=notify))

    def uploading(
        self,
        source: UploadSource,
        *,
        on_bytes: OnBytes | None = None,
        notify: Callable[[str], None] = logger.warning,
    ) -> Submission[OutputAsset]:
        """The upload of a file, ready to be sent by `submit`.

        Args:
            source: The file, which must not change from now on.
            on_bytes: As in `upload_file`.
            notify: As in `upload_file`; called at once with what is not in the file.
        """
        file = source.path
        for sentence in remarks_on(file):
            notify(sentence)

        async def send() -> OutputAsset:
            return await self.shared_session().transport.upload(
                COLLECTIONS[AssetKind.FILE],
                lambda payload: parse_asset(payload, AssetKind.FILE, self._url_of),
                lambda: upload_body(source, on_bytes),
            )

        return Submission(
            kind="file",
            title=f"The upload of {file.name}",
            send=send,
            newest=lambda retry: self._find(AssetKind.FILE, file.name, retry),
            is_likely=lambda asset: asset.data.get("size", source.size) == source.size,
            notify=notify,
            similarity_key=f"{file.name}, {source.size} bytes",
        )
