"""The official SDK, imported and set up without its side effects on the process."""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from prefect_geobox.client.http.settings import ConnectionSettings
from prefect_geobox.client.model.errors import ConfigurationError, GeoboxError, error_for_status
from prefect_geobox.client.model.text import printable

_lock = threading.Lock()

#: The loggers to which the SDK and its HTTP library write URLs, and so keys.
_LOGGERS = (
    "geobox.api",
    "geobox.task",
    "geobox.aio.api",
    "geobox.aio.task",
    "urllib3.connectionpool",
)

#: The statuses of the SDK's own errors, by the names of their classes.
_STATUSES = {
    "AuthenticationError": 401,
    "AuthorizationError": 403,
    "NotFoundError": 404,
    "ValidationError": 422,
}


def make_sdk_client(settings: ConnectionSettings, *, asynchronous: bool = False) -> Any:
    """A client of the official SDK with the same server and credential.

    The SDK's import sets up logging and reads a `.env` file into the environment; here it does
    neither. The credential is removed from what it and its HTTP library log.

    Args:
        settings: The server and the credential.
        asynchronous: Whether to make the client for asyncio, which must be entered.

    Raises:
        ConfigurationError: The SDK is not installed.
    """
    module = _import("geobox")
    if asynchronous:
        # It is imported separately, with the same side effects.
        module = _import("geobox.aio")
    made = getattr(module, "AsyncGeoboxClient" if asynchronous else "GeoboxClient")
    credential = settings.credential
    secret: dict[str, str] = {credential.kind: str(credential.secret)}
    if credential.kind == "password":
        secret["username"] = credential.username
    _redact_logs(str(credential.secret))
    # With a slash at its end and without a version: the SDK would lose a path prefix otherwise.
    client = made(host=settings.base_url, ver="", verify=settings.verify, **secret)
    # The SDK converts paths to lower case.
    client.base_url = settings.base_url
    return client


def _import(name: str) -> ModuleType:
    with _lock:
        if name in sys.modules:
            # Not `sys.modules[name]`, which another thread may still be importing.
            return importlib.import_module(name)
        try:
            with _without_side_effects():
                return importlib.import_module(name)
        except ImportError as error:
            raise ConfigurationError(
                f"The official SDK cannot be imported: {error}. Install it with "
                '`pip install "prefect-geobox[sdk]"`.'
            ) from None


@contextmanager
def _without_side_effects() -> Iterator[None]:
    """Prevents an import from setting up logging and from reading a `.env` file."""
    set_up = logging.basicConfig
    dotenv: Any = None
    load: Any = None
    try:
        dotenv = importlib.import_module("dotenv")
        load = dotenv.load_dotenv
        dotenv.load_dotenv = lambda *_, **__: False
    except ImportError:
        dotenv = None
    logging.basicConfig = lambda **_: None
    try:
        yield
    finally:
        logging.basicConfig = set_up
        if dotenv is not None:
            dotenv.load_dotenv = load


class _Redaction(logging.Filter):
    """Removes a secret from log records."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self.secret = secret

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if self.secret in message:
            record.msg, record.args = message.replace(self.secret, "***"), ()
        return True


def _redact_logs(secret: str) -> None:
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        known = [each for each in logger.filters if isinstance(each, _Redaction)]
        if not any(each.secret == secret for each in known):
            logger.addFilter(_Redaction(secret))


def to_geobox_error(error: Exception, settings: ConnectionSettings) -> Exception:
    """An error of the SDK as one of this package, and any other without the credential in it.

    Args:
        error: The error that was raised.
        settings: The server and the credential.

    Returns:
        The same error where it contains no secret and is not the SDK's.
    """
    secret = str(settings.credential.secret)
    text = printable(str(error).replace(secret, "***"))
    is_of_the_sdk = type(error).__module__.partition(".")[0] == "geobox"
    if is_of_the_sdk:
        status = _STATUSES.get(type(error).__name__)
        if status is not None:
            return error_for_status(status, text, "A request", "of the SDK")
        return GeoboxError(f"The SDK raised {type(error).__name__}: {text}")
    chain: BaseException | None = error
    while chain is not None:
        if secret in f"{chain} {chain!r}":
            return GeoboxError(f"{type(error).__name__}: {text}")
        chain = chain.__cause__ or chain.__context__
    return error
