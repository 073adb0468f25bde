"""Looks up the inputs of operations by name, and what has to be known of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Final

from prefect_geobox.client.api.connection import Connection, page_params, read_all
from prefect_geobox.client.model.errors import InvalidResponseError, NameLookupError
from prefect_geobox.client.model.names import is_same_name, name_filter
from prefect_geobox.client.model.payloads import parse_described, parse_descriptions
from prefect_geobox.client.model.text import printable
from prefect_geobox.client.operations._inputs import Input, Resource
from prefect_geobox.client.operations._validation import near_names

#: Kinds that are easily confused, for the message that there is none of the given name.
_LIKELY: Final = (
    Resource.VECTOR,
    Resource.VIEW,
    Resource.RASTER,
    Resource.FILE,
    Resource.TABLE,
)

#: The query of the names among which a similar one is looked for.
_FIRST_NAMES: Final = (
    ("f", "json"),
    ("return_count", "False"),
    ("skip", "0"),
    ("limit", "200"),
    ("shared", "False"),
)


class InputLookup(Connection):
    """Finds inputs that are given by name instead of by uuid."""

    async def look_up(self, ref: Input) -> Input:
        """Reads what has to be known of an input before a request can name it.

        Args:
            ref: The input as it was given.

        Raises:
            NameLookupError: Nothing has its name, or several things have.
            GeoboxError: A read failed.
        """
        if not ref.uuid:
            ref = await self._by_name(ref)
        if not ref.needs_lookup:
            return ref
        path = f"{ref.path}info/" if ref.resource is Resource.FILE else ref.path
        found = await self._read(path, parse_described, [("f", "json")])
        if ref.needs not in found:
            raise InvalidResponseError(f"GET {path} is without its `{ref.needs}`.")
        return ref.found(ref.resource, ref.uuid, found)

    async def _by_name(self, ref: Input) -> Input:
        """The only input of its kinds with this name."""
        found: list[Input] = []
        for kind in (ref.resource, *(kind for kind in ref.kinds if kind is not ref.resource)):
            found += await self._named(ref, kind)
        if len(found) == 1:
            return found[0]
        kinds = " or ".join(str(kind) for kind in ref.kinds)
        name = printable(ref.name, 100)
        if not found:
            raise NameLookupError(
                f"{ref.field}: there is no {kinds} named {name!r} for this account"
                f"{await self._elsewhere(ref)}. {await self.similar_names(ref.kinds, ref.name)}"
            )
        uuids = [one.uuid for one in found]
        listing = ", ".join(f"{one.uuid} ({one.resource})" for one in found[:10])
        raise NameLookupError(
            f"{ref.field}: {len(found)} of the kind {kinds} are named {name!r}: {listing}. Pass "
            "the uuid of the one that you mean.",
            uuids,
        )

    async def _named(self, ref: Input, kind: Resource) -> list[Input]:
        """All inputs of one kind with this name."""

        def page(skip: int) -> Awaitable[list[dict[str, Any]]]:
            return self._read(
                f"{kind.value}/",
                parse_descriptions,
                [
                    ("f", "json"),
                    ("q", name_filter(ref.name)),
                    ("return_count", "False"),
                    *page_params(skip),
                    ("shared", "False"),
                ],
            )

        listed = await read_all(page, lambda item: str(item["uuid"]))
        # A server that does not know the filter would list everything.
        return [
            ref.found(kind, item["uuid"], item)
            for item in listed
            if is_same_name(str(item.get("name")), ref.name)
        ]

    async def similar_names(self, kinds: Sequence[Resource], name: str) -> str:
        """A sentence on similar names, for the message that nothing has this one.

        Args:
            kinds: The kinds that were searched.
            name: The name that nothing has.
        """
        found = await asyncio.gather(
            *(self._read(f"{kind.value}/", parse_descriptions, _FIRST_NAMES) for kind in kinds),
            return_exceptions=True,
        )
        names = [
            item["name"]
            for listed in found
            if isinstance(listed, list)
            for item in listed
            if isinstance(item.get("name"), str)
        ]
        near = [repr(printable(each, 100)) for each in near_names(name, names)]
        suggestion = f"Did you mean {' or '.join(near)}? " if near else ""
        return f"{suggestion}Check the spelling and the account."

    async def _elsewhere(self, ref: Input) -> str:
        """The other kinds that have this name, for the message that there is none."""
        others = [kind for kind in _LIKELY if kind not in ref.kinds]
        found = await asyncio.gather(
            *(self._named(ref, kind) for kind in others), return_exceptions=True
        )
        kinds = [
            f"a {kind}"
            for kind, refs in zip(others, found, strict=True)
            if isinstance(refs, list) and refs
        ]
        return f", but {' and '.join(kinds)} of that name" if kinds else ""
