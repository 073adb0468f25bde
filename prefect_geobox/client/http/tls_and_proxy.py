"""The route to a server: certificates, proxies, and the error for a failed connection."""

from __future__ import annotations

import ssl
import urllib.request

import httpx

from prefect_geobox.client.http.settings import ConnectionSettings
from prefect_geobox.client.model.errors import ConfigurationError, GeoboxConnectionError
from prefect_geobox.client.model.text import error_text


def tls_context(settings: ConnectionSettings) -> ssl.SSLContext | bool:
    """The context that checks a server's certificate; False where none is checked.

    Raises:
        ConfigurationError: The CA file cannot be read.
    """
    if isinstance(settings.verify, str):
        try:
            return ssl.create_default_context(cafile=settings.verify)
        except (OSError, ssl.SSLError):
            raise ConfigurationError(
                f"verify: {settings.verify!r} is not a readable CA file."
            ) from None
    # Loading the CA bundle costs 20 ms, which plain HTTP does not need.
    return settings.verify and settings.base_url.startswith("https:")


def proxy_for(url: httpx.URL) -> str | None:
    """The proxy that the environment names; httpx reads it only for transports that it makes."""
    if urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(url.scheme) or proxies.get("all")


def not_reached(host: str, text: str) -> GeoboxConnectionError:
    """The error for a connection that could not be made.

    Args:
        host: The host.
        text: The message of the HTTP library.
    """
    if "CERTIFICATE_VERIFY_FAILED" in text or "SSL" in text:
        return GeoboxConnectionError(
            f"The TLS certificate of {host} was not accepted. Set verify to the path of the CA "
            "file that signed it.",
            reached=False,
            transient=False,
        )
    return GeoboxConnectionError(
        f"{host} was not reached: {error_text(text) or 'no connection'}. Check the host, the "
        "network and any proxy.",
        reached=False,
    )
