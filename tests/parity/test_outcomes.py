"""Each operation carried out by our client on the emulator, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest

from prefect_geobox.client import (
    AssetKind,
    AsyncGeoboxClient,
    GeoboxClient,
    InvalidArgumentError,
    NameLookupError,
    RemoteTask,
    TaskFailedError,
    by_name,
    operations,
)
from prefect_geobox.emulator import GeoboxEmulator

pytest.importorskip("pyogrio")
pytest.importorskip("rasterio")
pytest.importorskip("geobox")

from geobox import GeoboxClient as SdkClient

FAST = {"interval": 0.01, "max_interval": 0.02, "progress_bar": False}
BOX = (0, 0, 1000, 1000)
SQUARE = [[[0, 0], [500, 0], [500, 500], [0, 500], [0, 0]]]


def collection(*features: tuple[dict[str, Any], str, Any]) -> bytes:
    """A GeoJSON in EPSG:3857."""
    return json.dumps(
        {
            "type": "FeatureCollection",
            "crs": {"type": "name", "properties": {"name": "EPSG:3857"}},
            "features": [
                {
                    "type": "Feature",
                    "properties": properties,
                    "geometry": {"type": kind, "coordinates": coordinates},
                }
                for properties, kind, coordinates in features
            ],
        }
    ).encode()


POINTS = collection(
    ({"name": "a", "height": 10, "code": 1}, "Point", [100, 100]),
    ({"name": "b", "height": 30, "code": 2}, "Point", [900, 900]),
)
POLYGON = collection(({"name": "p", "height": 5, "code": 1}, "Polygon", SQUARE))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An emulator with layers of points and of a polygon, a table, a raster, and what shows them.

    What shows them, views and maps say, is made by the official SDK and is its objects.
    """
    folder = tmp_path_factory.mktemp("world")
    (folder / "points.geojson").write_bytes(POINTS)
    (folder / "polygon.geojson").write_bytes(POLYGON)
    (folder / "rows.csv").write_text("name,number\nx,1\ny,2\n")
    sources = {
        "http://maps.example.org/wfs": folder / "points.geojson",
        "db.example.org:5432/gis": folder / "points.geojson",
    }
    with (
        GeoboxEmulator(seconds=0.01, sources=sources) as geobox,
        GeoboxClient(geobox.url, apikey=geobox.apikey) as client,
    ):
        made = SimpleNamespace(client=client, folder=folder, geobox=geobox)
        publish = operations.publish_file
        made.file = client.upload_file(folder / "points.geojson")
        made.csv = client.upload_file(folder / "rows.csv")
        made.points = client.run(publish, made.file, "points", **FAST)
        polygon = client.upload_file(folder / "polygon.geojson")
        made.polygon = client.run(publish, polygon, "polygon", **FAST)
        made.table = client.run(publish, made.csv, "rows", publish_as="table", **FAST)
        made.raster = client.run(
            operations.interpolate_idw,
            made.points,
            "heights",
            "height",
            extent=BOX,
            pixel_size=50,
            radius=5000,
            **FAST,
        )
        sdk = SdkClient(host=geobox.url, apikey=geobox.apikey)
        points = sdk.get_vector(made.points.uuid)
        made.view = points.create_view("only_a", view_filter="name = 'a'")
        made.map = sdk.create_map(name="a_map")
        made.tileset = sdk.create_tileset(name="a_tileset", layers=[points])
        made.mosaic = sdk.create_mosaic(name="a_mosaic")
        made.mosaic.add_rasters([sdk.get_raster(made.raster.uuid)])
        made.group = sdk.create_group_layer("a_group", layers=[points])
        yield made
        sdk.session.close()


def kept(world: Any, operation: Any, *args: Any, **options: Any) -> Any:
    """What an operation makes, and where that is an asset, that it is there."""
    outcome = world.client.run(operation, *args, **FAST, **options)
    if not isinstance(outcome, (list, RemoteTask)):
        assert world.client.get_asset(outcome.kind, outcome.uuid).uuid == outcome.uuid
    return outcome


def copied(world: Any, name: str, **options: Any) -> Any:
    """A copy of the points, to be changed."""
    return kept(world, operations.save_as_layer, world.points, name, **options)


