"""The block that holds the credentials of a Geobox account."""

from __future__ import annotations

from typing import Any

from prefect.blocks.abstract import CredentialsBlock
from pydantic import ConfigDict, Field, SecretStr, model_validator
from typing_extensions import Self

from prefect_geobox.client.async_client import AsyncGeoboxClient
from prefect_geobox.client.http.rate_limit import DEFAULT_RATE
from prefect_geobox.client.http.settings import (
    DEFAULT_HOST,
    DEFAULT_TIMEOUT,
    DEFAULT_VERSION,
    ConnectionSettings,
    base_url,
)
from prefect_geobox.client.model.validation import positive_rate, positive_seconds
from prefect_geobox.client.official_sdk import make_sdk_client
from prefect_geobox.client.sync_client import GeoboxClient


class GeoboxCredentials(CredentialsBlock):
    """A Geobox server and the account to use there.

    An empty field, and a host left at its default, falls back to `GEOBOX_HOST`,
    `GEOBOX_USERNAME`, `GEOBOX_PASSWORD`, `GEOBOX_ACCESS_TOKEN` or `GEOBOX_APIKEY` when a client is
    made, so that a saved block never contains values from the environment. A token
    wins over a key, a key over a password.

    Attributes:
        host: The server's URL, with a path prefix where it has one.
        version: The API version.
        username: The user, with `password`.
        password: The password, with `username`.
        access_token: A bearer token.
        apikey: An API key.
        verify: Whether TLS certificates are verified, or the path of a CA file.
        timeout: Seconds for one request.
        requests_per_second: Polls a second that one process sends to the host at most.

    Example:
        ```python
        GeoboxCredentials(apikey="…").save("my-geobox")

        credentials = GeoboxCredentials.load("my-geobox")
        with credentials.get_client() as client:
            print(client.count_tasks(state="PROGRESS"))
        ```
    """

    # A host may have a user and a password in it by mistake.
    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Geobox Credentials"
    _block_type_slug = "geobox-credentials"
    _description = "A Geobox account: the server and an access token, an API key, or a password."

    host: str = Field(
        default=DEFAULT_HOST,
        title="Host",
        description="URL of the Geobox server, with http:// or https:// in front.",
    )
    version: str = Field(
        default=DEFAULT_VERSION, title="API version", description="Version of the API."
    )
    username: str | None = Field(
        default=None, title="Username", description="Needed together with a password."
    )
    password: SecretStr | None = Field(
        default=None, title="Password", description="Needed together with a username."
    )
    access_token: SecretStr | None = Field(
        default=None,
        title="Access token",
        description="A bearer token. Used before an API key or a password.",
    )
    apikey: SecretStr | None = Field(
        default=None,
        title="API key",
        description="Used before a password. The best choice for scheduled work: it has no session "
        "that another login could end.",
    )
    verify: bool | str = Field(
        default=True,
        title="Verify TLS",
        description="Verify the server's certificate; or the path of a CA file.",
    )
    timeout: float = Field(
        default=DEFAULT_TIMEOUT, title="Request timeout", description="Seconds for one request."
    )
    requests_per_second: float = Field(
        default=DEFAULT_RATE,
        title="Requests per second",
        description="Polls a second that one process sends to the server at most.",
    )

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        # An empty host falls back to the environment, which is read when a client is made.
        base_url(self.host.strip() or DEFAULT_HOST, self.version or DEFAULT_VERSION)
        positive_seconds("timeout", self.timeout)
        positive_rate("requests_per_second", self.requests_per_second)
        return self

    def get_settings(self) -> ConnectionSettings:
        """The connection that these fields and the environment describe.

        Raises:
            ConfigurationError: The host is not a URL, or no credential was found.
        """
        # A saved block cannot tell the default host from a chosen one; neither can this.
        host = None if self.host == DEFAULT_HOST else self.host
        return ConnectionSettings.resolve(
            host,
            self.version,
            username=self.username,
            password=_revealed(self.password),
            access_token=_revealed(self.access_token),
            apikey=_revealed(self.apikey),
            verify=self.verify,
            timeout=self.timeout,
            requests_per_second=self.requests_per_second,
        )

    def get_client(self, *_: Any, **__: Any) -> GeoboxClient:
        """A blocking client; use it as a context manager.

        Raises:
            ConfigurationError: The host is not a URL, or no credential was found.
        """
        return GeoboxClient(settings=self.get_settings())

    def get_async_client(self) -> AsyncGeoboxClient:
        """An asyncio client; use it as a context manager.

        Raises:
            ConfigurationError: The host is not a URL, or no credential was found.
        """
        return AsyncGeoboxClient(settings=self.get_settings())

    def get_sdk_client(self) -> Any:
        """A client of the official SDK, `geobox.GeoboxClient`, for the same server and account.

        The SDK's import would set up logging and read a `.env` file into the environment; here it
        does neither. Needs `pip install "prefect-geobox[sdk]"`.

        Raises:
            ConfigurationError: The SDK is not installed, or no credential was found.

        Example:
            ```python
            client = GeoboxCredentials.load("my-geobox").get_sdk_client()
            print(client.get_vectors(limit=5))
            ```
        """
        return make_sdk_client(self.get_settings())


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
