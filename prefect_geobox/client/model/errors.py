"""The errors of this package: one root, one class per meaning.

Each message says what happened, to what, and what to do next. No error contains a URL, a header or
a credential, and all of them can be pickled, for process-based task runners.
"""

from __future__ import annotations

from collections.abc import Sequence


class GeoboxError(Exception):
    """The root of all errors of this package."""

    #: Whether the same read may succeed if it is sent again.
    transient: bool = False

    #: Whether the request itself was sent. False where the login before it failed.
    is_sent: bool = True

    #: Seconds that the server asked to wait before the next request, if it did.
    retry_after: float | None = None

    def add_context(self, sentence: str) -> None:
        """Puts a sentence in front of the message: what has succeeded before this failure."""
        self.args = (f"{sentence} {self.args[0]}", *self.args[1:])

    def __repr__(self) -> str:
        # The arguments hold whole remote tasks, which would drown the message in a log.
        return f"{type(self).__name__}({str(self)!r})"


class ConfigurationError(GeoboxError, ValueError):
    """The host or the credentials cannot be used as they are."""


class InvalidArgumentError(GeoboxError, ValueError):
    """An argument is invalid; no request was sent."""


class LocalFileError(GeoboxError, OSError):
    """A local file changed, or could no longer be read, while it was uploaded.

    The server has not received it.
    """


class NameLookupError(GeoboxError, LookupError):
    """Nothing in Geobox has a name, or more than one thing has it.

    Attributes:
        uuids: The uuids of the things with that name; empty where there are none.
    """

    def __init__(self, message: str, uuids: Sequence[str] = ()) -> None:
        super().__init__(message, tuple(uuids))
        self.uuids = tuple(uuids)

    def __str__(self) -> str:
        return str(self.args[0])


class GeoboxConnectionError(GeoboxError):
    """There is no answer: the server was not reached, or the connection broke.

    Attributes:
        reached: Whether the request may have reached the server. False proves that it did not.
    """

    transient = True

    def __init__(self, message: str, *, reached: bool = True, transient: bool = True) -> None:
        super().__init__(message)
        self.reached = reached
        self.transient = transient


class TransferTimeoutError(GeoboxError, TimeoutError):
    """A download had not ended when its timeout ended; nothing of it was kept."""


class InvalidResponseError(GeoboxError):
    """The server's answer is not what the API documents."""

    transient = True


class ApiRequestError(GeoboxError):
    """The API refused a request or failed on it.

    Attributes:
        status_code: The HTTP status.
        detail: The server's reason, in one line.
        method: The HTTP method.
        path: The path below the base URL, without a query.
    """

    #: What the reader should try, appended to the server's reason.
    advice: str = ""

    #: What has succeeded before, in front of the message.
    context: str = ""

    def __init__(self, status_code: int, detail: str, method: str, path: str) -> None:
        super().__init__(status_code, detail, method, path)
        self.status_code = status_code
        self.detail = detail
        self.method = method
        self.path = path
        self.transient = status_code in TRANSIENT_STATUS_CODES

    def add_advice(self, sentence: str) -> None:
        """Puts a sentence in front of the advice."""
        self.advice = f"{sentence} {self.advice}".strip()

    def add_context(self, sentence: str) -> None:
        """Puts a sentence in front of the message: what has succeeded before this failure."""
        self.context = f"{sentence} {self.context}"

    def __str__(self) -> str:
        text = (
            f"{self.context}{self.method} {self.path} was answered {self.status_code}: "
            f"{self.detail}"
        )
        return f"{text}. {self.advice}" if self.advice else text


class AuthenticationError(ApiRequestError):
    """401: the credential is missing, wrong or no longer valid."""

    advice = "Check the credential that was used, and the host it was sent to."


class AuthorizationError(ApiRequestError):
    """403: the credential is valid but may not do this."""

    advice = "Ask the owner for access, or use another account."


class NotFoundError(ApiRequestError):
    """404: there is no such thing, or not for this account."""

    advice = "Check the uuid, the host and the account."


class ConflictError(ApiRequestError):
    """409: the request does not fit the present state, such as a name that is taken."""

    advice = "Check what exists already, or choose another name."


class ValidationError(ApiRequestError):
    """400 or 422: the server does not accept a value."""

    advice = "Fix the value that the server names and send it again."


class RateLimitError(ApiRequestError):
    """429: too many requests."""

    advice = "Send fewer requests, or try again later."


class ServerError(ApiRequestError):
    """5xx: the server failed."""

    advice = "Try again later; if it lasts, tell the operator of the server."


#: Statuses after which the same read may succeed if it is sent again.
TRANSIENT_STATUS_CODES: frozenset[int] = frozenset({408, 425, 429, 500, 502, 503, 504})

#: What helps after statuses without a class of their own.
_ADVICE: dict[int, str] = {
    407: "A proxy on the way answered that: put its user and password into http_proxy or "
    "https_proxy, or add the host to NO_PROXY.",
    413: "A size limit of the server, or of a proxy before it, is likely: send less at once, such "
    "as a zipped or a divided file, or have the limit raised.",
}

_BY_STATUS: dict[int, type[ApiRequestError]] = {
    400: ValidationError,
    401: AuthenticationError,
    403: AuthorizationError,
    404: NotFoundError,
    409: ConflictError,
    422: ValidationError,
    429: RateLimitError,
}


def error_for_status(status_code: int, detail: str, method: str, path: str) -> ApiRequestError:
    """Makes the error for an HTTP status.

    Args:
        status_code: The status, which is not a success.
        detail: The server's reason in one line.
        method: The HTTP method.
        path: The path below the base URL.
    """
    default = ServerError if status_code >= 500 else ApiRequestError
    error = _BY_STATUS.get(status_code, default)(status_code, detail, method, path)
    if status_code in _ADVICE:
        error.add_advice(_ADVICE[status_code])
    return error