def names_in(world: Any, layer: Any) -> list[Any]:
    """The names of a layer's features."""
    features = world.client.get_features(layer)["features"]
    return [feature["properties"].get("name") for feature in features]


def test_features_are_exported(world: Any) -> None:
    """Features of a layer and of a view become a file, which downloads whole."""
    file = kept(world, operations.export_features, world.points, "all.geojson", zipped=False)
    place = world.client.download_file(file, world.folder / "all.geojson")
    assert len(json.loads(place.read_bytes())["features"]) == 2
    file = kept(world, operations.export_features, world.view, "some.geojson")
    with ZipFile(world.client.download_file(file, f"{world.folder}/zipped/")) as archive:
        (member,) = archive.namelist()
        assert len(json.loads(archive.read(member))["features"]) == 1


def test_features_are_changed(world: Any) -> None:
    """Features are imported, computed, updated and deleted; the remote task is returned."""
    layer = copied(world, "to_change")
    task = kept(world, operations.import_features, layer, world.file)
    assert task.succeeded
    assert names_in(world, layer) == ["a", "b", "a", "b"]
    kept(world, operations.delete_features, layer, q="name = 'b'")
    assert names_in(world, layer) == ["a", "a"]
    kept(world, operations.calculate_field, layer, "height", "height * 2")
    heights = [f["properties"]["height"] for f in world.client.get_features(layer)["features"]]
    assert heights == [20, 20]
    kept(world, operations.update_by_layer, layer, world.points, "code", fields_to_update="height")
    kept(world, operations.update_by_file, layer, world.file, "code", insert_missing=True)
    assert sorted(names_in(world, layer)) == ["a", "a", "b"]
    kept(world, operations.delete_features, layer, everything=True)
    assert names_in(world, layer) == []


def test_a_view_is_taken_for_a_view(world: Any) -> None:
    """A view given as an object of the SDK, by its name, or told to be one, is worked on as one."""
    for number, view in enumerate((world.view, by_name("only_a"))):
        layer = kept(world, operations.save_as_layer, view, f"of_a_view_{number}")
        assert names_in(world, layer) == ["a"]
    layer = kept(
        world, operations.save_as_layer, world.view.uuid, "of_a_view_by_uuid", is_view=True
    )
    assert names_in(world, layer) == ["a"]
    raster = kept(world, operations.rasterize, by_name("only_a"), "raster_of_a_view")
    assert raster.kind is AssetKind.RASTER
    world.geobox.clear_requests()
    kept(world, operations.interpolate_idw, world.view, "idw_of_a_view", "height", extent=BOX)
    (start,) = [r for r in world.geobox.requests if r.path.endswith("/idw/")]
    assert dict(start.body)["is_view"] == "True"


def test_rows_are_changed_and_exported(world: Any) -> None:
    """Rows of a table are imported, computed and exported."""
    kept(world, operations.import_rows, world.table, world.csv)
    kept(world, operations.calculate_table_field, world.table, "number", "number + 1")
    file = kept(world, operations.export_rows, world.table, "rows_out", q="name = 'x'")
    place = world.client.download_file(file, f"{world.folder}/")
    assert [line.split(",")[-2:] for line in place.read_text().splitlines()[1:]] == [
        ["x", "2"],
        ["x", "2"],
    ]


def test_queries_become_layers_and_tables(world: Any) -> None:
    """SQL over a layer becomes a layer or a table; parameters are typed by their values."""
    layer = kept(
        world,
        operations.save_query_as_layer,
        "SELECT name, geom FROM places WHERE height > :least",
        "high",
        {"places": world.points, "least": 20},
        temporary=True,
    )
    assert names_in(world, layer) == ["b"]
    assert layer.data["temporary"] is True
    table = kept(
        world,
        operations.save_query_as_table,
        "SELECT count(*) AS n FROM places",
        "counts",
        {"places": by_name("points")},
    )
    assert table.kind is AssetKind.TABLE


