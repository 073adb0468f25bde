"""Python programs in processes of their own, which handle Ctrl-C wherever the tests run."""

from __future__ import annotations

import subprocess
import sys

from .until import HANGING

# A shell starts what runs in the background with SIGINT ignored, and children inherit that.
_HANDLE_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module, such as `prefect`, as a program."""
    run = f"import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    return [sys.executable, "-c", _HANDLE_CTRL_C + run, *arguments]


def run_python(
    code: str, *arguments: str, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs a program in a fresh interpreter.

    Args:
        code: The program.
        arguments: Of the program.
        options: Of the interpreter.
    """
    return subprocess.run(
        [sys.executable, *options, "-c", _HANDLE_CTRL_C + code, *arguments],
        capture_output=True,
        text=True,
        timeout=HANGING,
        check=False,
    )


def start_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Starts a program in a fresh interpreter, its output and errors in pipes."""
    return subprocess.Popen(
        [sys.executable, "-c", _HANDLE_CTRL_C + code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
