"""Runs a flow against a local Geobox and a local Prefect server; no account is needed.

Run `publish_layer` with `make demo`, `buffer_and_export` with `make chain`; either takes
`FILE=my.geojson`. All files that they create are below `.demo/`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".demo" / "prefect"


def main(arguments: list[str]) -> int:
    """Starts the emulator and publishes one file; with --chain also buffers and exports it."""
    is_chain = "--chain" in arguments
    paths = [argument for argument in arguments if argument != "--chain"]
    path = paths[0] if paths else str(ROOT / "flows" / "data" / "countries.geojson")
    _use_own_prefect()

    from buffer_and_export import main as chain
    from publish_layer import main as publish

    from prefect_geobox.emulator import GeoboxEmulator

    print("Starting a local Geobox and a local Prefect server ...", flush=True)
    with GeoboxEmulator(seconds=3.0) as geobox:
        os.environ["GEOBOX_HOST"] = geobox.url
        os.environ["GEOBOX_APIKEY"] = geobox.apikey
        # Each demo has a Geobox of its own, so that the names in it are always the same.
        out = ["--out", str(ROOT / ".demo" / "out"), "--overwrite"]
        code = chain([path, *out]) if is_chain else publish([path])
    if code == 0:
        print(
            "\nThe map, the progress and the assets of this run are in its Prefect UI:\n"
            f"  PREFECT_HOME={HOME} {sys.executable} -m prefect server start\n"
            "then open the URL that it prints, and there: Runs, the newest one, Artifacts."
        )
    return code


def _use_own_prefect() -> None:
    """Isolates the demo from the user's own Prefect profile, database and Geobox account."""
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "GEOBOX_"))]:
        del os.environ[name]
    HOME.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "PREFECT_HOME": str(HOME),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "60",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
