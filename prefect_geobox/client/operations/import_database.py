"""Imports of tables from databases."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from typing_extensions import Self, Unpack

from prefect_geobox.client.model.assets import AssetKind
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.operations._inputs import LayerLike, inputs
from prefect_geobox.client.operations._operation import (
    LayerOptions,
    creates_asset,
    edits_asset,
)
from prefect_geobox.client.operations._request import IsView, Request, literally
from prefect_geobox.client.operations._validation import Srid, UserId
from prefect_geobox.client.operations.import_wfs import SECRETS
from prefect_geobox.client.polling.policy import WaitOptions

DatabaseType = Literal["postgis", "sqlserver", "oracle", "mysql"]


class Database(BaseModel):
    """A database that Geobox imports from. Geobox itself connects to it.

    Attributes:
        db_type: "postgis", "sqlserver", "oracle" or "mysql".
        host: Its host, as Geobox reaches it.
        port: Its port.
        db_name: The name of the database.
        username: The user.
        password: The password; shown and kept nowhere.
        schemas: Only these schemas, with commas between; for PostGIS.

    Example:
        ```python
        cadastre = Database(
            db_type="postgis", host="db.example.org", port=5432, db_name="cadastre",
            username="reader", password="…",
        )
        ```
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    db_type: DatabaseType
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    db_name: str = Field(min_length=1)
    username: str
    password: SecretStr
    schemas: str | None = None

    @field_validator("db_type", mode="before")
    @classmethod
    def _plain_type(cls, value: Any) -> Any:
        return getattr(value, "value", value)

    @model_validator(mode="after")
    def _only_postgis_has_schemas(self) -> Self:
        if self.schemas is not None and self.db_type != "postgis":
            raise ValueError(f"schemas can be given for postgis only, not for {self.db_type}")
        return self

    def form(self) -> dict[str, Any]:
        """The fields with which Geobox connects, the password among them."""
        return {
            "db_type": self.db_type,
            "host": self.host,
            "port": str(self.port),
            "db_name": self.db_name,
            "username": self.username,
            "password": self.password.get_secret_value(),
            "schemas": self.schemas,
        }


@creates_asset(
    AssetKind.VECTOR, endpoint="POST dbImport/import/", sdk="DatabaseTable.import_spatial"
)
def import_database_layer(
    database: Database,
    table: str,
    name: str | None = None,
    *,
    input_srid: Srid | None = None,
    input_geom_type: str | None = None,
    report_errors: bool = False,
    user_id: UserId | None = None,
    **_: Unpack[LayerOptions],
) -> Request:
    """Imports a table with geometries from a database as a new layer.

    Args:
        database: The database.
        table: The table.
        name: The name of the new layer; by default that of the table.
        input_srid: The EPSG code of the coordinates; by default the server's choice.
        input_geom_type: The geometry type to read; by default the server's choice.
        report_errors: Whether features that could not be read are reported.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        layer = import_database_layer(credentials, cadastre, "parcels", "parcels_of_today")
        ```
    """
    made = name or table
    return Request(
        f"Import {literally(table)} as {literally(made)}",
        "dbImport/import/",
        form={
            "table_name": table,
            "layer_name": made,
            "input_srid": input_srid,
            "input_geom_type": input_geom_type,
            "report_errors": report_errors,
            "user_id": user_id,
            **database.form(),
        },
        name=made,
        secrets=SECRETS,
    )


@creates_asset(
    AssetKind.TABLE, endpoint="POST dbImport/import-table/", sdk="DatabaseTable.import_non_spatial"
)
def import_database_table(
    database: Database,
    table: str,
    name: str | None = None,
    *,
    report_errors: bool = False,
    user_id: UserId | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Imports a table without geometries from a database as a new table.

    Args:
        database: The database.
        table: The table there.
        name: The name of the new table; by default that of the one there.
        report_errors: Whether rows that could not be read are reported.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        owners = import_database_table(credentials, cadastre, "owners")
        ```
    """
    made = name or table
    return Request(
        f"Import {literally(table)} as {literally(made)}",
        "dbImport/import-table/",
        form={
            "table_name": table,
            "out_table_name": made,
            "report_errors": report_errors,
            "user_id": user_id,
            **database.form(),
        },
        name=made,
        secrets=SECRETS,
    )


@edits_asset(
    endpoint="POST dbImport/import-into-layer/", sdk="DatabaseTable.import_spatial_into_layer"
)
def import_database_into_layer(
    database: Database,
    table: str,
    layer: LayerLike,
    *,
    input_srid: Srid | None = None,
    input_geom_type: str | None = None,
    report_errors: bool = False,
    user_id: UserId | None = None,
    is_view: bool | None = None,
    **_: Unpack[WaitOptions],
) -> Request:
    """Adds the features of a table of a database to a layer or view.

    Args:
        database: The database.
        table: The table.
        layer: The layer or view.
        input_srid: The EPSG code of the coordinates; by default the server's choice.
        input_geom_type: The geometry type to read; by default the server's choice.
        report_errors: Whether features that could not be read are reported.
        user_id: On behalf of this user; needs privileges.
        is_view: Whether a bare uuid or a name is that of a view.

    Example:
        ```python
        import_database_into_layer(credentials, cadastre, "new_parcels", by_name("parcels"))
        ```
    """
    return Request(
        f"Import {literally(table)} into {{layer}}",
        "dbImport/import-into-layer/",
        inputs(layer, is_view=is_view),
        form={
            "table_name": table,
            "layer_uuid": layer,
            "is_view": IsView("layer"),
            "input_srid": input_srid,
            "input_geom_type": input_geom_type,
            "report_errors": report_errors,
            "user_id": user_id,
            **database.form(),
        },
        secrets=SECRETS,
    )


@creates_asset(
    AssetKind.VECTOR,
    AssetKind.TABLE,
    endpoint="POST dbImport/import/ or POST dbImport/import-table/",
    sdk="DatabaseTable.import_table",
)
def import_from_database(
    database: Database,
    table: str,
    name: str | None = None,
    *,
    has_geometry: bool,
    input_srid: Srid | None = None,
    input_geom_type: str | None = None,
    report_errors: bool = False,
    user_id: UserId | None = None,
    **options: Unpack[LayerOptions],
) -> Request:
    """Imports a table of a database as a layer or as a table, by whether it has geometries.

    Args:
        database: The database.
        table: The table there.
        name: The name of the new layer or table; by default that of the table.
        has_geometry: Whether the table has geometries.
        input_srid: The EPSG code of the coordinates, for a layer.
        input_geom_type: The geometry type to read, for a layer.
        report_errors: Whether features or rows that could not be read are reported.
        user_id: On behalf of this user; needs privileges.

    Example:
        ```python
        for table, has_geometry in {"new_parcels": True, "owners": False}.items():
            import_from_database(credentials, cadastre, table, has_geometry=has_geometry)
        ```
    """
    if has_geometry:
        return import_database_layer.describe(
            database,
            table,
            name,
            input_srid=input_srid,
            input_geom_type=input_geom_type,
            report_errors=report_errors,
            user_id=user_id,
        )
    if options.get("temporary"):
        raise InvalidArgumentError(
            "temporary must be False for a table: Geobox has temporary layers and rasters only"
        )
    for field, value in (("input_srid", input_srid), ("input_geom_type", input_geom_type)):
        if value is not None:
            raise InvalidArgumentError(f"{field} must be None where has_geometry is False")
    return import_database_table.describe(
        database, table, name, report_errors=report_errors, user_id=user_id
    )
