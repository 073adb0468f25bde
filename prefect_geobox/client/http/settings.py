"""The settings of a connection: the rules for its URL, and the choice of its credential."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit, urlunsplit

from typing_extensions import TypedDict, Unpack

from prefect_geobox.client.http.rate_limit import DEFAULT_RATE
from prefect_geobox.client.model.errors import ConfigurationError
from prefect_geobox.client.model.options import complete_options, flat_signature
from prefect_geobox.client.model.validation import positive_rate, positive_seconds

DEFAULT_HOST: Final = "https://api.geobox.ir"
DEFAULT_VERSION: Final = "v1"
DEFAULT_TIMEOUT: Final = 30.0

_SECRETS: Final = ("password", "access_token", "apikey")

_BLANKS_AND_CONTROLS: Final = frozenset(map(chr, (*range(33), 127)))


class ConnectionOptions(TypedDict, total=False):
    """Who connects to a server, and how.

    Attributes:
        username: With `password`; else `GEOBOX_USERNAME`.
        password: With `username`, exchanged for a token when one is first needed; else
            `GEOBOX_PASSWORD`.
        access_token: A bearer token, which wins over a key; else `GEOBOX_ACCESS_TOKEN`.
        apikey: An API key, which wins over a password; else `GEOBOX_APIKEY`.
        verify: False to accept any TLS certificate, or the path of a CA file.
        timeout: Seconds for one request; above 0.
        requests_per_second: Polls a second that this process sends to the host at most; above 0.
            Of several clients of one host the lowest number counts.
    """

    username: str | None
    password: str | None
    access_token: str | None
    apikey: str | None
    verify: bool | str
    timeout: float
    requests_per_second: float


#: The options of a connection that names none of them.
CONNECTION_DEFAULTS: Final[ConnectionOptions] = {
    "username": None,
    "password": None,
    "access_token": None,
    "apikey": None,
    "verify": True,
    "timeout": DEFAULT_TIMEOUT,
    "requests_per_second": DEFAULT_RATE,
}


class Secret(str):
    """A text whose repr hides it, such as that of a local variable in a traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True, slots=True)
