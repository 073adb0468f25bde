"""The route to a server: certificates and proxies."""

from __future__ import annotations

import ssl
import urllib.request

import httpx

from prefect_geobox.client.http.settings import ConnectionSettings
from prefect_geobox.client.model.errors import ConfigurationError


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
