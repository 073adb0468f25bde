"""The flow `flows/publish_layer.py`, killed and run again."""

from __future__ import annotations

import signal
import sys

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

from tests.kit.observed_geobox import ObservedGeobox
from tests.kit.sample_data import ROOT
from tests.kit.until import HANGING, until

from .testbed import side_by_side

FLOWS = ROOT / "flows"

FIRST = """
import sys
from publish_layer import publish_layer
publish_layer(path=sys.argv[1], name=sys.argv[2])
"""

RERUN = """
import sys
from prefect.flow_engine import load_flow_run, run_flow
from publish_layer import publish_layer
run_flow(publish_layer, flow_run=load_flow_run(sys.argv[1]))
"""


@pytest.mark.slow
@side_by_side
def test_a_retry_of_the_flow_returns_the_layer_that_the_first_attempt_has_published(testbed, paths):
    """Killed while it waits, run again once the layer is there: no second layer, no second name."""
    name = testbed.name("layer")
    with ObservedGeobox(seconds=3600) as geobox:
        extra = {
            "GEOBOX_HOST": geobox.url,
            "GEOBOX_APIKEY": geobox.apikey,
            "PYTHONPATH": f"{testbed.environment['PYTHONPATH']}:{FLOWS}",
        }
        first = testbed.start(
            f"{name}-first", [sys.executable, "-c", FIRST, str(paths[0]), name], **extra
        )

        def run():
            names = FlowRunFilterName(any_=[f"publish-{name}"])
            found = testbed.client.read_flow_runs(flow_run_filter=FlowRunFilter(name=names))
            return found[0].id if found else None

        def is_recorded():
            records = testbed.records(run()) if run() else []
            return any(r.data["kind"] == "task" and r.uuid for r in records)

        assert until(is_recorded, pause=0.2), testbed.log_of(f"{name}-first")
        first.send_signal(signal.SIGKILL)
        first.wait(HANGING)
        geobox.finish_all()
        assert until(lambda: geobox.states() == ["SUCCESS"])
        testbed.schedule_rerun(run())
        rerun = testbed.start(f"{name}-rerun", [sys.executable, "-c", RERUN, str(run())], **extra)
        assert rerun.wait(HANGING) == 0, testbed.log_of(f"{name}-rerun")
        assert testbed.state_name(run()) == "Completed"
        assert (geobox.posts("files"), geobox.posts("publish")) == (1, 1)
        assert "already finished" in testbed.log_of(f"{name}-rerun")
