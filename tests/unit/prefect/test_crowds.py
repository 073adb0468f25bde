"""Many steps of one flow run: what they leave on its page, in its log and on the Prefect server."""

from __future__ import annotations

import logging

from prefect import flow

from prefect_geobox import publish_file, upload_file
from prefect_geobox.client.http.io_thread import io_thread
from prefect_geobox.ownership.prefect_api import prefect_api
from prefect_geobox.ownership.submission_records import read_heads, read_records, read_segments
from tests.kit.sample_data import CITIES

FAST = {"interval": 0.05, "max_interval": 0.2}
NUMBER = 25


def _paths(folder):
    paths = [folder / f"cities-{n}.geojson" for n in range(NUMBER)]
    for path in paths:
        path.write_bytes(CITIES.read_bytes())
    return paths


def test_a_folder_leaves_one_table_and_one_card_of_bookkeeping(
    credentials, geobox_emulator, records_of, tmp_path, caplog
):
    """Twenty-five files are rows of one table with their features, and one file failed."""
    paths = _paths(tmp_path)
    paths[3].write_text("neither JSON nor anything else")

    @flow
    def folder():
        files = upload_file.map(credentials, paths)
        names = [f"layer-{n}" for n in range(NUMBER)]
        layers = publish_file.map(credentials, files, names, publish_as="vector", **FAST)
        layers.wait()
        return [layer.state.name for layer in layers]

    with caplog.at_level(logging.INFO):
        state = folder(return_state=True)

    assert sorted(set(state.result())) == ["Completed", "Failed"]
    artifacts = [a for a in records_of(state).artifacts if a.type != "progress"]
    kinds = sorted(str(a.key or a.type) for a in artifacts)
    assert kinds == ["geobox-steps", "geobox-submission"]
    (table,) = [a for a in artifacts if a.key == "geobox-steps"]
    assert table.description == "Geobox: 25 upload-file, 25 publish-file: 1 failed"
    assert table.data.count("| publish-file |") == NUMBER
    with credentials.get_client() as client:
        layer = client.find_asset("vector", "layer-7")
        assert f"[{layer.uuid}]({layer.api_url})" in table.data
        assert f"| {client.count_features(layer)} |" in table.data
    ours = [
        r for r in caplog.records if "Uploaded" in r.getMessage() or "Output: " in r.getMessage()
    ]
    assert NUMBER < len(ours) <= 2 * NUMBER


def test_the_records_of_many_steps_are_in_segments_of_bounded_size(
    credentials, geobox_emulator, tmp_path
):
    """All uploads of a run are recorded with their uuids, in artifacts below 100 kB."""
    paths = _paths(tmp_path)
    ids = []

    @flow
    def uploads():
        from prefect import runtime

        ids.append(runtime.flow_run.id)
        for _ in range(4):
            upload_file.map(credentials, paths).wait()

    uploads()

    async def read():
        prefect = await prefect_api()
        heads = await read_heads(prefect, ids[0])
        segments = await read_segments(prefect, heads)
        sizes = []
        for segment in segments:
            response = await prefect.request(
                "GET", "/artifacts/{id}", path_params={"id": segment.artifact_id}
            )
            sizes.append(len(response.content))
        return heads, segments, sizes, await read_records(prefect, ids[0])

    heads, segments, sizes, records = io_thread().run(read())
    assert len(heads) == 1
    assert len(segments) > 1
    assert max(sizes) < 100_000
    assert len(records) == 4 * NUMBER
    assert len({record.uuid for record in records}) == 4 * NUMBER
