"""Downloads that can be resumed: range requests as in RFC 9110."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.datastructures import Headers

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_MEDIA_TYPE = "application/octet-stream"


def download_response(headers: Headers, name: str, content: bytes) -> Response:
    """The answer to a request for content: all of it, a part (206), or none (416).

    That the API sends parts is a guess. A request for several parts gets all of the content, as
    does one whose `If-Range` belongs to other content.

    Args:
        headers: Those of the request.
        name: The name of the file.
        content: All of it.
    """
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    common = {
        "Content-Disposition": _disposition(name),
        "Accept-Ranges": "bytes",
        "ETag": etag,
    }
    wanted = _RANGE.fullmatch(headers.get("range", "").strip())
    if wanted is None or wanted.groups() == ("", "") or headers.get("if-range", etag) != etag:
        return Response(content, media_type=_MEDIA_TYPE, headers=common)
    size = len(content)
    start, end = _bounds(wanted, size)
    if start > end or start >= size:
        return Response(status_code=416, headers={**common, "Content-Range": f"bytes */{size}"})
    return Response(
        content[start : end + 1],
        206,
        media_type=_MEDIA_TYPE,
        headers={**common, "Content-Range": f"bytes {start}-{end}/{size}"},
    )


def _bounds(wanted: re.Match[str], size: int) -> tuple[int, int]:
    first, last = wanted.groups()
    if not first:
        # A suffix range: the last bytes.
        return max(size - int(last), 0), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def _disposition(name: str) -> str:
    if name.isascii() and name.isprintable() and '"' not in name:
        return f'attachment; filename="{name}"'
    return f"attachment; filename*=utf-8''{quote(name)}"
