"""An emulator in a process of its own: `python -m tests.resilience.storm_server`.

It reads orders from its input and answers each with a line:

    {"start": 1000, "share": 0.3, "seconds": [4, 9]}
    {"url": …, "apikey": …, "uuids": {uuid: outcome, …}}
    {"report": true}
    {"polls": n, "progress": n, "posts": n, "most_in_flight": n, "faults": {name: n, …}}

and ends with its input.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from typing import Any

from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.faults import always, delay, drip, hang, share, state

from .fault_table import FAULTS, SLOW_FAULTS

OUTCOMES = ("SUCCESS", "FAILURE", "ABORTED")

#: Every passing fault, and two states that are none; those that hang are as likely as others.
STORM = [
    *(fault for name, fault in FAULTS.items() if name not in SLOW_FAULTS),
    hang(),
    hang(in_body=True),
    drip(0.05),
    state("A NEW STATE"),
    state("PENDING"),
]


def start(geobox: GeoboxEmulator, order: dict[str, Any]) -> dict[str, Any]:
    """Adds remote tasks of mixed length and outcome, and has a share of answers fail."""
    dice = random.Random(5)
    low, high = order["seconds"]
    uuids = {
        geobox.add_task(seconds=dice.uniform(low, high), state=OUTCOMES[number % 3]): OUTCOMES[
            number % 3
        ]
        for number in range(order["start"])
    }
    geobox.clear_requests()
    slow = order.get("delay")
    geobox.faults = always(delay(slow)) if slow else share(order["share"], STORM, seed=11)
    return {"url": geobox.url, "apikey": geobox.apikey, "uuids": uuids}


def report(geobox: GeoboxEmulator) -> dict[str, Any]:
    """What has come since the start."""
    plan: Any = geobox.faults
    lines = Counter(f"{r.method} {'status' in r.path}" for r in geobox.requests)
    return {
        "polls": lines["GET False"],
        "progress": lines["GET True"],
        "posts": lines["POST False"],
        "most_in_flight": geobox.most_in_flight,
        "faults": dict(plan.given),
    }


def main() -> None:
    """Obeys until the input ends."""
    with GeoboxEmulator() as geobox:
        for line in sys.stdin:
            order = json.loads(line)
            answer = start(geobox, order) if "start" in order else report(geobox)
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
