"""The command line: `python -m prefect_geobox.emulator --port 8010 --seconds 5`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import NoReturn

from prefect_geobox.emulator import GeoboxEmulator


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(1, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Runs the emulator until Ctrl-C or SIGTERM.

    Args:
        arguments: The arguments; those of the process if None.

    Returns:
        The exit code: 1 if it could not start.
    """
    parser = _Parser(
        prog="python -m prefect_geobox.emulator",
        description="A local Geobox at 127.0.0.1 for demos and tests. Its data ends with it.",
    )
    parser.add_argument("--port", type=int, default=0, help="the port; a free one by default")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="the duration of a remote task in seconds (2)"
    )
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="ADDRESS=FILE",
        help="a file that replaces the WFS or database of this address in imports",
    )
    options = parser.parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        sources = dict(_source(text) for text in options.source)
        emulator = GeoboxEmulator(options.port, seconds=options.seconds, sources=sources).start()
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"port {options.port} cannot be used: {error.strerror}")
    sys.stdout.write(
        f"Geobox emulator at {emulator.url}\n"
        f"API key:  {emulator.apikey}\n"
        f"User:     {emulator.username}\n"
        f"Password: {emulator.password}\n"
        "Ctrl-C stops it.\n"
    )
    sys.stdout.flush()
    stopped.wait()
    emulator.stop()
    return 0


def _source(text: str) -> tuple[str, str]:
    # A URL often contains an equals sign, the name of a file rarely.
    address, separator, path = text.rpartition("=")
    if not (address and separator and path):
        raise ValueError(f"--source {text}: expected ADDRESS=FILE")
    return address, path


if __name__ == "__main__":
    sys.exit(main())
