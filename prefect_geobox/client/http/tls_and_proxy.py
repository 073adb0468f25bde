"""The way to a server: certificates, proxies, and what it means where there is none."""

from __future__ import annotations

import ssl
import urllib.request

import httpx

from prefect_geobox.client.http.settings import ConnectionSettings
from prefect_geobox.client.model.errors import ConfigurationError, GeoboxConnectionError
from prefect_geobox.client.model.text import error_text


def tls_context(settings: ConnectionSettings) -> ssl.SSLContext | bool:
    """What a server's certificate is checked with; False where none is.

    Raises:
        ConfigurationError: The CA file cannot be read.
    """
    if isinstance(settings.verify, str):
        try:
            return ssl.create_default_context(cafile=settings.verify)
        except (OSError, ssl.SSLError):
            raise ConfigurationError(
                f"verify: {settings.verify!r} is no readable CA file."
            ) from None
    # Loading the CA bundle costs 20 ms, which plain HTTP does not need.
    return settings.verify and settings.base_url.startswith("https:")


def proxy_for(url: httpx.URL) -> str | None:
    """The proxy that the environment names; httpx looks only where it makes the transport."""
    if urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(url.scheme) or proxies.get("all")


def not_reached(host: str, text: str) -> GeoboxConnectionError:
    """The error for a connection that did not come about.

    Args:
        host: The host.
        text: What the HTTP library says of it.
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
