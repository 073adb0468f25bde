"""The vector tools, listed as system queries. A client runs one by sending its SQL to `sql`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from prefect_geobox.emulator.http.list_query import ListQuery
from prefect_geobox.emulator.state.emulator_state import state_of
from prefect_geobox.emulator.vector_tools.catalogue import TOOLS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_FIELDS = ("id", "uuid", "name", "display_name", "sql")
_DEFAULT_LIMIT = 100


async def list_system_queries(request: Request) -> Response:
    """`GET queries/systemQueries/`."""
    query = ListQuery.read(request.query_params, _FIELDS, _DEFAULT_LIMIT)
    tools = [tool.described(number) for number, tool in enumerate(TOOLS, start=1)]
    return state_of(request).list_response(query.select(tools, dict), dict)


ROUTES = [Route("/v1/queries/systemQueries", list_system_queries)]
