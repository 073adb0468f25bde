"""Uploads a file of geodata and publishes it as a layer.

Run it:      python flows/publish_layer.py FILE --block my-geobox
One layer:   python flows/publish_layer.py FILE --input-layer roads --encoding cp1252
Serve it:    python flows/publish_layer.py --serve --block my-geobox

Without --block the account comes from GEOBOX_HOST and GEOBOX_APIKEY, GEOBOX_ACCESS_TOKEN, or
GEOBOX_USERNAME and GEOBOX_PASSWORD.
"""

# Prefect validates the parameters of a served flow by its annotations, which must be objects, not
# text: no `from __future__ import annotations` here.
import argparse
import logging
import sys
import time
from collections.abc import Sequence
from typing import Any, Literal, get_args
from uuid import UUID

import httpx
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
)
from prefect.runtime import flow_run
from pydantic import ValidationError

from prefect_geobox import (
    AssetKind,
    GeoboxClient,
    GeoboxCredentials,
    GeoboxError,
    OutputAsset,
    abort_remote_tasks,
    by_name,
    publish_file,
    upload_file,
)
from prefect_geobox.client import operations
from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.client.http.multipart_upload import readable_file
from prefect_geobox.client.http.retry import RetryPolicy
from prefect_geobox.client.model.names import layer_name_of
from prefect_geobox.client.operations.files import PublishAs, suggested_publish_as
from prefect_geobox.client.operations.vector_edit import GeometryType
from prefect_geobox.ownership.prefect_api import prefect_api
from prefect_geobox.ownership.run_context import is_in_run
from prefect_geobox.ownership.run_modes import ASYNC_MODE
from prefect_geobox.ownership.submission_log import close_ledger
from prefect_geobox.ownership.submission_records import read_records
from prefect_geobox.reporting.artifact_writer import create_markdown
from prefect_geobox.reporting.left_out import left_out

IfExists = Literal["number", "fail"]

#: The key of the artifact in which a run records the name that it has chosen.
_NAME_KEY = "publish-layer-name"

_KINDS: dict[str, AssetKind] = {
    "vector": AssetKind.VECTOR,
    "raster": AssetKind.RASTER,
    "model3d": AssetKind.MODEL,
    "tiles3d": AssetKind.TILES3D,
    "table": AssetKind.TABLE,
}


def _run_name() -> str:
    parameters = flow_run.parameters
    return f"publish-{parameters.get('name') or layer_name_of(str(parameters.get('path')))}"


@flow(name="publish-layer", flow_run_name=_run_name, on_cancellation=[abort_remote_tasks])
def publish_layer(
    path: str,
    name: str | None = None,
    block: str | None = None,
    publish_as: PublishAs | None = None,
    input_srid: int | None = None,
    if_exists: IfExists = "number",
    timeout: float | None = None,
    input_layer: str | None = None,
    input_dataset: str | None = None,
    input_geom_type: GeometryType | None = None,
    file_encoding: str = "UTF-8",
) -> OutputAsset:
    """Uploads a file and publishes it.

    Args:
        path: The file, as this process sees it.
        name: The name of the layer; by default made from the file's name.
        block: The name of a Geobox Credentials block; by default the `GEOBOX_*` variables are used.
        publish_as: "vector", "raster", "model3d", "tiles3d" or "table"; by default what the file's
            format suggests.
        input_srid: The EPSG code of coordinates that come without a reference system; by default
            3857.
        if_exists: What to do if a layer of that name exists. A published layer may be in use, so
            none is ever replaced: "number" publishes as `name_2`, "fail" stops.
        timeout: Seconds for the publishing; by default there is no limit.
        input_layer: The layer within the file; by default its first.
        input_dataset: The dataset within the file, such as a member of a zip; by default that of
            the layer.
        input_geom_type: The geometry type to read, such as "POINT", where a file has several.
        file_encoding: The encoding of texts, such as "cp1252".
    """
    credentials = load_credentials(block)
    # What a crashed run of the deployment has uploaded or started is adopted, not started again.
    file = upload_file(credentials, path, reattach="deployment")
    kind = _KINDS[publish_as or suggested_publish_as(file, input_layer, input_dataset)]
    layer_name = choose_name(credentials, kind, name or layer_name_of(path), if_exists)
    return publish_file(
        credentials,
        file,
        layer_name,
        publish_as=publish_as,
        input_layer=input_layer,
        input_dataset=input_dataset,
        input_geom_type=input_geom_type,
        input_srid=input_srid,
        file_encoding=file_encoding,
        timeout=timeout,
        reattach="deployment",
    )


