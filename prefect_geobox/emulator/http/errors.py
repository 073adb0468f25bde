"""Error answers in the shapes that the API uses: always JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from starlette.requests import Request


class ApiError(Exception):
    """An error answer.

    Args:
        status: The HTTP status.
        detail: The value of `detail` in the body: a text, an object, or a list of objects.
    """

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def not_found(what: str, key: str) -> ApiError:
    """The error for an identifier that does not exist."""
    return ApiError(404, {"msg": f"{what} {key!r} not found", "type": "geobox.NotFoundError"})


def invalid_parameter(where: str, name: str, message: str, kind: str = "value_error") -> ApiError:
    """The error for an invalid parameter.

    Args:
        where: `query` or `body`.
        name: The parameter.
        message: What is wrong with it.
        kind: The type of the error.
    """
    return ApiError(422, [{"loc": [where, name], "msg": message, "type": kind}])


def missing_parameter(where: str, name: str) -> ApiError:
    """The error for a required parameter that is missing.

    Args:
        where: `query` or `body`.
        name: The parameter.
    """
    return invalid_parameter(where, name, "field required", "value_error.missing")


async def api_error(_request: Request, error: Any) -> Response:
    """Answers an `ApiError`."""
    return JSONResponse({"detail": error.detail}, error.status)


async def http_error(request: Request, error: Any) -> Response:
    """Answers a request that no route handles."""
    detail = f"the emulator has no {request.method} {request.url.path}"
    return JSONResponse({"detail": detail}, error.status_code, headers=dict(error.headers or {}))


async def server_error(_request: Request, error: Exception) -> Response:
    """Answers a request that a defect of the emulator itself ended."""
    return JSONResponse({"detail": f"defect of the emulator: {type(error).__name__}"}, 500)