def test_caches_are_filled(world: Any) -> None:
    """Whatever the server answers, each remote task that a cache takes is waited for."""
    counts = {
        "seed_layer_cache": world.points,
        "seed_raster_cache": world.raster,
        "seed_mosaic_cache": world.mosaic,
        "seed_tileset_cache": world.tileset,
        "seed_map_cache": world.map,
        "update_map_cache": world.map,
    }
    for name, target in counts.items():
        tasks = kept(world, getattr(operations, name), target)
        assert tasks, name
        assert all(task.succeeded for task in tasks), name
        assert len(tasks) == (2 if name == "seed_tileset_cache" else 1), name
    tasks = kept(world, operations.update_tileset_cache, by_name("a_tileset"), 0, 2)
    assert all(task.succeeded for task in tasks)


def test_maps_and_groups_are_exported(world: Any) -> None:
    """A map becomes a picture, a group of layers a file."""
    picture = kept(world, operations.export_map_image, world.map, (50, 35, 52, 36), 64, 48)
    place = world.client.download_file(picture, f"{world.folder}/")
    assert place.read_bytes().startswith(b"\x89PNG")
    group = kept(world, operations.export_group_layer, world.group, "group.gpkg")
    assert group.kind is AssetKind.FILE


def test_layers_are_imported_from_elsewhere(world: Any) -> None:
    """A WFS and a database become layers and tables, or are added to a layer."""
    wfs = "http://maps.example.org/wfs"
    layer = kept(world, operations.import_wfs, wfs, "points", "of_a_wfs")
    kept(world, operations.import_wfs_into_layer, wfs, "points", layer)
    assert names_in(world, layer) == ["a", "b", "a", "b"]
    database = operations.Database(
        db_type="postgis",
        host="db.example.org",
        port=5432,
        db_name="gis",
        username="reader",
        password="never-shown-anywhere",
    )
    layer = kept(world, operations.import_database_layer, database, "points", "of_a_database")
    kept(world, operations.import_database_into_layer, database, "points", layer)
    assert len(names_in(world, layer)) == 4
    table = kept(world, operations.import_database_table, database, "points", "rows_of_a_database")
    assert table.kind is AssetKind.TABLE
    for has_geometry, kind in ((True, AssetKind.VECTOR), (False, AssetKind.TABLE)):
        made = kept(
            world,
            operations.import_from_database,
            database,
            "points",
            f"by_{kind}",
            has_geometry=has_geometry,
        )
        assert made.kind is kind
    assert "never-shown-anywhere" not in repr(database)


def test_each_raster_analysis_makes_what_it_says(world: Any) -> None:
    """All twelve analyses make a raster, but for polygons, which are a file or a layer."""
    raster = world.raster
    for name, args, options in (
        ("rasterize", (world.polygon,), {"pixel_size": 50}),
        ("clip_raster", (raster, world.polygon), {}),
        ("raster_slope", (raster,), {}),
        ("raster_aspect", (raster,), {}),
        ("resample_raster", (raster,), {"scale_factor": 2}),
        ("fill_nodata", (raster,), {}),
        ("raster_proximity", (raster,), {}),
    ):
        made = kept(world, getattr(operations, name), *args, f"by_{name}", **options)
        assert (made.kind, made.name) == (AssetKind.RASTER, f"by_{name}")
    zero = kept(world, operations.constant_raster, "zero", BOX, 0, pixel_size=50)
    rules = [(0, 20, 1), (20, 50, 2)]
    classes = kept(world, operations.reclassify_raster, raster, "classes", rules)
    total = kept(
        world,
        operations.calculate_raster,
        {"A": raster, "B": by_name("zero"), "C": (zero, 1)},
        "A + B + C",
        "total",
        temporary=True,
    )
    assert world.client.get_asset("raster", total).data["temporary"] is True
    file = kept(world, operations.polygonize, classes, "polygons")
    assert file.kind is AssetKind.FILE
    layer = kept(world, operations.polygonize, classes, "as_a_layer", publish=True)
    assert (layer.kind, layer.name) == (AssetKind.VECTOR, "as_a_layer")
    assert world.client.count_features(layer) >= 2
    made = kept(world, operations.run_raster_tool, "slope", raster, "slope_by_name")
    assert made.kind is AssetKind.RASTER


