"""SQL over layers and tables: SQLite in memory, its geometry functions from shapely.

Read-only: the database holds copies, and once they are inserted only SELECT is allowed.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.optional_libraries import library
from prefect_geobox.emulator.sql.geometry_functions import register
from prefect_geobox.emulator.state.layers import fields_of, record, rows_of

if TYPE_CHECKING:
    from prefect_geobox.emulator.state.store import Asset

# The column of a layer's geometries; clients send this name.
GEOMETRY = "geom"

_TYPES = {"Integer": "INTEGER", "Long": "INTEGER", "Float": "REAL"}
_ALLOWED = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
)
# Seconds after which a query is ended, so that it does not occupy a thread without limit.
_TIMEOUT_SECONDS = 20.0
# SQLite operations between two checks of the timeout.
_OPERATIONS_PER_CHECK = 10_000


@dataclass(frozen=True)
class QueryResult:
    """What a query found.

    Attributes:
        columns: The names of the columns, without the geometry column.
        rows: A dict for each row.
        shapes: The shapely geometry of each row; None if there is no geometry column.
    """

    columns: list[str]
    rows: list[dict[str, Any]]
    shapes: list[Any] | None = field(default=None)


def select(sql: str, tables: dict[str, Asset], values: dict[str, Any]) -> QueryResult:
    """Runs a query.

    Args:
        sql: One SELECT. It names layers and tables by the names of their parameters, and other
            parameters as `:name` or, also a guess, as `{{name}}`.
        tables: The layers, views and tables by name.
        values: The other parameters by name.

    Raises:
        JobError: It is not a SELECT, it is wrong, or it takes too long.
    """
    for name in values:
        sql = sql.replace("{{" + name + "}}", f":{name}")
    with closing(sqlite3.connect(":memory:")) as database:
        reasons = register(database)
        for name, asset in tables.items():
            _add(database, name, asset, rows_of(asset))
        _restrict(database)
        try:
            cursor = database.execute(sql, values)
            if cursor.description is None:
                raise _query_error("it is not a SELECT")
            names = [str(column[0]) for column in cursor.description]
            return _result(names, cursor.fetchall())
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise _query_error(reasons[0] if reasons else str(error)) from None


def evaluate(expression: str, asset: Asset, rows: list[dict[str, Any]]) -> dict[Any, Any]:
    """Evaluates an expression for each of these features or rows.

    Returns:
        The values by the `id` of the feature or row.

    Raises:
        JobError: The expression is wrong.
    """
    with closing(sqlite3.connect(":memory:")) as database:
        reasons = register(database)
        _add(database, "layer", asset, rows)
        _restrict(database)
        try:
            found = database.execute(f"SELECT id, ({expression}) FROM layer").fetchall()  # noqa: S608
        except (sqlite3.Error, sqlite3.Warning) as error:
            cause = reasons[0] if reasons else error
            reason = f"the expression {expression!r} cannot be evaluated: {cause}"
            raise JobError(reason, "geobox.InvalidExpressionError") from None
    values = dict(found)
    if any(isinstance(value, bytes) for value in values.values()):
        reason = f"the expression {expression!r} is a geometry, which a field cannot hold"
        raise JobError(reason, "geobox.InvalidExpressionError")
    return values


def _add(database: sqlite3.Connection, name: str, asset: Asset, rows: list[dict[str, Any]]) -> None:
    is_layer = "layer_type" in asset.details
    columns = ["id"]
    types = ["INTEGER"]
    for column in fields_of(asset):
        # SQLite compares the names of columns regardless of case.
        if column.name.lower() not in {GEOMETRY, *(known.lower() for known in columns)}:
            columns.append(column.name)
            types.append(_TYPES.get(column.datatype, ""))
    declared = [f"{_quoted(c)} {t}" for c, t in zip(columns, types, strict=True)]
    records = [[record(row).get(column) for column in columns] for row in rows]
    if is_layer:
        shapely = library("shapely", "SQL over layers")
        declared.append(f"{GEOMETRY} BLOB")
        for values, row in zip(records, rows, strict=True):
            values.append(shapely.geometry.shape(row["geometry"]).wkb)
    marks = ", ".join("?" * len(declared))
    try:
        database.execute(f"CREATE TABLE {_quoted(name)} ({', '.join(declared)})")
        database.executemany(
            f"INSERT INTO {_quoted(name)} VALUES ({marks})",  # noqa: S608
            [[_storable(value) for value in values] for values in records],
        )
    except sqlite3.Error as error:
        raise _query_error(f"{name} cannot be queried: {error}") from None


def _result(names: list[str], found: list[tuple[Any, ...]]) -> QueryResult:
    # `SELECT *, ST_Buffer(geom, 5) AS geom` has two columns of the same name: the last one is the
    # geometry. Other columns of bytes are further geometries, which a layer cannot have.
    binary = {
        index
        for index in range(len(names))
        if names[index].lower() == GEOMETRY or any(isinstance(row[index], bytes) for row in found)
    }
    named = [index for index in sorted(binary) if names[index].lower() == GEOMETRY]
    chosen = (named or sorted(binary))[-1:]
    indexes: dict[str, int] = {}
    for index, name in enumerate(names):
        if index not in binary:
            indexes.setdefault(name, index)
    rows = [{name: row[index] for name, index in indexes.items()} for row in found]
    if not chosen:
        return QueryResult(list(indexes), rows)
    shapely = library("shapely", "SQL over layers")
    shapes = [
        shapely.from_wkb(row[chosen[0]]) if isinstance(row[chosen[0]], bytes) else None
        for row in found
    ]
    return QueryResult(list(indexes), rows, shapes)


def _restrict(database: sqlite3.Connection) -> None:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    database.commit()
    database.set_progress_handler(lambda: int(time.monotonic() > deadline), _OPERATIONS_PER_CHECK)

    def authorize(action: int, *_: str | None) -> int:
        return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY

    database.set_authorizer(authorize)


def _storable(value: Any) -> Any:
    return value if value is None or isinstance(value, (int, float, str, bytes)) else str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _query_error(reason: str) -> JobError:
    return JobError(f"the query cannot be run: {reason}", "geobox.InvalidQueryError")
