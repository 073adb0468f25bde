"""What the documents list is what the package has."""

from __future__ import annotations

import ast
import math
import re
import textwrap
from pathlib import Path

import pytest
import yaml

import prefect_geobox
from prefect_geobox.client.operations import OPERATIONS
from prefect_geobox.client.polling.policy import PollPolicy

from . import operations
from .documents import (
    DOCUMENTS,
    ROOT,
    anchors,
    is_external,
    linked_file,
    links,
    prose,
    rows,
    section,
)

CONCEPTS = ROOT / "docs" / "concepts.md"
WAITING = ROOT / "docs" / "waiting.md"

#: Pictures of the user interface, which are taken by hand and may not be there yet.
PICTURES = {"docs/images/artifact.png", "docs/images/run.png"}

PUBLIC = {name: getattr(prefect_geobox, name) for name in prefect_geobox.__all__}

SECONDS = {"s": 1, "min": 60, "h": 3600}


def quoted(text: str) -> set[str]:
    """The words between backticks."""
    return set(re.findall(r"`([^`]+)`", text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_within_the_project_lead_somewhere(document: Path) -> None:
    """Each link to a file of the project names one that exists, and each anchor a heading."""
    for link in links(document):
        if is_external(link):
            continue
        target, anchor = linked_file(document, link), link.partition("#")[2]
        if target.relative_to(ROOT).as_posix() not in PICTURES:
            assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_readme_has_no_relative_link() -> None:
    """The README, which is also the page on PyPI, has absolute links and shows both pictures."""
    readme = ROOT / "README.md"
    assert all(link.startswith("https://") for link in links(readme))
    linked = {linked_file(readme, link) for link in links(readme) if not is_external(link)}
    assert linked >= {ROOT / picture for picture in PICTURES}


def test_schedule_table_is_that_of_the_policy() -> None:
    """The pauses that the document lists are those of `PollPolicy`."""
    table = rows(WAITING.read_text(encoding="utf-8").partition("<!-- schedule -->")[2])
    policy = PollPolicy(jitter=0)
    assert len(table) >= 5
    for waited, pause in table:
        assert policy.delay(float(waited)) == pytest.approx(float(pause)), waited


def test_polls_table_is_that_of_the_policy() -> None:
    """The numbers of polls that the document lists follow from `PollPolicy`."""
    table = rows(WAITING.read_text(encoding="utf-8").partition("<!-- polls -->")[2])
    policy = PollPolicy(jitter=0)
    assert len(table) >= 5
    for duration, expected in table:
        number, unit = duration.split()
        waited, polls = 0.0, 1
        while waited < float(number) * SECONDS[unit]:
            waited += policy.delay(waited)
            polls += 1
        assert polls == int(expected), duration


def test_wait_options_table_names_each_option_with_its_default() -> None:
    """The options of a wait in the document are those of `wait_for_task`, with their defaults."""
    import inspect

    parameters = inspect.signature(prefect_geobox.wait_for_task.fn).parameters.values()
    options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    table = rows(WAITING.read_text(encoding="utf-8"))
    assert [row[0].strip("`") for row in table] == list(options)
    for name, default, _ in table:
        told = default.partition(";")[0].strip("`")
        assert ast.literal_eval(told) == options[name.strip("`")], name


def test_errors_table_names_each_public_error() -> None:
    """The table of errors has a row for each public error class, and no other."""
    errors = {name for name, value in PUBLIC.items() if _is_error(value)}
    listed = [row[0].strip("`") for row in rows(section(CONCEPTS, "## Errors"))]
    assert sorted(listed) == sorted(errors)


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, prefect_geobox.GeoboxError)


def test_verbs_table_names_each_public_verb() -> None:
    """The table of verbs has each sync verb beside its async twin, and no other."""
    from prefect import Task

    verbs = {name for name, value in PUBLIC.items() if isinstance(value, Task)}
    listed = [(row[0].strip("`"), row[1].strip("`")) for row in rows(section(CONCEPTS, "## Verbs"))]
    listed += [(name, f"a{name}") for name in OPERATIONS if name != "publish_file"]
    assert {name for pair in listed for name in pair} == verbs
    for sync, twin in listed:
        assert twin == f"a{sync}"
        assert PUBLIC[twin].isasync
        assert not PUBLIC[sync].isasync


def test_operations_are_written_from_the_register() -> None:
    """The document of operations is what is written from the register of operations."""
    written = operations.PATH.read_text(encoding="utf-8")
    assert written == operations.text(), "run `make docs`"


def test_each_operation_says_all_of_its_parameters() -> None:
    """Each description has a summary, a meaning for each of its parameters, and an example."""
    import inspect

    for operation in OPERATIONS.values():
        doc = inspect.getdoc(operation.describe) or ""
        own = set(inspect.signature(operation.describe).parameters) - {"_", "options"}
        for name in own:
            assert re.search(rf"^    \**{name}: ", doc, re.MULTILINE), f"{operation.name}: {name}"
        assert "Example:\n" in doc, operation.name
        code = doc.partition("```python\n")[2].partition("```")[0]
        compile(textwrap.dedent(code), operation.name, "exec")


def test_models_table_names_each_public_model() -> None:
    """The table of models names each public class that is no client, block or error."""
    models = {
        name for name, value in PUBLIC.items() if isinstance(value, type) and not _is_error(value)
    }
    listed = {row[0].strip("`") for row in rows(section(CONCEPTS, "## Models"))}
    assert listed == models - {"GeoboxClient", "AsyncGeoboxClient", "GeoboxCredentials"}


def test_fields_table_names_each_field_of_the_block() -> None:
    """The table of credentials names each field of the block."""
    listed = {name for row in rows(section(CONCEPTS, "## Credentials")) for name in quoted(row[0])}
    assert listed == set(prefect_geobox.GeoboxCredentials.model_fields)


def test_events_table_names_each_event() -> None:
    """The table of events has a row for each event that the package emits, and no other."""
    emitted = set()
    for path in (ROOT / "prefect_geobox").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "emit_task_event":
                assert isinstance(call.args[0], ast.Constant), f"{path}: the name is computed"
                emitted.add(f"geobox.task.{call.args[0].value}")
    listed = [row[0].strip("`") for row in rows(section(CONCEPTS, "### Events"))]
    assert sorted(listed) == sorted(emitted)


def test_artifacts_table_names_each_step() -> None:
    """The table of artifacts has a key for each step that leaves a summary, and no other."""
    steps = set()
    for path in (ROOT / "prefect_geobox").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        steps |= set(re.findall(r'StepSummary\(\s*"([a-z-]+)"', text))
        steps |= set(re.findall(r'"(wait-for-tasks?)"', text))
    listed = [row[0].strip("`") for row in rows(section(CONCEPTS, "### Artifacts and progress"))]
    assert any(name.startswith("geobox-<step>") for name in listed)
    alone = [name for name in listed if "<step>" not in name]
    assert sorted(alone) == sorted(f"geobox-{step}" for step in steps)


def test_statuses_that_pass_are_those_of_the_client() -> None:
    """The document lists the statuses after which a read is repeated."""
    from prefect_geobox.client.model.errors import TRANSIENT_STATUS_CODES

    text = ", ".join(str(code) for code in sorted(TRANSIENT_STATUS_CODES))
    assert f"| {text} |" in section(WAITING, "## Outages")


def test_backoff_is_that_of_the_policy() -> None:
    """The document lists the pauses between attempts."""
    from prefect_geobox.client.http.retry import LONGEST_RETRY_AFTER, RetryPolicy

    pauses = [RetryPolicy().delay(failures) for failures in range(1, 8)]
    assert pauses == [0.25, 0.5, 1, 2, 4, 5, 5]
    assert "after 0.25 s, 0.5 s, 1 s, 2 s, 4 s, then every 5 s" in section(WAITING, "## Outages")
    assert math.isclose(LONGEST_RETRY_AFTER, 3600)


def test_project_file_describes_a_deployment_of_the_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    """`prefect.yaml` names a flow that exists, with parameters that it takes."""
    from prefect import Flow
    from prefect.flows import load_flow_from_entrypoint

    project = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    (deployment,) = project["deployments"]
    monkeypatch.chdir(ROOT)
    flow = load_flow_from_entrypoint(deployment["entrypoint"])
    assert isinstance(flow, Flow)
    assert flow.validate_parameters(deployment["parameters"])
    assert (ROOT / deployment["parameters"]["path"]).exists()


def test_options_in_the_documents_exist() -> None:
    """Each option of the flow's command line that a document shows is one that it has."""
    source = (ROOT / "flows" / "publish_layer.py").read_text(encoding="utf-8")
    for document in DOCUMENTS:
        for line in document.read_text(encoding="utf-8").splitlines():
            options = re.findall(r"--[a-z][a-z-]+", line) if "publish_layer.py" in line else []
            for option in options:
                assert f'"{option}"' in source, line


def test_messages_in_the_quickstart_exist() -> None:
    """The beginnings of messages that the quickstart explains are in the code."""
    folders = [ROOT / "prefect_geobox", ROOT / "flows"]
    code = "".join(path.read_text(encoding="utf-8") for f in folders for path in f.rglob("*.py"))
    for message, _ in rows(section(ROOT / "docs" / "quickstart.md", "## 9. When it fails")):
        for part in re.split(r"…|\d+", message.strip("`")):
            assert part.strip() in code, message


def test_documents_name_no_path_of_a_machine() -> None:
    """No document names a folder of the machine that it was written on."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        assert not re.search(r"/work/|/tmp/|/home/|/root/", text), document


def test_documents_make_no_boast() -> None:
    """The documents state; they do not advertise."""
    boasts = r"\b(best|amazing|powerful|seamless\w*|blazing\w*|world-class|simply|easily)\b"
    for document in DOCUMENTS:
        assert not re.search(boasts, prose(document), re.IGNORECASE), document