@task(task_run_name="choose-name-{name}", cache_policy=NO_CACHE)
def choose_name(
    credentials: GeoboxCredentials, kind: AssetKind, name: str, if_exists: IfExists
) -> str:
    """Returns a name that no asset of this kind has; a retry of the run gets the same name."""
    recorded = io_thread().run(_recorded_name(UUID(flow_run.id)))
    if recorded is not None:
        # A layer of that name may exist by now: the one that this run has published.
        return recorded
    with credentials.get_client() as client:
        chosen, number = name, 1
        while client.find_assets(kind, chosen):
            if if_exists == "fail":
                raise GeoboxError(
                    f"A {kind} named {name!r} exists already. Choose another name, or let it be "
                    "numbered with if_exists='number' (--if-exists number)."
                )
            number += 1
            chosen = f"{name}_{number}"
    io_thread().run(create_markdown(ASYNC_MODE, _NAME_KEY, chosen, "The name of the layer"))
    return chosen


async def _recorded_name(run_id: UUID) -> str | None:
    """Reads the name that an earlier attempt of this run has chosen."""
    prefect = await prefect_api()
    artifacts = await prefect.read_artifacts(
        artifact_filter=ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]),
            key=ArtifactFilterKey(any_=[_NAME_KEY]),
        )
    )
    return str(artifacts[0].data) if artifacts else None


def load_credentials(block: str | None) -> GeoboxCredentials:
    """Returns the credentials of a block, or of the `GEOBOX_*` variables."""
    if block is None:
        return GeoboxCredentials()
    try:
        return io_thread().run(_load(block)) if is_in_run() else GeoboxCredentials.load(block)
    except RuntimeError as error:
        invalid = error.__cause__
        if not isinstance(invalid, ValidationError):
            raise
        reasons = "; ".join(each["msg"].removeprefix("Value error, ") for each in invalid.errors())
        raise GeoboxError(
            f"The Geobox Credentials block {block!r} cannot be used: {reasons} Correct it in the "
            "UI under Blocks."
        ) from None
    except ValueError as error:
        if "Unable to find block document named" not in str(error):
            raise
        raise GeoboxError(
            f"There is no Geobox Credentials block named {block!r} on this Prefect server. Save "
            "one in the UI under Blocks, or with GeoboxCredentials(...).save(name). Leave --block "
            "out to use the GEOBOX_* variables."
        ) from None


