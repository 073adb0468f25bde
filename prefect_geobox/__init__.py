"""Remote Geobox tasks as steps of Prefect flows.

Example:
    ```python
    from prefect import flow
    from prefect_geobox import GeoboxCredentials, publish_file, upload_file

    @flow
    def publish(path: str, name: str):
        credentials = GeoboxCredentials.load("my-geobox")
        file = upload_file(credentials, path)
        return publish_file(credentials, file, name)
    ```
"""

from typing import Any

import lazy_loader

# Importing Prefect takes most of a second; the client alone does not need it.
_public_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("prefect-geobox")
    return _public_name(name)