class Credential:
    """The one credential that a connection uses. Its secret is in no repr.

    Attributes:
        kind: The kind of credential.
        source: The field or environment variable that it is from, for messages.
        secret: The token, key or password.
        username: The user that the password belongs to.
    """

    kind: Literal["access_token", "apikey", "password"]
    source: str
    secret: str = field(repr=False)
    username: str = ""

    @property
    def principal(self) -> str:
        """The account, in a form that can be shown and stored.

        A token or key is identified by the first digits of its hash, from which it cannot be
        recovered: both are long and random. A password is not, and is left out.
        """
        if self.kind == "password":
            return f"user:{self.username}"
        digest = hashlib.sha256(self.secret.encode()).hexdigest()[:12]
        return f"{self.kind}:{digest}"

    def __str__(self) -> str:
        names = {"access_token": "access token", "apikey": "API key", "password": "password"}
        owner = f" of user {self.username!r}" if self.kind == "password" else ""
        return f"the {names[self.kind]}{owner} (from {self.source})"


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """One host, one credential, and how to connect.

    Attributes:
        base_url: Scheme, host, path prefix and version, with a slash at the end.
        credential: The credential.
        verify: Whether TLS certificates are verified, or the path of a CA file.
        timeout: Seconds for one request.
        requests_per_second: Polls a second to the host at most, over all waits.
    """

    base_url: str
    credential: Credential
    verify: bool | str = True
    timeout: float = DEFAULT_TIMEOUT
    requests_per_second: float = DEFAULT_RATE

    @classmethod
    @flat_signature(ConnectionOptions, CONNECTION_DEFAULTS)
    def resolve(
        cls,
        host: str | None = None,
        version: str | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> ConnectionSettings:
        """Fills empty fields from the environment and checks all of them.

        Args:
            host: The server; else `GEOBOX_HOST`, else the public one.
            version: The API version; else `v1`.
            environ: The environment; the process's own by default.
            **options: As in `ConnectionOptions`.

        Raises:
            ConfigurationError: The host is not an http(s) URL, or no credential is given.
            InvalidArgumentError: The timeout or the rate is invalid.
            TypeError: There is no such option.
        """
        # Without the secrets in plain text: a traceback can show local variables.
        options = _with_hidden_secrets(options)
        complete = complete_options(CONNECTION_DEFAULTS, options)
        positive_seconds("timeout", complete["timeout"])
        positive_rate("requests_per_second", complete["requests_per_second"])
        env = os.environ if environ is None else environ
        return cls(
            base_url=base_url(host or env.get("GEOBOX_HOST") or DEFAULT_HOST, version or "v1"),
            credential=_choose_credential(
                {
                    name: complete[name]
                    for name in ("access_token", "apikey", "username", "password")
                },
                env,
            ),
            verify=_checked_verify(complete["verify"]),
            timeout=float(complete["timeout"]),
            requests_per_second=float(complete["requests_per_second"]),
        )

    @property
    def host(self) -> str:
        """Host and port, for messages and keys."""
        return urlsplit(self.base_url).netloc


def base_url(host: str, version: str = DEFAULT_VERSION) -> str:
    """Joins host and version to the base of all request URLs.

    A path prefix is kept, with or without a slash at its end; a version that the host already ends
    with is not repeated.

    Raises:
        ConfigurationError: The host has no scheme, or carries a user, a query or a fragment; or
            the version is not a name.

    Example:
        >>> base_url("https://gis.example.org/geobox", "v1")
        'https://gis.example.org/geobox/v1/'
    """
    text = host.strip()
    try:
        parts = urlsplit(text)
        is_usable = (
            bool(parts.hostname) and parts.port != 0 and not _BLANKS_AND_CONTROLS & set(text)
        )
    except ValueError:
        parts, is_usable = urlsplit(""), False
    if "@" in text:
        raise ConfigurationError(
            "host must not carry a user or a password: put them into the fields username and "
            "password, or into GEOBOX_USERNAME and GEOBOX_PASSWORD."
        )
    if "?" in text or "#" in text:
        raise ConfigurationError(
            "host must end with its path: leave out everything from the first ? or # on."
        )
    if parts.scheme not in ("http", "https") or not is_usable:
        suggestion = f'"https://{text}"' if text and "://" not in text else '"https://HOST"'
        raise ConfigurationError(
            f"host must be a URL with http:// or https:// in front, such as {suggestion}; got "
            f"{text!r}. Set the field host or GEOBOX_HOST."
        )
    version_segment = version.strip().strip("/")
    if not re.fullmatch(r"[\w.-]+", version_segment):
        raise ConfigurationError(f'version must be a name such as "v1"; got {version!r}.')
    segments = [segment for segment in parts.path.split("/") if segment]
    if not segments or segments[-1] != version_segment:
        segments.append(version_segment)
    path = "/" + "/".join(segments) + "/"
    return urlunsplit((parts.scheme, parts.netloc.lower(), path, "", ""))


def _choose_credential(fields: Mapping[str, str | None], env: Mapping[str, str]) -> Credential:
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    for name, given in fields.items():
        variable = f"GEOBOX_{name.upper()}"
        value = (given or "").strip() or env.get(variable, "").strip()
        if value:
            values[name] = value if name == "username" else Secret(value)
            sources[name] = f"the field {name}" if given else variable
    if "access_token" in values:
        chosen = Credential("access_token", sources["access_token"], values["access_token"])
    elif "apikey" in values:
        chosen = Credential("apikey", sources["apikey"], values["apikey"])
    elif "username" in values and "password" in values:
        chosen = Credential("password", sources["password"], values["password"], values["username"])
    else:
        half = next((name for name in ("username", "password") if name in values), None)
        other = {"username": "password", "password": "username"}.get(half or "", "")
        found = f" Only {half} is set; {other} is missing." if half else ""
        raise ConfigurationError(
            "No Geobox credentials: fill in access_token, apikey, or username and password, or "
            "set GEOBOX_ACCESS_TOKEN, GEOBOX_APIKEY, or GEOBOX_USERNAME and GEOBOX_PASSWORD."
            + found
        )
    # The HTTP library would quote a header with a line break in its own error text.
    if chosen.kind != "password" and (
        not chosen.secret.isascii() or _BLANKS_AND_CONTROLS & set(chosen.secret)
    ):
        raise ConfigurationError(
            f"{chosen.kind} (from {chosen.source}) has a space, a line break or a character "
            "beyond ASCII in it: copy it again."
        )
    return chosen


def _with_hidden_secrets(options: ConnectionOptions) -> ConnectionOptions:
    hidden = options.copy()
    for name in _SECRETS:
        if (text := hidden.get(name)) is not None:
            hidden[name] = Secret(text)
    return hidden


def _checked_verify(verify: bool | str) -> bool | str:
    if isinstance(verify, str) and not os.path.exists(verify):  # noqa: PTH110
        raise ConfigurationError(
            f"verify must be true, false or the path of a CA file; {verify!r} does not exist."
        )
    return verify
