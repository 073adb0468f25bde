"""A client of the API over plain HTTP, and small GeoJSON documents to send through it."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from .until import HANGING, until

_numbers = count(1)

# A server closes a connection that was idle for 5 s, at times just as the next request is sent.
_LIMITS = httpx.Limits(keepalive_expiry=1)

# Without the certificates of the world, which take 30 ms to load: no test of this client needs TLS.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def http_client(host: str, *, timeout: float = HANGING, **options: Any) -> httpx.Client:
    """A plain HTTP client of the API.

    Args:
        host: The server's URL.
        timeout: Seconds for one request.
        options: As of `httpx.Client`.
    """
    return httpx.Client(
        base_url=f"{host}/v1/", timeout=timeout, limits=_LIMITS, verify=_NO_CERTIFICATES, **options
    )


@dataclass
class Api:
    """What the tests ask of the API, over plain HTTP."""

    http: httpx.Client

    def json(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON of a request that must succeed."""
        answer = self.http.request(method, path, **arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a GET that must succeed."""
        return self.json("GET", path, params=params)

    def upload(self, name: str, content: bytes, **form: str) -> dict[str, Any]:
        """Uploads a file."""
        return self.json("POST", "files/", files={"file": (name, content)}, data=form)

    def wait(self, task: str | int) -> dict[str, Any]:
        """Waits for a task to end."""
        seen: dict[str, Any] = {}

        def has_ended() -> bool:
            seen.update(self.get(f"tasks/{task}/"))
            return seen["state"] in {"SUCCESS", "FAILURE", "ABORTED"}

        assert until(has_ended, pause=0.002), f"still {seen['state']}"
        return seen

    def publish(self, name: str, content: bytes, **form: Any) -> dict[str, Any]:
        """Uploads and publishes a file, as a vector by default; the ended task."""
        file = self.upload(name, content)
        data = {"publish_as": "vector", "layer_name": new_name(), "input_srid": 3857, **form}
        start = self.json("POST", f"files/{file['uuid']}/publish/", data=data)
        return self.wait(start["task_id"])

    def layer(self, name: str, content: bytes, **form: Any) -> dict[str, Any]:
        """Publishes a file that must become a layer; the layer."""
        task = self.publish(name, content, **form)
        assert task["state"] == "SUCCESS", task["result"]
        return self.get(f"vectorLayers/{task['result']['layer_uuid']}/")

    def features(self, layer: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
        """Features of a layer."""
        found = self.get(f"vectorLayers/{layer['uuid']}/features/", f="json", **params)
        return found["features"]


def new_name() -> str:
    """A name that no other asset of the test run has."""
    return f"asset_{next(_numbers)}"


def geojson(*geometries: Any, crs: Any = ..., properties: dict[str, Any] | None = None) -> bytes:
    """A FeatureCollection of these geometries."""
    features = [
        {"type": "Feature", "properties": properties or {"number": number}, "geometry": geometry}
        for number, geometry in enumerate(geometries, start=1)
    ]
    document: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if crs is not ...:
        document["crs"] = crs and {"type": "name", "properties": {"name": crs}}
    return json.dumps(document).encode()


def point(east: float, north: float) -> dict[str, Any]:
    """A point."""
    return {"type": "Point", "coordinates": [east, north]}


def failure(task: dict[str, Any]) -> tuple[str, str]:
    """Type and reason of a task that failed, in the API's own shape."""
    assert task["state"] == "FAILURE", task
    assert set(task["result"]) == {"detail"}
    assert set(task["result"]["detail"]) == {"msg", "type"}
    return task["result"]["detail"]["type"], task["result"]["detail"]["msg"]
