"""Decodes text files."""

from __future__ import annotations

import codecs
import io
import re

from prefect_geobox.emulator.geodata.errors import JobError

# What a file begins with names its encoding, whatever a request says.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_XML_DECLARATION = re.compile(rb"""\s*<\?xml[^>]*\bencoding\s*=\s*["']([\w.:-]+)["'][^>]*\?>""")


def is_utf8(encoding: str) -> bool:
    """Whether this is a name of UTF-8, which clients send with every file by default."""
    return encoding.strip().lower().replace("_", "-") in {"utf-8", "utf8", "utf-8-sig"}


def check_encoding(name: str, encoding: str) -> None:
    """Refuses an encoding that does not exist.

    Args:
        name: The file's name, for the error.
        encoding: The name of the encoding.

    Raises:
        JobError: There is no such encoding of texts.
    """
    try:
        # A codec that is not one of texts, such as `hex`, is refused too.
        io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    except (LookupError, ValueError):
        reason = f"{name} cannot be read: there is no encoding {encoding!r}, as in file_encoding"
        raise JobError(reason, "geobox.InvalidFileError") from None


def decoded(name: str, content: bytes, encoding: str) -> str:
    """The text of a file.

    Args:
        name: The file's name, for the error.
        content: Its bytes.
        encoding: Its encoding; a byte order mark takes precedence.

    Raises:
        JobError: It is not in this encoding.
    """
    check_encoding(name, encoding)
    marks = (known for mark, known in _BYTE_ORDER_MARKS if content.startswith(mark))
    encoding = next(marks, encoding)
    try:
        return content.decode(encoding)
    except ValueError as error:
        raise undecodable(name, encoding, error) from None


def undecodable(name: str, encoding: str, error: object) -> JobError:
    """The error for a text that is not in the encoding that it is read in."""
    reason = (
        f"{name} cannot be read: its text is not {encoding.upper()} ({error}); "
        "pass the encoding that it has as file_encoding"
    )
    return JobError(reason, "geobox.InvalidFileError")


def xml_in_utf8(name: str, content: bytes) -> bytes:
    """An XML document in UTF-8, because the parser of GDAL knows few of the declared encodings.

    Args:
        name: The file's name, for the error.
        content: Its bytes.

    Raises:
        JobError: It is not in the encoding that it declares.
    """
    declaration = _XML_DECLARATION.match(content)
    if declaration is None or is_utf8(declaration[1].decode("ascii")):
        return content
    return decoded(name, content[declaration.end() :], declaration[1].decode("ascii")).encode()
