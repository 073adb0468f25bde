"""Imports of feature types from a WFS, and what all imports have in common."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr
from typing_extensions import Unpack

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations import _validation as checks
from prefect_geobox.client.operations._inputs import LAYERS, Input, LayerLike, to_input
from prefect_geobox.client.operations._operation import (
    Evidence,
    LayerOptions,
    creates_asset,
    edits_asset,
)
from prefect_geobox.client.operations._request import Request, literally
from prefect_geobox.client.polling.policy import WaitOptions

#: What is told of no import.
SECRETS: Final = frozenset({"username", "password"})


@creates_asset(
    AssetKind.VECTOR,
    endpoint="POST wfsImport/import/",
    row=22,
    evidence=Evidence.DOCUMENTED,
)
def import_wfs(
    url: str,
    feature_type: str,
    name: str,
    *,
    username: str = "",
    password: SecretStr | str = "",
    version: str = "",
    input_srid: int | None = None,
    input_geom_type: str | None = None,
    report_errors: bool = False,
    user_id: int | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Imports a feature type of a WFS as a new layer.

    Args:
        url: The URL of the service, as Geobox reaches it.
        feature_type: The name of the feature type.
        name: The name of the new layer.
        username: The user, where the service wants one.
        password: The password; shown and kept nowhere.
        version: The version of the protocol; by default the server's choice.
        input_srid: The EPSG code of the coordinates; by default the server's choice.
        input_geom_type: The geometry type to read; by default the server's choice.
        report_errors: Whether features that could not be read are reported.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        layer = import_wfs(credentials, "https://gis.example.org/wfs", "roads", "roads")
        ```
    """
    return Request(
        f"Import {literally(checks.text('feature_type', feature_type))} as "
        f"{literally(checks.text('name', name))}",
        "wfsImport/import/",
        form={
            **_service(url, feature_type, username, password, version),
            "out_layer_name": name,
            **reading(input_srid, input_geom_type, report_errors, user_id),
        },
        name=name,
        secrets=SECRETS | {"url"},
    )


@edits_asset(endpoint="POST wfsImport/import-into-layer/", row=23)
def import_wfs_into_layer(
    url: str,
    feature_type: str,
    layer: LayerLike,
    *,
    username: str = "",
    password: SecretStr | str = "",
    version: str = "",
    input_srid: int | None = None,
    input_geom_type: str | None = None,
    report_errors: bool = False,
    user_id: int | None = None,
    is_view: bool | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Adds the features of a feature type of a WFS to a layer or view.

    Args:
        url: The URL of the service, as Geobox reaches it.
        feature_type: The name of the feature type.
        layer: The layer or view.
        username: The user, where the service wants one.
        password: The password; shown and kept nowhere.
        version: The version of the protocol; by default the server's choice.
        input_srid: The EPSG code of the coordinates; by default the server's choice.
        input_geom_type: The geometry type to read; by default the server's choice.
        report_errors: Whether features that could not be read are reported.
        user_id: On behalf of this user; needs privileges.
        is_view: Whether a bare uuid or a name is that of a view.

    Example:
        ```python
        import_wfs_into_layer(credentials, "https://gis.example.org/wfs", "roads", layer)
        ```
    """
    target = to_input("layer", layer, *LAYERS, is_view=is_view)
    form = {
        **_service(url, feature_type, username, password, version),
        **into(target),
        **reading(input_srid, input_geom_type, report_errors, user_id),
    }
    return Request(
        f"Import {literally(feature_type)} into {{layer}}",
        "wfsImport/import-into-layer/",
        {"layer": target},
        form=form,
        secrets=SECRETS | {"url"},
        finish=with_view,
    )


def _service(
    url: str, feature_type: str, username: str, password: SecretStr | str, version: str
) -> dict[str, Any]:
    checks.text("url", url)
    if not url.startswith(("http://", "https://")):
        raise InvalidArgumentError("url must begin with http:// or https://")
    if "@" in urlsplit(url).netloc:
        raise InvalidArgumentError(
            "url must not carry a user or password, which would be shown; pass username and "
            "password"
        )
    for field, value in (("username", username), ("version", version)):
        if not isinstance(value, str):
            raise InvalidArgumentError(f"{field} must be a text; got {value!r}")
    if not isinstance(password, (str, SecretStr)):
        raise InvalidArgumentError("password must be a text")
    return {
        "url": url,
        "layer_name": checks.text("feature_type", feature_type),
        "username": username,
        "password": password if isinstance(password, str) else password.get_secret_value(),
        "version": version,
    }


def reading(
    input_srid: int | None, input_geom_type: str | None, report_errors: bool, user_id: int | None
) -> dict[str, Any]:
    """The fields that say how features are read."""
    return {
        "input_srid": checks.srid_or_none("input_srid", input_srid),
        "input_geom_type": checks.text_or_none("input_geom_type", input_geom_type),
        "report_errors": checks.flag("report_errors", report_errors),
        "user_id": checks.whole_or_none("user_id", user_id, 0),
    }


def into(target: Input) -> dict[str, Any]:
    """The fields that name the layer or view that takes them."""
    return {"layer_uuid": target, "is_view": target.is_view}


def with_view(request: Request) -> dict[str, Any]:
    """The form once it is known whether its layer is a view."""
    # A name may have turned out to be that of a view.
    return {**(request.form or {}), "is_view": request.inputs["layer"].is_view}
