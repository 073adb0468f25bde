"""Makes values from the JSON of the API, or raises with what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect_geobox.client.model.assets import AssetKind, OutputAsset
from prefect_geobox.client.model.errors import InvalidResponseError
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.model.text import is_identifier, is_too_deep

UrlOf = Callable[[AssetKind, str], str]


def parse_tasks(payload: Any) -> list[RemoteTask]:
    """The task list; the API may send null for an empty one."""
    return [RemoteTask.from_payload(item) for item in _list(payload)]


def parse_count(payload: Any) -> int:
    """A count: a bare number, or an object with `count`."""
    count = payload.get("count") if isinstance(payload, dict) else payload
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise InvalidResponseError("the count is not a whole number")
    return count


def parse_starts(payload: Any) -> list[str]:
    """The identifiers of the remote tasks that a request has just started, one or more.

    Caches answer with a list, all other endpoints with one object.
    """
    items = payload if isinstance(payload, list) else [payload]
    task_ids = [item.get("task_id") if isinstance(item, dict) else None for item in items]
    if not task_ids or any(isinstance(i, bool) or not isinstance(i, (int, str)) for i in task_ids):
        raise InvalidResponseError("there is no `task_id` in it")
    return [checked_identifier(str(task_id)) for task_id in task_ids]


def parse_described(payload: Any) -> dict[str, Any]:
    """The description of a thing with a uuid."""
    uuid = payload.get("uuid") if isinstance(payload, dict) else None
    if not isinstance(uuid, str):
        raise InvalidResponseError("there is no `uuid` in it")
    checked_identifier(uuid)
    if is_too_deep(payload):
        raise InvalidResponseError("it is nested too deeply")
    return dict(payload)


def parse_descriptions(payload: Any) -> list[dict[str, Any]]:
    """A list of such descriptions; the API may send null for an empty one."""
    return [parse_described(item) for item in _list(payload)]


def parse_asset(payload: Any, kind: AssetKind, url_of: UrlOf) -> OutputAsset:
    """An asset's description."""
    uuid = payload.get("uuid") if isinstance(payload, dict) else None
    if not isinstance(uuid, str):
        raise InvalidResponseError(f"it does not describe a {kind.value}: there is no `uuid` in it")
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
        raise InvalidResponseError("it is not a GeoJSON feature collection")
    return payload


def checked_identifier(text: str) -> str:
    """Refuses an identifier from the server that could change the meaning of a URL."""
    if not is_identifier(text):
        raise InvalidResponseError("an identifier in it has characters that a uuid cannot have")
    return text


def _list(payload: Any) -> list[Any]:
    if payload is None:
        return []
    if not isinstance(payload, list):
        raise InvalidResponseError("it is not a list")
    return payload
