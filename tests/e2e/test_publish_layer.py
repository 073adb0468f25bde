"""The flow `flows/publish_layer.py`, killed and run again."""

from __future__ import annotations

import signal

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

from tests.kit.sample_data import ROOT

from .testbed import Geobox, side_by_side, until

FLOWS = ROOT / "flows"

FIRST = """
import sys
from publish_layer import publish_layer
publish_layer(path=sys.argv[1], name=sys.argv[2])
"""

AGAIN = """
import sys
from prefect.flow_engine import load_flow_run, run_flow
from publish_layer import publish_layer
run_flow(publish_layer, flow_run=load_flow_run(sys.argv[1]))
"""


@pytest.mark.slow
@side_by_side
def test_a_retry_of_the_flow_returns_the_layer_that_the_first_attempt_has_published(lab, paths):
    """Killed while it waits, run again once the layer is there: no second layer, no second name."""
    name = lab.name("layer")
    with Geobox(seconds=4) as geobox:
        extra = {
            "GEOBOX_HOST": geobox.url,
            "GEOBOX_APIKEY": geobox.apikey,
            "PYTHONPATH": f"{lab.environment['PYTHONPATH']}:{FLOWS}",
        }
        first = lab.command(f"{name}-first", "-c", FIRST, str(paths[0]), name, **extra)

        def run():
            names = FlowRunFilterName(any_=[f"publish-{name}"])
            found = lab.client.read_flow_runs(flow_run_filter=FlowRunFilter(name=names))
            return found[0].id if found else None

        def is_recorded():
            records = lab.records(run()) if run() else []
            return any(r.data["kind"] == "task" and r.data["uuid"] for r in records)

        assert until(is_recorded, 60, 0.2), lab.log_of(f"{name}-first")
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        assert until(lambda: geobox.states() == ["SUCCESS"], 20)
        lab.schedule_again(run())
        again = lab.command(f"{name}-again", "-c", AGAIN, str(run()), **extra)
        assert again.wait(60) == 0, lab.log_of(f"{name}-again")
        assert lab.state_name(run()) == "Completed"
        assert (geobox.posts("files"), geobox.posts("publish")) == (1, 1)
        assert "already finished" in lab.log_of(f"{name}-again")
