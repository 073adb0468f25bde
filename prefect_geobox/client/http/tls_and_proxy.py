"""The route to a server: certificates, and the proxy that the environment names."""

from __future__ import annotations

import ipaddress
import os
import ssl
import urllib.request
from dataclasses import dataclass
from typing import Final

import httpx

from prefect_geobox.client.http.settings import ConnectionSettings
from prefect_geobox.client.model.errors import ConfigurationError

#: The variables that `ssl` and httpx read files from. The second counts without the first only.
_TLS_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")

_HIGHEST_PORT: Final = 65535

_SCHEMES: Final = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True, slots=True)
class EnvironmentProxy:
    """The proxy for one server. Its URL can hold a password and is in no repr and no message.

    Attributes:
        url: With a scheme.
        source: The environment variable that names it, for messages.
    """

    url: str
    source: str

    def __repr__(self) -> str:
        return f"EnvironmentProxy(source={self.source!r})"


def http_transport(settings: ConnectionSettings, limits: httpx.Limits) -> httpx.AsyncHTTPTransport:
    """Makes the transport for a server.

    Args:
        settings: The server.
        limits: Of its connections.

    Raises:
        ConfigurationError: The CA file or the proxy cannot be used; the message says where they
            were set.
    """
    verify = _tls_context(settings)
    proxy = proxy_for(httpx.URL(settings.base_url))
    if proxy is None:
        return httpx.AsyncHTTPTransport(verify=verify, limits=limits)
    try:
        if not 0 < (httpx.URL(proxy.url).port or 1) <= _HIGHEST_PORT:
            raise httpx.InvalidURL("no such port")
        return httpx.AsyncHTTPTransport(verify=verify, limits=limits, proxy=proxy.url)
    except ImportError:
        reason = 'a SOCKS proxy needs one more package: pip install "prefect-geobox[socks]"'
    except Exception:  # noqa: BLE001 - the text of the HTTP library can hold the password
        scheme = proxy.url.partition("://")[0]
        reason = (
            "its host or port is invalid"
            if scheme in _SCHEMES
            else f"the scheme {scheme!r} is unknown; use one of {', '.join(_SCHEMES)}"
        )
    raise ConfigurationError(
        f"The proxy in {proxy.source} cannot be used: {reason}. The form is http://HOST:PORT. To "
        f"reach {settings.host} without a proxy, add it to NO_PROXY."
    )


def _tls_context(settings: ConnectionSettings) -> ssl.SSLContext | bool:
    """The context that checks a server's certificate; False where none is checked."""
    if isinstance(settings.verify, str):
        try:
            return ssl.create_default_context(cafile=settings.verify)
        except OSError:
            raise ConfigurationError(
                f"verify: {settings.verify!r} is not a readable CA file."
            ) from None
    # Loading the CA bundle costs 20 ms, which plain HTTP does not need.
    if not settings.verify or not settings.base_url.startswith("https:"):
        return False
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        source = next((name for name in _TLS_VARIABLES if os.environ.get(name)), "the CA bundle")
        raise ConfigurationError(
            f"TLS cannot be set up: {source} names a file that cannot be used "
            f"({error.strerror or type(error).__name__}). Correct it, or set verify "
            "to the path of a CA file."
        ) from None


def proxy_for(url: httpx.URL) -> EnvironmentProxy | None:
    """The proxy that the environment names; httpx reads it only for transports that it makes."""
    if _is_reached_directly(url):
        return None
    proxies = urllib.request.getproxies()
    for name in (url.scheme, "all"):
        if value := proxies.get(name, "").strip():
            # As curl and httpx do.
            address = value if "://" in value else f"http://{value}"
            return EnvironmentProxy(address, _source_of(name))
    return None


def _source_of(name: str) -> str:
    variables = (f"{name}_proxy", f"{name.upper()}_PROXY")
    # Without a variable it is from the settings of the operating system.
    found = (variable for variable in variables if os.environ.get(variable))
    return next(found, f"the system's settings for {name}")


def _is_reached_directly(url: httpx.URL) -> bool:
    """Whether NO_PROXY, or the settings of the operating system, exclude the host.

    The standard library compares names; it knows no networks and no IPv6 addresses.
    """
    address = _address(url.host)
    if address is None or address.version == 4:
        host = url.host if url.port is None else f"{url.host}:{url.port}"
        if urllib.request.proxy_bypass(host):
            return True
    exceptions = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    entries = [entry.strip() for entry in exceptions.split(",")]
    return "*" in entries or (
        address is not None and any(_covers(entry, address, url.port) for entry in entries)
    )


def _covers(
    entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int | None
) -> bool:
    """Whether an entry of NO_PROXY names an address: itself, in brackets, or its network."""
    text, bracket, rest = entry.removeprefix("[").partition("]")
    if bracket and rest not in ("", f":{port}"):
        return False
    try:
        return address in ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
