"""Imports of feature types from a WFS."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr
from typing_extensions import Unpack

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations._inputs import LayerLike, inputs
from prefect_geobox.client.operations._operation import (
    Evidence,
    LayerOptions,
    creates_asset,
    edits_asset,
)
from prefect_geobox.client.operations._request import IsView, Request, literally
from prefect_geobox.client.operations._validation import AnyText, Srid, UserId, text
from prefect_geobox.client.polling.policy import WaitOptions

#: The fields of imports that are shown and kept nowhere.
SECRETS: Final = frozenset({"username", "password"})


def service_url(field: str, value: Any) -> str:
    """The URL of a service, without a user and a password in it."""
    url = text(field, value)
    if not url.startswith(("http://", "https://")):
        raise InvalidArgumentError(f"{field} must begin with http:// or https://")
    if "@" in urlsplit(url).netloc:
        raise InvalidArgumentError(
            f"{field} must not carry a user or password, which would be shown; pass username and "
            "password"
        )
    return url


def password_text(field: str, value: Any) -> str:
    """A password as it is sent. The message does not show the value."""
    if not isinstance(value, (str, SecretStr)):
        raise InvalidArgumentError(f"{field} must be a text")
    return value if isinstance(value, str) else value.get_secret_value()


ServiceUrl = Annotated[str, service_url]
Password = Annotated[SecretStr | str, password_text]


def _login_remarks(username: str, password: SecretStr | str) -> list[str]:
    if not password or username:
        return []
    return ["password has no effect without username: the service is read without a login."]


@creates_asset(
    AssetKind.VECTOR,
    endpoint="POST wfsImport/import/",
    sdk="GeoboxClient.wfs_import",
    evidence=Evidence.DOCUMENTED,
)
def import_wfs(
    url: ServiceUrl,
    feature_type: str,
    name: str,
    *,
    username: AnyText = "",
    password: Password = "",
    version: AnyText = "",
    input_srid: Srid | None = None,
    input_geom_type: str | None = None,
    report_errors: bool = False,
    user_id: UserId | None = None,
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
        f"Import {literally(feature_type)} as {literally(name)}",
        "wfsImport/import/",
        form={
            "url": url,
            "layer_name": feature_type,
            "username": username,
            "password": password,
            "version": version,
            "out_layer_name": name,
            "input_srid": input_srid,
            "input_geom_type": input_geom_type,
            "report_errors": report_errors,
            "user_id": user_id,
        },
        name=name,
        secrets=SECRETS | {"url"},
        remarks=lambda _: _login_remarks(username, password),
    )


@edits_asset(endpoint="POST wfsImport/import-into-layer/", sdk="GeoboxClient.wfs_import_into_layer")
def import_wfs_into_layer(
    url: ServiceUrl,
    feature_type: str,
    layer: LayerLike,
    *,
    username: AnyText = "",
    password: Password = "",
    version: AnyText = "",
    input_srid: Srid | None = None,
    input_geom_type: str | None = None,
    report_errors: bool = False,
    user_id: UserId | None = None,
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
    return Request(
        f"Import {literally(feature_type)} into {{layer}}",
        "wfsImport/import-into-layer/",
        inputs(layer, is_view=is_view),
        form={
            "url": url,
            "layer_name": feature_type,
            "username": username,
            "password": password,
            "version": version,
            "layer_uuid": layer,
            "is_view": IsView("layer"),
            "input_srid": input_srid,
            "input_geom_type": input_geom_type,
            "report_errors": report_errors,
            "user_id": user_id,
        },
        secrets=SECRETS | {"url"},
        remarks=lambda _: _login_remarks(username, password),
    )
