"""What it costs to import the package where Prefect has been imported already.

Its modules are compiled beforehand, as an installation does.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from tempfile import TemporaryDirectory

#: Fresh interpreters of which a figure is the median.
RUNS = 7

_SCRIPT = """
import json, time
import prefect
{before}
began = time.perf_counter()
import prefect_geobox
package = time.perf_counter() - began
from prefect_geobox import GeoboxCredentials, wait_for_task, publish_file
tasks = time.perf_counter() - began
from prefect_geobox import *
print(json.dumps([package, tasks, time.perf_counter() - began]))
"""


def measure() -> dict[str, float]:
    """Seconds for the package, some tasks and all, after `import prefect` and after a flow's."""
    found: dict[str, float] = {}
    with TemporaryDirectory() as compiled:
        _run("", compiled)
        for name, before in (("bare", ""), ("flow", "from prefect import flow, task")):
            runs = [_run(before, compiled) for _ in range(RUNS)]
            for place, part in enumerate(("package", "tasks", "all")):
                found[f"{part}_{name}"] = statistics.median(run[place] for run in runs)
    return found


def _run(before: str, compiled: str) -> list[float]:
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(before=before)],
        env={**kept, "PYTHONPYCACHEPREFIX": compiled},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds: list[float] = json.loads(done.stdout)
    return seconds
