"""Flows that are ended by force and run again.

Prefect loads this file by its path too, so its imports are absolute.
"""

import os
import signal
from pathlib import Path
from typing import Any

from prefect import flow, runtime, unmapped

from prefect_geobox import (
    apublish_file,
    aupload_file,
    publish_file,
    upload_file,
)
from tests.e2e.flow_notes import account, begin, note

#: One trial, as plain JSON: `name`, `folder`, `host`, `apikey`, the `paths` to upload, the options
#: of the `publish` and, where the files are published one by one, of the `upload`, the `retries` of
#: the tasks, and whether the flow itself `fails_once`.
Trial = dict[str, Any]


def kill_at(place: str, step: str) -> None:
    """Has this process kill itself at a place of its own choosing.

    Args:
        place: "intent", when it is recorded and nothing is sent; "sent", when it is answered and
            the answer is not recorded.
        step: Of this step, such as `publish-file`.
    """
    from prefect_geobox.client.async_client import AsyncGeoboxClient
    from prefect_geobox.ownership.submission_log import SubmissionLog

    complete, submit = SubmissionLog.complete, AsyncGeoboxClient.submit

    def complete_or_die(self: Any, record: Any, *arguments: Any) -> Any:
        if record.data["step"] == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return complete(self, record, *arguments)

    async def submit_or_die(self: Any, submission: Any, *arguments: Any) -> Any:
        if ("publish" in submission.title) == (step == "publish-file"):
            os.kill(os.getpid(), signal.SIGKILL)
        return await submit(self, submission, *arguments)

    if place == "sent":
        SubmissionLog.complete = complete_or_die
    else:
        AsyncGeoboxClient.submit = submit_or_die


def end(trial: Trial, layers: list[Any]) -> list[str]:
    """Notes the layers for the test; fails the first time, where the trial asks for it."""
    if trial.get("fails_once") and runtime.flow_run.run_count == 1:
        raise RuntimeError("something else fails the first time")
    uuids = [layer.uuid for layer in layers]
    note(trial, "ended", layers=uuids)
    return uuids


def layer_names(trial: Trial) -> list[str]:
    """A name for each file; from a file where they change from one attempt to the next."""
    base = trial["name"]
    if trial.get("names_from"):
        base = Path(trial["names_from"]).read_text()
    return [f"{base}-{place}" for place in range(len(trial["paths"]))]


def retrying(step: Any, trial: Trial) -> Any:
    """A task with the trial's `retries`."""
    return step.with_options(retries=trial.get("retries", 0), retry_delay_seconds=0)


@flow(name="rerun-direct")
def direct(trial: Trial) -> list[str]:
    """Uploads and publishes one after the other."""
    begin(trial)
    layers = []
    for path, name in zip(trial["paths"], layer_names(trial), strict=True):
        file = upload_file(account(trial), path, **trial.get("upload", {}))
        step = retrying(publish_file, trial)
        layers.append(step(account(trial), file, name, **trial["publish"]))
    return end(trial, layers)


@flow(name="rerun-async")
async def awaited(trial: Trial) -> list[str]:
    """The same with the async twins."""
    begin(trial)
    layers = []
    for path, name in zip(trial["paths"], layer_names(trial), strict=True):
        file = await aupload_file(account(trial), path)
        step = retrying(apublish_file, trial)
        layers.append(await step(account(trial), file, name, **trial["publish"]))
    return end(trial, layers)


@flow(name="rerun-submit")
def submitted(trial: Trial) -> list[str]:
    """Publishes in threads of the task runner, uploads before."""
    begin(trial)
    files = [upload_file(account(trial), path) for path in trial["paths"]]
    step = retrying(publish_file, trial)
    futures = [
        step.submit(account(trial), file, name, **trial["publish"])
        for file, name in zip(files, layer_names(trial), strict=True)
    ]
    return end(trial, [future.result() for future in futures])


@flow(name="rerun-map")
def mapped(trial: Trial) -> list[str]:
    """Uploads and publishes in threads of the task runner."""
    begin(trial)
    files = upload_file.map(unmapped(account(trial)), trial["paths"])
    options = {name: unmapped(value) for name, value in trial["publish"].items()}
    step = retrying(publish_file, trial)
    futures = step.map(unmapped(account(trial)), files, layer_names(trial), **options)
    return end(trial, list(futures.result()))


@flow(name="rerun-inner")
def inner(trial: Trial) -> list[Any]:
    """Uploads and publishes as a part of another flow."""
    layers = []
    for path, name in zip(trial["paths"], layer_names(trial), strict=True):
        file = upload_file(account(trial), path)
        layers.append(publish_file(account(trial), file, name, **trial["publish"]))
    return layers


@flow(name="rerun-subflow")
def subflow(trial: Trial) -> list[str]:
    """Has a subflow upload and publish."""
    begin(trial)
    return end(trial, inner(trial))


@flow(name="rerun-uploads")
def uploads(trial: Trial) -> list[str]:
    """Uploads each file, equal ones too, then publishes the first."""
    begin(trial)
    files = [upload_file(account(trial), path) for path in trial["paths"]]
    layer = publish_file(account(trial), files[0], trial["name"], **trial["publish"])
    note(trial, "files", files=[file.uuid for file in files])
    return end(trial, [layer])


FLOWS = {flow.name: flow for flow in (direct, awaited, submitted, mapped, subflow, uploads)}