async def test_the_async_client_runs_them_too(world: Any) -> None:
    """The async client runs an operation and starts one without waiting for it."""
    async with AsyncGeoboxClient(world.geobox.url, apikey=world.geobox.apikey) as client:
        layer = await client.run(
            operations.run_vector_tool, "buffer", world.points, "around", distance=10, **FAST
        )
        assert layer.name == "around"
        classes = await client.run(
            operations.reclassify_raster, world.raster, "classes_too", {10: 1}, **FAST
        )
        published = await client.run(
            operations.polygonize, classes, "polygons_too", publish=True, **FAST
        )
        assert published.kind is AssetKind.VECTOR
        task = await client.start(operations.export_features, layer, "around.gpkg")
        ended = await client.wait_for_task(task, interval=0.01)
        assert ended.output.kind is AssetKind.FILE


def test_a_name_that_several_have_is_refused(world: Any) -> None:
    """A name that a layer and a view have is refused with both of their uuids."""
    layer = copied(world, "only_a")
    try:
        with pytest.raises(NameLookupError, match=r"2 of the kind.*are named 'only_a'") as error:
            kept(world, operations.export_features, by_name("only_a"), "x.gpkg")
        assert set(error.value.uuids) == {layer.uuid, world.view.uuid}
        kept(world, operations.export_features, by_name("only_a"), "x.gpkg", is_view=True)
    finally:
        world.client.delete_asset(layer)


def test_quotes_in_a_name_are_only_quotes(world: Any) -> None:
    """A name with a quote in it is looked up as it is."""
    layer = copied(world, "it's")
    found = kept(world, operations.export_features, by_name("it's"), "x.gpkg")
    assert found.kind is AssetKind.FILE
    assert world.client.find_asset("vector", "it's").uuid == layer.uuid
    with pytest.raises(NameLookupError, match="no vector named"):
        world.client.find_asset("vector", "' OR '1' = '1")


def test_a_remote_task_stands_for_its_output(world: Any) -> None:
    """A remote task that has ended can be given for what it made; one that has not cannot."""
    task = world.client.start(operations.save_as_layer, world.points, "of_a_task")
    if not task.is_final:
        with pytest.raises(InvalidArgumentError, match="names no output"):
            kept(world, operations.export_features, task, "x.gpkg")
    ended = world.client.wait_for_task(task, interval=0.01)
    assert kept(world, operations.export_features, ended, "x.gpkg").kind is AssetKind.FILE


def test_options_of_steps_are_refused_by_the_clients(world: Any) -> None:
    """What only a flow can keep is refused, and waiting options by what does not wait."""
    with pytest.raises(InvalidArgumentError, match="key cannot be given here"):
        kept(world, operations.save_as_layer, world.points, "x", key="a")
    with pytest.raises(InvalidArgumentError, match="timeout cannot be given here"):
        world.client.start(operations.save_as_layer, world.points, "x", timeout=3)


def test_layers_become_temporary_and_permanent(world: Any) -> None:
    """An output is temporary where that is asked for, and permanent again afterwards."""
    layer = copied(world, "for_a_day", temporary=True)
    assert world.client.get_asset("vector", layer).data["temporary"] is True
    world.client.make_permanent(by_name("for_a_day"), "vector")
    assert world.client.get_asset("vector", layer).data["temporary"] is False
    with pytest.raises(InvalidArgumentError, match="no temporary file"):
        world.client.make_temporary(world.file)
    with pytest.raises(InvalidArgumentError, match="kind must be given"):
        world.client.delete_asset(layer.uuid)
    world.client.delete_asset(layer.uuid, "vector")
    with pytest.raises(NameLookupError):
        world.client.delete_asset(by_name("for_a_day"), "vector")


def test_a_failure_is_the_servers(world: Any) -> None:
    """A remote task that fails raises with the server's reason, and with what was asked for."""
    with pytest.raises(
        TaskFailedError, match=r"exists already.*Asked was: .*out_layer_name=points"
    ):
        copied(world, "points")


def test_a_name_of_another_kind_is_told(world: Any) -> None:
    """A name that only a raster has is refused as a layer, with a message that names the kind."""
    with pytest.raises(NameLookupError, match=r"no vector layer.*, but a raster of that name"):
        kept(world, operations.export_features, by_name("heights"), "x.gpkg")
