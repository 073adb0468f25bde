"""Makes values from what the API answers, or says what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect_geobox.client.errors import InvalidResponseError
from prefect_geobox.client.models import (
    AssetKind,
    OutputAsset,
    RemoteTask,
    is_identifier,
    is_too_deep,
)

UrlOf = Callable[[AssetKind, str], str]


def parse_tasks(payload: Any) -> list[RemoteTask]:
    """The task list; the API may send null for an empty one."""
    return [RemoteTask.from_payload(item) for item in _list(payload)]


def parse_count(payload: Any) -> int:
    """A count: a bare number, or an object with `count`."""
    count = payload.get("count") if isinstance(payload, dict) else payload
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise InvalidResponseError("the count is no whole number")
    return count


def parse_start(payload: Any) -> str:
    """The identifier of a remote task that was just started.

    Caches answer with a list; its first remote task is meant.
    """
    if isinstance(payload, list) and payload:
        payload = payload[0]
    task_id = payload.get("task_id") if isinstance(payload, dict) else None
    if isinstance(task_id, bool) or not isinstance(task_id, (int, str)):
        raise InvalidResponseError("there is no `task_id` in it")
    return checked_identifier(str(task_id))


def parse_asset(payload: Any, kind: AssetKind, url_of: UrlOf) -> OutputAsset:
    """An asset's description."""
    uuid = payload.get("uuid") if isinstance(payload, dict) else None
    if not isinstance(uuid, str):
        raise InvalidResponseError(f"it describes no {kind.value}: there is no `uuid` in it")
    checked_identifier(uuid)
    if is_too_deep(payload):
        raise InvalidResponseError("it is nested too deeply")
    name = payload.get("name")
    return OutputAsset(
        kind=kind,
        uuid=uuid,
        name=name if isinstance(name, str) else "",
        data=payload,
        api_url=url_of(kind, uuid),
    )


def parse_assets(payload: Any, kind: AssetKind, url_of: UrlOf) -> list[OutputAsset]:
    """A list of assets."""
    return [parse_asset(item, kind, url_of) for item in _list(payload)]


def parse_feature_collection(payload: Any) -> dict[str, Any]:
    """A page of features as GeoJSON."""
    if not isinstance(payload, dict) or not isinstance(payload.get("features"), list):
        raise InvalidResponseError("it is no GeoJSON feature collection")
    return payload


def checked_identifier(text: str) -> str:
    """Refuses an identifier of the server's that could change the meaning of a URL."""
    if not is_identifier(text):
        raise InvalidResponseError("an identifier in it has characters that no uuid has")
    return text


def _list(payload: Any) -> list[Any]:
    if payload is None:
        return []
    if not isinstance(payload, list):
        raise InvalidResponseError("it is no list")
    return payload
