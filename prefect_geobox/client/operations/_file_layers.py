"""The layers within an uploaded file, and the one of them that an operation reads.

A layer is named by two texts that belong together: the layer, and the dataset that holds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prefect_geobox.client.model.assets import OutputAsset
from prefect_geobox.client.model.errors import InvalidArgumentError
from prefect_geobox.client.model.names import is_same_name
from prefect_geobox.client.model.text import printable
from prefect_geobox.client.operations._inputs import FileLike, Input, inputs
from prefect_geobox.client.operations._request import Finish, Remarks, Request
from prefect_geobox.client.operations._validation import near_names

_WGS84: Final = 4326

#: The formats whose reference system does not depend on `input_srid`.
_FORMATS_WITH_SRID: Final = ("GeoJSON", "KML", "GPX")

#: How many layers a message lists.
_MOST_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class FileLayer:
    """One layer within an uploaded file; None is not known.

    Attributes:
        layer: Its name.
        dataset: The dataset that holds it, such as a file within a zip.
        format: Its format, such as `GeoJSON`.
    """

    layer: str | None = None
    dataset: str | None = None
    format: str | None = None

    def shown(self, file: Input | OutputAsset) -> str:
        """Its names for people; a dataset that is the file itself is left out."""
        layer, dataset = printable(self.layer or "", 100), printable(self.dataset or "", 100)
        is_told = bool(dataset) and self.dataset != file.name
        return f"{layer} ({dataset})" if layer and is_told else layer or dataset


def layers_of(file: Input | OutputAsset) -> list[FileLayer]:
    """The layers that the server lists for an uploaded file.

    Args:
        file: The file, with its description.
    """
    listing = file.data.get("layers")
    layers = listing.get("layers") if isinstance(listing, Mapping) else None
    return [
        FileLayer(_text(each, "layer"), _text(each, "dataset"), _text(each, "format"))
        for each in (layers if isinstance(layers, list) else [])
        if isinstance(each, Mapping)
    ]


def chosen_layer(
    file: Input | OutputAsset, layer: str | None = None, dataset: str | None = None
) -> FileLayer:
    """The layer of a file that is meant, with the name that was not given filled in.

    Where the server lists no layers, the names are taken as they are.

    Args:
        file: The file, with its description.
        layer: The given layer; None or empty for the first.
        dataset: The given dataset; None or empty for that of the layer.

    Raises:
        InvalidArgumentError: The file has no such layer, or several of that name.
    """
    listed = layers_of(file)
    candidates = _named(file, listed, "input_layer", "layer", layer)
    if layer and dataset:
        within = [
            each
            for each in candidates
            if each.dataset is None or is_same_name(each.dataset, dataset)
        ]
        if (
            candidates
            and not within
            and any(is_same_name(each.dataset or "", dataset) for each in listed)
        ):
            raise InvalidArgumentError(
                f"input_dataset: {dataset!r} of file {_label(file)} does not hold the layer "
                f"{layer!r}. {_listing(file, listed)}"
            )
        candidates = within or _named(file, candidates, "input_dataset", "dataset", dataset)
    elif dataset:
        candidates = _named(file, listed, "input_dataset", "dataset", dataset)
    holders = {each.dataset for each in candidates}
    if layer and not dataset and len(holders) > 1:
        raise InvalidArgumentError(
            f"input_dataset must be given: several datasets of file {_label(file)} have a layer "
            f"{layer!r}. {_listing(file, candidates)}"
        )
    found = candidates[0] if candidates else FileLayer()
    # As the file spells them: a name that a Mac has written is composed otherwise.
    return FileLayer(found.layer or layer, found.dataset or dataset, found.format)


def chosen_layer_remark(
    file: Input | OutputAsset, layer: str | None = None, dataset: str | None = None
) -> str:
    """A sentence that says which of several layers is read, where the arguments leave that open.

    Args:
        file: The file, with its description.
        layer: The given layer.
        dataset: The given dataset.
    """
    listed = [
        each for each in layers_of(file) if not dataset or is_same_name(each.dataset or "", dataset)
    ]
    if layer or len(listed) < 2:
        return ""
    taken = chosen_layer(file, None, dataset).shown(file)
    return (
        f"File {_label(file)} has {len(listed)} layers, and {taken} is read. For another, pass "
        f"input_layer or input_dataset. {_listing(file, listed)}"
    )


def srid_remark(
    file: Input | OutputAsset, layer: str | None, dataset: str | None, input_srid: int | None
) -> str:
    """A sentence that says that a code has no effect, where the format has its own.

    Args:
        file: The file; where its format is not known, there is none.
        layer: The given layer.
        dataset: The given dataset.
        input_srid: The EPSG code that was given.
    """
    if input_srid in (None, _WGS84):
        return ""
    file_format = layer_format(file, layer, dataset)
    if file_format not in _FORMATS_WITH_SRID:
        return ""
    own = " unless its `crs` names another system" if file_format == "GeoJSON" else ""
    return (
        f"input_srid={input_srid} has no effect: coordinates in {file_format} are longitude and "
        f"latitude (EPSG:4326){own}. Where they are not, write the reference system into the file."
    )


def layer_format(
    file: Input | OutputAsset, input_layer: str | None = None, input_dataset: str | None = None
) -> str | None:
    """The format of the layer of a file that is published, as the server names it.

    Args:
        file: The uploaded file, with its description.
        input_layer: The layer within it; by default its first.
        input_dataset: The dataset within it.
    """
    file_type = file.data.get("file_type")
    # An archive is published by the format of the layer in it.
    if file_type == "Complex":
        return chosen_layer(file, input_layer, input_dataset).format
    return file_type if isinstance(file_type, str) else None


def with_srid_remark(layer: str | None, dataset: str | None, input_srid: int | None) -> Remarks:
    """Makes the remark of a request on the EPSG code of its file.

    Args:
        layer: The given layer.
        dataset: The given dataset.
        input_srid: The given code.
    """

    def remarks(request: Request) -> list[str]:
        sentence = srid_remark(request.inputs["file"], layer, dataset, input_srid)
        return [sentence] if sentence else []

    return remarks


def file_input(file: FileLike, layer: str | None, dataset: str | None) -> dict[str, Input]:
    """The input `file` of a request; its layers are read where one of them is named.

    Args:
        file: The file, checked before.
        layer: The given layer.
        dataset: The given dataset.
    """
    return inputs(file, needs="layers" if layer or dataset else "")


def with_chosen_layer(layer: str | None, dataset: str | None) -> Finish | None:
    """Completes the form of a request whose layer or dataset is given; None where neither is.

    Args:
        layer: The given layer.
        dataset: The given dataset.
    """
    if not layer and not dataset:
        return None

    def finish(request: Request) -> Mapping[str, Any]:
        chosen = chosen_layer(request.inputs["file"], layer, dataset)
        names = {"input_layer": chosen.layer, "input_dataset": chosen.dataset}
        return {**(request.form or {}), **names}

    return finish


def _named(
    file: Input | OutputAsset,
    listed: Sequence[FileLayer],
    argument: str,
    attribute: str,
    name: str | None,
) -> Sequence[FileLayer]:
    """Those of the layers whose attribute has this value; all where none is given."""
    known = [value for each in listed if (value := getattr(each, attribute)) is not None]
    if not name or not known:
        return listed
    found = [each for each in listed if is_same_name(getattr(each, attribute) or "", name)]
    if not found:
        near = near_names(name, known)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise InvalidArgumentError(
            f"{argument}: file {_label(file)} has no {attribute} {name!r}.{hint} "
            f"{_listing(file, listed)}"
        )
    return found


def _label(file: Input | OutputAsset) -> str:
    return repr(printable(file.name, 100) or file.uuid)


def _listing(file: Input | OutputAsset, layers: Sequence[FileLayer]) -> str:
    more = f" and {len(layers) - _MOST_LISTED:,} more" if len(layers) > _MOST_LISTED else ""
    names = ", ".join(layer.shown(file) for layer in layers[:_MOST_LISTED])
    return f"There are {names}{more}."


def _text(values: Mapping[str, Any], key: str) -> str | None:
    value = values.get(key)
    return value if isinstance(value, str) else None
