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

import lazy_loader

# Importing Prefect takes most of a second; the client alone does not need it.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
