"""Vector files and tables: their layers, and the features or rows of one layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from prefect_geobox.emulator.geodata.columns import unique_names
from prefect_geobox.emulator.geodata.csv_files import csv_count, read_csv, read_csv_features
from prefect_geobox.emulator.geodata.datasets import Archive, Dataset, single_file
from prefect_geobox.emulator.geodata.errors import JobError
from prefect_geobox.emulator.geodata.gdal_files import (
    GdalLayer,
    list_gdal_layers,
    read_gdal_layer,
)
from prefect_geobox.emulator.geodata.geojson_files import (
    geojson_count,
    is_geojson,
    read_geojson,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefect_geobox.emulator.geodata.features import VectorSource

_TABLES = ("CSV", "XLSX")


@dataclass(frozen=True)
class LayerEntry:
    """A layer or table that a file holds.

    Attributes:
        layer: Its name.
        dataset: What holds it.
        count: How many features or rows it has; 0 if that is not known.
    """

    layer: str
    dataset: Dataset
    count: int

    def __str__(self) -> str:
        return f"{self.layer!r} of {self.dataset.name}"


def list_layers(name: str, content: bytes) -> list[LayerEntry]:
    """The layers and tables of a file, as far as it can be read.

    A dataset that cannot be read is listed by its name; publishing it tells the reason.

    Args:
        name: The file's name.
        content: Its bytes.

    Raises:
        JobError: It is a zip that is damaged or holds none, or no file that could hold one.
    """
    entries: list[LayerEntry] = []
    for dataset in _datasets(name, content):
        entries += _layers_or_name(dataset)
    return entries


def read_vector(
    name: str, content: bytes, *, dataset: str | None, layer: str | None, encoding: str
) -> VectorSource:
    """Reads a layer of a file.

    Args:
        name: The file's name; its suffix determines the format.
        content: Its bytes.
        dataset: The file within a zip; the first that has the layer if None.
        layer: The layer; the first if None.
        encoding: The encoding of texts that name none themselves.

    Raises:
        JobError: It cannot be read, or there is no such layer.
    """
    datasets = _datasets(name, content)
    entry = _selected(name, [d for d in datasets if d.file_type != "XLSX"], dataset, layer)
    if entry is None:
        raise _not_supported(name, "layer")
    found = entry.dataset
    if found.file_type == "GeoJSON":
        return read_geojson(found.label, _content(found), encoding)
    if found.file_type == "CSV":
        return read_csv_features(found.label, _content(found), encoding)
    return read_gdal_layer(found, entry.layer, encoding)


def read_rows(
    name: str,
    content: bytes,
    encoding: str,
    *,
    dataset: str | None = None,
    layer: str | None = None,
    delimiter: str | None = None,
    names: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Reads the rows of a table, or of one within a zip.

    Args:
        name: The file's name; its suffix determines the format.
        content: Its bytes.
        encoding: The encoding of a CSV.
        dataset: The file within a zip; the first table if None.
        layer: The sheet of an XLSX; the first if None.
        delimiter: What separates the values of a CSV; found out if None.
        names: The columns of a CSV without a header.

    Raises:
        JobError: It cannot be read, or there is no such table.
    """
    datasets = _datasets(name, content)
    tables = [d for d in datasets if d.file_type in _TABLES]
    entry = _selected(name, tables, dataset, layer)
    if entry is None and len(datasets) == 1 and not datasets[0].archive:
        raise _not_supported(name, "table, only CSV and XLSX")
    if entry is None:
        held = ", ".join(d.name for d in datasets)
        reason = f"{name} holds no table, which is a CSV or XLSX; it has: {held}"
        raise JobError(reason, "geobox.InvalidFileError")
    found = entry.dataset
    if found.file_type == "CSV":
        return read_csv(found.label, _content(found), encoding, delimiter=delimiter, names=names)
    return _with_header([r.properties for r in read_gdal_layer(found, entry.layer, "UTF-8").rows])


