"""What flows that a test runs in other processes use: their account, and notes for the test."""

import json
import os
import time
from pathlib import Path
from typing import Any

from prefect import runtime

from prefect_geobox import GeoboxCredentials

#: What a test hands to a flow, as plain JSON; among it `name`, `folder`, `host` and `apikey`.
Parameters = dict[str, Any]


def account(parameters: Parameters) -> GeoboxCredentials:
    """The account of the test's emulator."""
    return GeoboxCredentials(host=parameters["host"], apikey=parameters["apikey"])


def note(parameters: Parameters, what: str, **values: Any) -> None:
    """Writes a note for the test, in a file that appears whole."""
    path = Path(parameters["folder"], f"{parameters['name']}.{what}")
    text = json.dumps({"at": time.monotonic(), **values})
    path.with_suffix(".part").write_text(text)
    path.with_suffix(".part").replace(path)


def begin(parameters: Parameters) -> None:
    """Notes which process and which flow run this is."""
    note(parameters, "begun", pid=os.getpid(), run=runtime.flow_run.id)
