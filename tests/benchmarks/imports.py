"""What it costs to import the package where Prefect has been imported already."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

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
print(json.dumps([package, time.perf_counter() - began]))
"""


def measure() -> dict[str, float]:
    """Seconds for the package and for its tasks, after `import prefect` and after a flow's."""
    found: dict[str, float] = {}
    for name, before in (("bare", ""), ("flow", "from prefect import flow, task")):
        runs = [_run(before) for _ in range(RUNS)]
        found[f"package_{name}"] = statistics.median(run[0] for run in runs)
        found[f"tasks_{name}"] = statistics.median(run[1] for run in runs)
    return found


def _run(before: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(before=before)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds: list[float] = json.loads(done.stdout)
    return seconds
