"""Thumbnails, drawn without a library."""

from __future__ import annotations

import struct
import zlib

_SIZE = 64


def thumbnail(key: str) -> bytes:
    """A PNG of a pattern whose colours depend on the key, so that each asset has its own.

    Args:
        key: The uuid of the asset.
    """
    seed = zlib.crc32(key.encode())
    red, green, blue = (64 + (seed >> shift) % 128 for shift in (0, 8, 16))
    lines = bytearray()
    for y in range(_SIZE):
        lines.append(0)
        for x in range(_SIZE):
            height = (x * (seed % 5 + 1) + y * (seed % 7 + 1)) % 64
            lines += bytes((red + height, green + height, blue + height // 2))
    header = struct.pack(">IIBBBBB", _SIZE, _SIZE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(lines))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum
