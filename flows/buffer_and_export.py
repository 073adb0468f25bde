"""Publishes a file, buffers its features, exports the result and downloads it.

Run it:      python flows/buffer_and_export.py FILE --block my-geobox
Try it:      make chain, which needs no account

Without --block the account comes from GEOBOX_HOST and GEOBOX_APIKEY, GEOBOX_ACCESS_TOKEN, or
GEOBOX_USERNAME and GEOBOX_PASSWORD.
"""

# Prefect validates the parameters of a flow by its annotations, which must be objects, not text: no
# `from __future__ import annotations` here.
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from prefect import flow
from publish_layer import choose_name, load_credentials, log_errors_briefly

from prefect_geobox import (
    AssetKind,
    GeoboxError,
    abort_remote_tasks,
    delete_outputs,
    download_file,
    export_features,
    publish_file,
    run_vector_tool,
    upload_file,
)
from prefect_geobox.client.http.multipart_upload import readable_file
from prefect_geobox.client.model.names import layer_name_of

COUNTRIES = Path(__file__).parent / "data" / "countries.geojson"


@flow(
    name="buffer-and-export",
    on_cancellation=[abort_remote_tasks, delete_outputs],
    on_failure=[delete_outputs],
)
def buffer_and_export(
    path: str,
    distance: float = 50_000,
    out: str = "out/",
    out_format: str = "GPKG",
    out_srid: int | None = None,
    overwrite: bool = False,
    block: str | None = None,
) -> Path:
    """Buffers a file of geodata in Geobox. A failed run deletes what it has created there.

    Args:
        path: The file, as this process sees it.
        distance: The width of the buffer, in the units of the layer.
        out: The folder for the result.
        out_format: "GPKG", "GeoJSON" or another format of `export_features`.
        out_srid: The EPSG code of the result; by default chosen by the server.
        overwrite: Whether an existing file of the same name in that folder is replaced.
        block: The name of a Geobox Credentials block; by default the `GEOBOX_*` variables are used.
    """
    credentials = load_credentials(block)
    file = upload_file(credentials, path)
    name = choose_name(credentials, AssetKind.VECTOR, layer_name_of(path), "number")
    layer = publish_file(credentials, file, name)
    around = f"{name}_buffer"
    buffer = run_vector_tool(
        credentials, "buffer", layer, around, distance=distance, temporary=True
    )
    ending = {"GPKG": ".gpkg", "GeoJSON": ".geojson"}.get(out_format, "")
    exported = export_features(
        credentials,
        buffer,
        f"{around}{ending}",
        out_format=out_format,
        out_srid=out_srid,
        zipped=not ending,
    )
    return download_file(credentials, exported, f"{out.rstrip('/')}/", overwrite=overwrite)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "file", nargs="?", metavar="FILE", default=str(COUNTRIES), help="a file of geodata"
    )
    parser.add_argument(
        "--distance", type=float, default=50_000, help="in units of the layer (default: 50000)"
    )
    parser.add_argument("--out", default="out/", help="the folder for the result (default: out/)")
    parser.add_argument("--format", default="GPKG", help="of the result (default: GPKG)")
    parser.add_argument("--srid", type=int, help="EPSG code of the result")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a file of that name in the folder"
    )
    parser.add_argument("--block", help="the name of a Geobox Credentials block")
    options = parser.parse_args(arguments)
    try:
        # Errors that can be found now are reported before a flow run begins.
        readable_file(options.file)
        load_credentials(options.block).get_settings()
        log_errors_briefly()
        result = buffer_and_export(
            path=options.file,
            distance=options.distance,
            out=options.out,
            out_format=options.format,
            out_srid=options.srid,
            overwrite=options.overwrite,
            block=options.block,
        )
    except (GeoboxError, OSError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    print(f"\n  Result    {result}, {result.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
