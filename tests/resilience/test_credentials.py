"""Tokens, passwords and keys that lose their worth while waits go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from prefect_geobox.client import AuthenticationError
from prefect_geobox.emulator import GeoboxEmulator
from prefect_geobox.emulator.faults import first, on, sequence, status
from tests.kit.emulator_requests import count, outcome
from tests.kit.fake_clock import FakeClock
from tests.kit.until import HANGING, until_async as until

from .fault_table import FAULTS

LOGIN = "POST auth/token/"


def by_password(geobox: GeoboxEmulator, make: Callable[..., Any], **options: Any) -> Any:
    """A client that logs in with the right password, or another one."""
    options.setdefault("password", geobox.password)
    return make(username=geobox.username, **options)


@pytest.mark.parametrize("waits", [1, 200])
async def test_one_login_for_all_waits_that_meet_an_expired_token(
    geobox: GeoboxEmulator, make: Callable[..., Any], waits: int
) -> None:
    """However many waits a revoked token stops, one login lets them all go on."""
    client = by_password(geobox, make)
    uuids = [geobox.add_task(seconds=0.8) for _ in range(waits)]
    work = [
        asyncio.create_task(client.wait_for_task(uuid, interval=0.25, progress_bar=False))
        for uuid in uuids
    ]
    await until(lambda: len(geobox.requests) > 2)
    assert count(geobox, LOGIN) == 1
    geobox.revoke_tokens()
    ended = await asyncio.gather(*work)
    assert [task.uuid for task in ended if task.succeeded] == uuids
    assert count(geobox, LOGIN) == 2
    refused = [request.path for request in geobox.requests if request.status == 401]
    assert refused
    assert len(refused) <= 8


async def test_tokens_that_expire_again_and_again(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """Each token that expires costs one login and no further poll."""
    client = by_password(geobox, make, clock=clock)
    uuid = geobox.add_task(states=["PROGRESS"] * 10 + ["SUCCESS"])
    task = await client.wait_for_task(
        uuid, progress_bar=False, on_update=lambda _: geobox.revoke_tokens()
    )
    assert task.succeeded
    refused = [request for request in geobox.requests if request.status == 401]
    assert 1 <= len(refused) <= 11
    assert count(geobox, LOGIN) == 1 + len(refused)


async def test_login_that_fails_for_a_while_is_survived(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """A token that expires in an outage of the login is renewed after it."""
    client = by_password(geobox, make, clock=clock)
    uuid = geobox.add_task(states=["PROGRESS", "PROGRESS", "SUCCESS"])
    await client.get_task(uuid)
    geobox.revoke_tokens()
    broken = [FAULTS[name] for name in ("502", "reset", "200 html", "close", "503 html")]
    geobox.faults = on(sequence(*broken), path="auth/token")
    assert (await client.wait_for_task(uuid, progress_bar=False)).succeeded
    assert count(geobox, LOGIN) == 1 + 5 + 1


async def test_wrong_password_is_tried_once_by_fifty_waits(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """A password that was refused is never sent again: accounts lock."""
    client = by_password(geobox, make, password="wrong-password-of-mine")
    uuids = [geobox.add_task(seconds=60) for _ in range(50)]
    errors = await asyncio.gather(*(outcome(client.wait_for_task(uuid)) for uuid in uuids))
    assert {type(error) for error in errors} == {AuthenticationError}
    assert all(f"the password of user '{geobox.username}'" in str(error) for error in errors)
    assert not any("wrong-password-of-mine" in str(error) for error in errors)
    assert len(geobox.requests) == count(geobox, LOGIN) == 1


async def test_password_that_becomes_wrong_is_tried_once(
    geobox: GeoboxEmulator, make: Callable[..., Any]
) -> None:
    """Waits whose token expires after the password was changed end together, after one login."""
    client = by_password(geobox, make)
    uuids = [geobox.add_task(seconds=60) for _ in range(50)]
    work = [
        asyncio.create_task(outcome(client.wait_for_task(u, interval=0.1, progress_bar=False)))
        for u in uuids
    ]
    await until(lambda: len(geobox.requests) > 4)
    password, geobox._state.access.password = geobox.password, "changed"
    try:
        geobox.revoke_tokens()
        errors = await asyncio.gather(*work)
    finally:
        geobox._state.access.password = password
    assert {type(error) for error in errors} == {AuthenticationError}
    assert count(geobox, LOGIN) == 2


async def test_withdrawn_key_ends_a_wait_at_once(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """A key that is withdrawn in mid-wait is named, and nothing is tried again."""
    client = make(clock=clock)
    uuid = geobox.add_task(seconds=3600)
    with pytest.raises(
        AuthenticationError, match=r"Rejected credential: the API key \(from the field apikey\)"
    ) as caught:
        await client.wait_for_task(
            uuid, progress_bar=False, on_update=lambda _: geobox.withdraw_apikey()
        )
    assert geobox.apikey not in str(caught.value)
    refused = [request.status for request in geobox.requests].count(401)
    assert refused == 1
    geobox.reissue_apikey()
    assert (await client.get_task(uuid)).uuid == uuid


async def test_revoked_token_ends_a_wait_at_once(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """A token that was handed in cannot be renewed: the error names it."""
    login = {"username": geobox.username, "password": geobox.password}
    async with httpx.AsyncClient(timeout=HANGING) as http:
        answer = await http.post(f"{geobox.url}/v1/auth/token/", data=login)
    token = answer.json()["access_token"]
    geobox.clear_requests()
    client = make(access_token=token, clock=clock)
    uuid = geobox.add_task(seconds=3600)
    with pytest.raises(AuthenticationError, match="the access token") as caught:
        await client.wait_for_task(
            uuid, progress_bar=False, on_update=lambda _: geobox.revoke_tokens()
        )
    assert token not in str(caught.value)
    assert [request.status for request in geobox.requests].count(401) == 1
    assert count(geobox, LOGIN) == 0


async def test_new_token_that_is_refused_too_ends_the_wait(
    geobox: GeoboxEmulator, make: Callable[..., Any], clock: FakeClock
) -> None:
    """A server that refuses every token is asked with a new one once only."""
    client = by_password(geobox, make, clock=clock)
    uuid = geobox.add_task(seconds=3600)
    geobox.faults = on(first(99, status(401)), path="tasks/*")
    with pytest.raises(AuthenticationError, match="the password of user"):
        await client.wait_for_task(uuid, progress_bar=False)
    assert count(geobox, LOGIN) == 2
    assert count(geobox, f"GET tasks/{uuid}/") == 2
