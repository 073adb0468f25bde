"""Payloads of the API, the uuids in them, and secrets that no other test uses."""

from __future__ import annotations

from itertools import count
from typing import Any

HOST = "http://geobox.test"
TASK = "12345678-1234-5678-1234-567812345678"
OTHER = "87654321-4321-8765-4321-876543218765"
THIRD = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
ASSET = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"

_numbers = count(1)


def task(state: str = "SUCCESS", uuid: str = TASK, **more: Any) -> dict[str, Any]:
    """The payload of a remote task."""
    return {"uuid": uuid, "id": 7, "name": "import", "state": state, "result": {}, **more}


def secret(kind: str = "secret") -> str:
    """A secret that no other test uses, so that no connection is shared with one."""
    return f"{kind}-Zq9x{next(_numbers):04d}-plainly-hidden"
