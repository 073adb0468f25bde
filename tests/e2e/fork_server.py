"""Starts flows as processes of their own; importing Prefect once serves them all.

With an argument, a command as JSON, it carries that out and is an ordinary script. Without, it
reads commands from its standard input, forks a process for each, and writes lines of JSON about
their ends.
"""

import asyncio
import faulthandler
import inspect
import json
import os
import select
import signal
import sys
from typing import Any

import matrix_flows
import prefect.flow_engine
import prefect.runner  # noqa: F401 - imported here, it need not be in each process
import rerun_flows
from prefect import serve
from prefect.flow_engine import load_flow_run, run_flow

FLOWS = {**matrix_flows.MATRIX, **matrix_flows.OTHERS, **rerun_flows.FLOWS}


def carry_out(command: dict[str, Any]) -> None:
    """Runs a flow, or serves or deploys several."""
    if command["do"] == "serve":
        deployments = [FLOWS[name].to_deployment(name=command["name"]) for name in command["flows"]]
        serve(*deployments, print_starting_message=False, limit=None)
        return
    if command["do"] == "deploy":
        deploy(command["flows"], command["pool"])
        return
    if command.get("kill"):
        rerun_flows.kill_at(*command["kill"])
    flow, parameters = FLOWS[command["flow"]], command["parameters"]
    if command["do"] == "rerun":
        ended = run_flow(flow, flow_run=load_flow_run(command["run"]))
    else:
        ended = flow.with_options(
            flow_run_name=parameters["name"],
            timeout_seconds=command.get("limit"),
            retries=command.get("retries"),
        )(parameters)
    if inspect.iscoroutine(ended):
        asyncio.run(ended)


def deploy(names: list[str], pool: str) -> None:
    """Deploys flows of these files to a work pool."""
    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    for name in names:
        flow = FLOWS[name]
        file = os.path.basename(inspect.getfile(flow.fn))  # noqa: PTH119
        sourced = flow.from_source(source=folder, entrypoint=f"{file}:{flow.fn.__name__}")
        sourced.deploy(
            name="pooled", work_pool_name=pool, print_next_steps=False, ignore_warnings=True
        )


def next_command() -> dict[str, Any] | None:
    """Forks for each command; returns it in the new process, and None when there is no more."""
    names: dict[int, str] = {}
    is_open, buffer = True, b""
    while is_open or names:
        ready = select.select([0] if is_open else [], [], [], 0.02)[0]
        if ready:
            chunk = os.read(0, 65536)
            is_open = bool(chunk)
            buffer += chunk
        while b"\n" in buffer:
            line, _, buffer = buffer.partition(b"\n")
            command = json.loads(line)
            pid = os.fork()
            if pid == 0:
                return command
            names[pid] = command["id"]
            report({"id": command["id"], "pid": pid})
        while names:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            report({"id": names.pop(pid), "exit": os.waitstatus_to_exitcode(status)})
    return None


def report(line: dict[str, Any]) -> None:
    """Writes a line to the test, all at once."""
    os.write(1, json.dumps(line).encode() + b"\n")


def become(log: str) -> None:
    """Makes the forked process one of its own: nothing to read, its output in a file."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((null, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    faulthandler.register(signal.SIGUSR1, all_threads=True)


# A shell starts what runs in the background with SIGINT ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if len(sys.argv) > 1:
    carry_out(json.loads(sys.argv[1]))
else:
    # Ctrl-C is sent to the processes, not to what starts them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    received = next_command()
    if received is not None:
        become(received["log"])
        carry_out(received)