def _with_header(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a sheet, of which GDAL takes the first for data where all cells are texts."""
    names = list(rows[0]) if rows else []
    if not names or names != [f"Field{at}" for at in range(1, len(names) + 1)]:
        return rows
    given = [str(value).strip() for value in rows[0].values() if value is not None]
    if len(given) < len(names):
        return rows
    header = unique_names(given)
    return [dict(zip(header, row.values(), strict=True)) for row in rows[1:]]


def _datasets(name: str, content: bytes) -> list[Dataset]:
    if PurePosixPath(name).suffix.lower() == ".zip":
        found = Archive(name, content).datasets()
        # Most JSON in a zip is no GeoJSON but tells something about the other files.
        return [d for d in found if not d.name.lower().endswith(".json") or _is_geojson(d)]
    single = single_file(name, content)
    if single is None:
        raise _not_supported(name, "layer")
    return [single]


def _is_geojson(dataset: Dataset) -> bool:
    try:
        return is_geojson(dataset.name, _content(dataset))
    except JobError:
        return False


def _layers(dataset: Dataset) -> list[LayerEntry]:
    if dataset.file_type == "GeoJSON":
        layers = [GdalLayer(dataset.stem, True, geojson_count(dataset.name, _content(dataset)))]
    elif dataset.file_type == "CSV":
        layers = [GdalLayer(dataset.stem, True, csv_count(_content(dataset)))]
    else:
        layers = list_gdal_layers(dataset)
    return [LayerEntry(layer.name, dataset, layer.count) for layer in layers]


def _content(dataset: Dataset) -> bytes:
    (content,) = dataset.read().values()
    return content


def _selected(
    name: str, datasets: list[Dataset], dataset: str | None, layer: str | None
) -> LayerEntry | None:
    """The layer that a request names; None if there are no layers.

    Raises:
        JobError: It names one that does not exist, or several have the name.
    """
    if not datasets:
        return None
    wanted = dataset and dataset.replace("\\", "/")
    chosen = [d for d in datasets if not wanted or d.name.replace("\\", "/") == wanted]
    if not chosen:
        held = ", ".join(d.name for d in datasets)
        reason = f"{name} has no {dataset!r}, as in input_dataset; it has: {held}"
        raise JobError(reason, "geobox.InvalidFileError")
    if not layer:
        entries = _layers(chosen[0])
        if not entries:
            raise JobError(f"{chosen[0].label} has no layers", "geobox.NoFeaturesError")
        return entries[0]
    # Only what the request does not name may be unreadable.
    layers_of = _layers if len(chosen) == 1 else _layers_or_name
    entries = [entry for one in chosen for entry in layers_of(one)]
    found = [entry for entry in entries if entry.layer == layer]
    if not found:
        within = f"{dataset} in {name}" if dataset and dataset != name else name
        held = ", ".join(
            str(entry) if len(datasets) > 1 else repr(entry.layer) for entry in entries
        )
        reason = f"{within} has no layer {layer!r}, as in input_layer; it has: {held}"
        raise JobError(reason, "geobox.InvalidFileError")
    if len(found) > 1:
        held = ", ".join(entry.dataset.name for entry in found)
        reason = f"{name} has several layers {layer!r}; name one in input_dataset: {held}"
        raise JobError(reason, "geobox.InvalidFileError")
    return found[0]


def _layer_name(entry: LayerEntry) -> str:
    return repr(entry.layer)


def _layers_or_name(dataset: Dataset) -> list[LayerEntry]:
    try:
        return _layers(dataset)
    except JobError:
        return [LayerEntry(dataset.stem, dataset, 0)]


def _not_supported(name: str, what: str) -> JobError:
    suffix = PurePosixPath(name).suffix.lower()
    reason = (
        f"{name} cannot be published as a {what}: "
        f"the format {suffix or 'without a suffix'} is not supported"
    )
    return JobError(reason, "geobox.InvalidFileError")
