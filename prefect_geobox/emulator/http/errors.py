"""What the emulator answers: JSON always, and errors in the shapes that the API uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from starlette.requests import Request

    from prefect_geobox.emulator.http.request_body import Body


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
    """The answer where nothing has this identifier."""
    return ApiError(404, {"msg": f"{what} {key!r} not found", "type": "geobox.NotFoundError"})


def invalid_parameter(where: str, name: str, message: str, kind: str = "value_error") -> ApiError:
    """The answer to a parameter that is missing or makes no sense.

    Args:
        where: `query` or `body`.
        name: The parameter.
        message: What is wrong with it.
        kind: The type of the error.
    """
    return ApiError(422, [{"loc": [where, name], "msg": message, "type": kind}])


async def api_error(_request: Request, error: Any) -> Response:
    """Answers an `ApiError`."""
    return JSONResponse({"detail": error.detail}, error.status)


async def http_error(request: Request, error: Any) -> Response:
    """Answers what no route takes."""
    detail = f"the emulator has no {request.method} {request.url.path}"
    return JSONResponse({"detail": detail}, error.status_code, headers=dict(error.headers or {}))


async def server_error(_request: Request, error: Exception) -> Response:
    """Answers a defect of the emulator itself."""
    return JSONResponse({"detail": f"defect of the emulator: {type(error).__name__}"}, 500)


def required(body: Body, name: str) -> str:
    """A field of a body as text.

    Raises:
        ApiError: It is missing or empty.
    """
    value = body.text(name)
    if value is None:
        raise invalid_parameter("body", name, "field required", "value_error.missing")
    return value


def integer(value: str | None, where: str, name: str, default: int) -> int:
    """Reads a whole number that is not negative.

    Raises:
        ApiError: It is none.
    """
    if value is None or value == "":
        return default
    if not (value.isascii() and value.isdigit()):
        raise invalid_parameter(where, name, "value is not a valid integer", "type_error.integer")
    return int(value)


def boolean(value: str | None, *, default: bool = False) -> bool:
    """Reads a yes or no as the official SDK spells it (`True`) or as JSON does (`true`)."""
    return default if value is None else value.strip().lower() in {"true", "1", "yes"}
