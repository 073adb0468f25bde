"""Options that several methods share: each is shown by name, and a misspelled one is refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from prefect_geobox.client import AsyncGeoboxClient, GeoboxClient
from prefect_geobox.client.api.task_filters import (
    COUNT_DEFAULTS,
    LIST_DEFAULTS,
    TaskFilters,
    task_query,
)
from prefect_geobox.client.http.settings import (
    CONNECTION_DEFAULTS,
    ConnectionOptions,
    ConnectionSettings,
)
from prefect_geobox.client.polling.policy import WAIT_DEFAULTS, WaitOptions, WaitPolicy
from tests.kit.clients import Caller
from tests.kit.payloads import TASK, secret

#: A function, the options that it takes, and their defaults.
TAKERS: list[tuple[Callable[..., Any], type, Mapping[str, Any]]] = [
    (WaitPolicy.of, WaitOptions, WAIT_DEFAULTS),
    (task_query, TaskFilters, COUNT_DEFAULTS),
    (ConnectionSettings.resolve, ConnectionOptions, CONNECTION_DEFAULTS),
    *(
        taker
        for kind in (GeoboxClient, AsyncGeoboxClient)
        for taker in (
            (kind, ConnectionOptions, CONNECTION_DEFAULTS),
            (kind.wait_for_task, WaitOptions, WAIT_DEFAULTS),
            (kind.wait_for_tasks, WaitOptions, WAIT_DEFAULTS),
            (kind.list_tasks, TaskFilters, LIST_DEFAULTS),
            (kind.count_tasks, TaskFilters, COUNT_DEFAULTS),
        )
    ),
]


@pytest.mark.parametrize(("function", "options", "defaults"), TAKERS)
def test_signatures_and_docstrings_show_each_option(
    function: Callable[..., Any], options: type, defaults: Mapping[str, Any]
) -> None:
    """A signature names each option with its default, and the docstring says what it means."""
    assert set(options.__annotations__) == set(defaults)
    parameters = inspect.signature(function).parameters
    shown = {name: each.default for name, each in parameters.items() if name in defaults}
    assert shown == defaults
    assert not any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    for name in defaults:
        assert f"\n    {name}: " in (function.__doc__ or "")


@pytest.mark.parametrize("kind", [GeoboxClient, AsyncGeoboxClient])
@pytest.mark.parametrize(
    ("verb", "arguments", "wrong", "near"),
    [
        ("wait_for_task", [TASK], "timeuot", "timeout"),
        ("wait_for_tasks", [[TASK]], "on_cancle", "on_cancel"),
        ("list_tasks", [], "limits", "limit"),
        ("count_tasks", [], "stat", "state"),
    ],
)
async def test_a_misspelled_option_is_refused(
    kind: type, verb: str, arguments: list[Any], wrong: str, near: str
) -> None:
    """An option that does not exist raises a TypeError that names it and the one meant."""
    call = Caller(kind("http://geobox.test", apikey=secret()))
    with pytest.raises(TypeError, match=f"'{wrong}'; did you mean '{near}'"):
        await call(verb, *arguments, **{wrong: 1})


@pytest.mark.parametrize("kind", [GeoboxClient, AsyncGeoboxClient])
@pytest.mark.parametrize("with_settings", [False, True])
def test_a_misspelled_option_of_a_client_is_refused(kind: type, with_settings: bool) -> None:
    """A client refuses an option that does not exist, also where it is given its settings."""
    settings = ConnectionSettings.resolve("http://geobox.test", apikey=secret())
    given = {"settings": settings} if with_settings else {"apikey": secret()}
    with pytest.raises(TypeError, match="'acces_token'; did you mean 'access_token'"):
        kind("http://geobox.test", **given, acces_token="x")