async def _load(block: str) -> GeoboxCredentials:
    # With the client of the process, which tolerates an outage of the Prefect server.
    return await GeoboxCredentials.aload(block, client=await prefect_api())


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.file and not options.serve:
        parser.error("FILE is missing: which file is to be published?")
    try:
        if options.serve:
            _serve(options)
        else:
            _run(options)
    except (GeoboxError, OSError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except (httpx.HTTPError, RuntimeError) as error:
        # Prefect raises these if its server cannot be reached.
        print(
            f"\nThe Prefect server could not be used: {error} Check that it runs and that "
            "PREFECT_API_URL names it; without that variable a temporary one is started.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    # Errors that can be found now are reported before a flow run begins.
    readable_file(options.file)
    _check_options(options)
    settings = load_credentials(options.block).get_settings()
    with GeoboxClient(settings=settings, retry=RetryPolicy(attempts=3)) as client:
        client.count_tasks()
        log_errors_briefly()
        began = time.monotonic()
        state = publish_layer(
            path=options.file,
            name=options.name,
            block=options.block,
            if_exists=options.if_exists,
            **_publish_options(options),
            timeout=options.timeout,
            return_state=True,
        )
        layer = state.result()
        seconds = time.monotonic() - began
        run_id = state.state_details.flow_run_id
        print(_summary(client, layer, options, seconds, run_id))


def _check_options(options: argparse.Namespace) -> None:
    name = "layer" if options.name is None else options.name
    # Nothing is uploaded yet: any name stands for the file.
    operations.publish_file.bind((by_name("file"), name), _publish_options(options))


def _publish_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options of the publishing that were given, by the names of the flow's parameters."""
    given = {
        "publish_as": options.publish_as,
        "input_layer": options.input_layer,
        "input_dataset": options.input_dataset,
        "input_geom_type": options.geom_type,
        "input_srid": options.srid,
        "file_encoding": options.encoding,
        "timeout": options.timeout,
    }
    return {name: value for name, value in given.items() if value is not None}


def _summary(
    client: GeoboxClient,
    layer: OutputAsset,
    options: argparse.Namespace,
    seconds: float,
    run_id: UUID | None,
) -> str:
    rows = {"Layer": f"{layer.name} ({layer.kind}), {layer.uuid}"}
    wanted = options.name or layer_name_of(options.file)
    if layer.name != wanted:
        rows["Name"] = f"{wanted!r} exists already and was left as it is"
    features = None
    if layer.kind is AssetKind.VECTOR:
        features = client.count_features(layer)
        rows["Features"] = str(features)
        extent = layer.data.get("extent")
        if isinstance(extent, list):
            rows["Extent"] = ", ".join(f"{value:.0f}" for value in extent) + " (EPSG:3857)"
    if run_id is not None:
        for uuid in io_thread().run(_remote_tasks_of(run_id)):
            if reported := left_out(client.get_task(uuid), features):
                rows["Reported"] = reported
    rows["Took"] = f"{seconds:.1f} s, {client.aio.requests} requests"
    rows["API"] = layer.api_url
    rows["Asset"] = layer.asset_key
    return "\n" + "\n".join(f"  {label:9} {text}" for label, text in rows.items())


async def _remote_tasks_of(run_id: UUID) -> list[str]:
    prefect = await prefect_api()
    await close_ledger(prefect, run_id)
    records = await read_records(prefect, run_id)
    return [record.uuid for record in records if record.uuid and record.data["kind"] == "task"]


def _serve(options: argparse.Namespace) -> None:
    load_credentials(options.block).get_settings()
    _check_options(options)
    parameters = {
        "path": options.file,
        "name": options.name,
        "block": options.block,
        "if_exists": options.if_exists,
        **_publish_options(options),
    }
    parameters = {name: value for name, value in parameters.items() if value is not None}
    publish_layer.serve(name="publish-layer", parameters=parameters)


def log_errors_briefly() -> None:
    """Has the terminal show the message of an error at the end only, not in the log as well."""

    class Brief(logging.Formatter):
        def __init__(self, inner: logging.Formatter) -> None:
            super().__init__()
            self._inner = inner

        def format(self, record: logging.LogRecord) -> str:
            brief = logging.makeLogRecord(record.__dict__)
            brief.exc_info = brief.exc_text = None
            brief.msg, brief.args = record.getMessage().partition("\nTraceback")[0], ()
            error = getattr(record, "geobox_error", None)
            if error is not None:
                brief.msg = f"{brief.msg.partition(error)[0].rstrip(': ')}: {error}"
            return self._inner.format(brief)

    for handler in logging.getLogger().handlers:
        if handler.formatter:
            handler.setFormatter(Brief(handler.formatter))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="a file of geodata")
    parser.add_argument("--name", help="the layer's name; by default made from the file's")
    parser.add_argument("--block", help="the name of a Geobox Credentials block")
    parser.add_argument(
        "--publish-as",
        choices=sorted(_KINDS),
        help="what to make of the file; by default what its format suggests",
    )
    parser.add_argument(
        "--input-layer",
        metavar="LAYER",
        help="the layer within the file; by default its first, and the log names the others",
    )
    parser.add_argument(
        "--input-dataset",
        metavar="DATASET",
        help="the dataset within the file, such as a member of a zip; by default that of the layer",
    )
    parser.add_argument(
        "--geom-type",
        type=str.upper,
        choices=get_args(GeometryType),
        metavar="TYPE",
        help="the geometry type to read where a file has several: POINT, LINESTRING, POLYGON, or "
        "one of these with MULTI before or Z behind",
    )
    parser.add_argument("--encoding", help="the encoding of texts, such as cp1252 (default: UTF-8)")
    parser.add_argument(
        "--srid",
        type=int,
        help="EPSG code of coordinates without a reference system (default: 3857); without effect "
        "on GeoJSON, KML and GPX",
    )
    parser.add_argument(
        "--if-exists",
        choices=("number", "fail"),
        default="number",
        help="if a layer of that name exists: publish as NAME_2 (default), or fail; no layer is "
        "ever replaced",
    )
    parser.add_argument("--timeout", type=float, help="seconds for the publishing")
    parser.add_argument(
        "--serve", action="store_true", help="serve the flow as a deployment and wait for runs"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
