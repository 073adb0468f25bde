"""The methods that read the features of vector layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from prefect_geobox.client.api.connection import Connection
from prefect_geobox.client.model.errors import InvalidResponseError
from prefect_geobox.client.model.payloads import parse_count, parse_feature_collection
from prefect_geobox.client.model.validation import UuidLike, checked_uuid, whole_number

#: Features in one request. Whole countries are large.
_PAGE: Final = 500


class FeatureMethods(Connection):
    """Reads and counts features."""

    async def get_features(
        self, layer: UuidLike, *, skip: int = 0, limit: int | None = None, srid: int = 3857
    ) -> dict[str, Any]:
        """Reads the features of a vector layer as GeoJSON, page by page.

        Calls `GET vectorLayers/{uuid}/features/`, and counts them first if there is no `limit`.

        Args:
            layer: Its uuid, or an object with one.
            skip: How many to skip.
            limit: How many to return at most; by default all.
            srid: The EPSG code of the coordinates.

        Returns:
            One feature collection.

        Raises:
            InvalidArgumentError: An argument is invalid; no request was sent.
            InvalidResponseError: The pages are not the whole layer, or overlap.
            GeoboxError: A read failed.
        """
        path = f"vectorLayers/{checked_uuid('layer', layer)}/features/"
        whole_number("skip", skip, least=0)
        whole_number("srid", srid, least=1)
        if limit is not None:
            whole_number("limit", limit, least=1)
        wanted = max(0, await self.count_features(layer) - skip) if limit is None else limit
        features: list[Any] = []
        pages = 0
        while True:
            params = [
                ("f", "json"),
                ("skip", str(skip + len(features))),
                ("limit", str(min(_PAGE, wanted - len(features)) or _PAGE)),
                ("out_srid", str(srid)),
            ]
            page = await self._read(path, parse_feature_collection, params)
            features += page["features"]
            pages += 1
            # A server may send fewer at once than it was asked for.
            if not page["features"] or len(features) >= wanted:
                break
        if pages > 1:
            _refuse_overlap(path, features)
        if limit is None and len(features) < wanted:
            raise InvalidResponseError(
                f"GET {path} sent {len(features):,} of {wanted:,} features. Read them again, if "
                "the layer was edited meanwhile; or read parts, with skip and limit."
            )
        return {**page, "features": features}

    async def count_features(self, layer: UuidLike) -> int:
        """Counts features: `GET vectorLayers/{uuid}/features/?return_count=True`.

        Raises:
            GeoboxError: The read failed.
        """
        path = f"vectorLayers/{checked_uuid('layer', layer)}/features/"
        return await self._read(path, parse_count, [("f", "json"), ("return_count", "True")])


def _refuse_overlap(path: str, features: Sequence[Any]) -> None:
    """Refuses pages that repeat a feature: then others are missing."""
    ids = [feature.get("id") for feature in features if isinstance(feature, Mapping)]
    known = [str(identifier) for identifier in ids if identifier is not None]
    if len(set(known)) < len(known):
        raise InvalidResponseError(
            f"GET {path} sent features twice, so that others are missing. Read them again: the "
            "layer was edited meanwhile, or the server does not keep their order."
        )
