"""The kinds of faults: one function for each. Public through `prefect_geobox.emulator.faults`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final

from prefect_geobox.emulator.faults.fault import Fault
from prefect_geobox.emulator.http.connection import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect_geobox.emulator.http.connection import Connection

_HTML: Final = "<!doctype html><html><head><title>{0}</title></head><body>{0}</body></html>"


def reset(*, in_body: bool = False) -> Fault:
    """The connection is reset.

    Args:
        in_body: In the middle of the body of the real answer; else before any answer.
    """

    async def act(connection: Connection) -> None:
        if in_body:
            await _send_half(connection)
            await connection.flush()
        connection.reset()

    return Fault("reset in body" if in_body else "reset", act, in_body)


def close() -> Fault:
    """The connection is closed without an answer."""

    async def act(connection: Connection) -> None:
        connection.close()

    return Fault("close", act)


def half_body() -> Fault:
    """The real answer promises its length, and the connection is closed after half of it."""

    async def act(connection: Connection) -> None:
        await _send_half(connection)
        connection.close()

    return Fault("half body", act, carries_out=True)


def hang(*, in_body: bool = False) -> Fault:
    """Nothing more is sent until the client disconnects or the emulator stops.

    Args:
        in_body: From the middle of the body of the real answer on; else before any answer.
    """

    async def act(connection: Connection) -> None:
        if in_body:
            await _send_half(connection)
        await connection.pause()

    return Fault("hang in body" if in_body else "hang", act, in_body)


def drip(seconds: float = 1.0) -> Fault:
    """The body of the real answer is sent byte by byte.

    Args:
        seconds: Seconds between two bytes.
    """

    async def act(connection: Connection) -> None:
        answer = await connection.answer()
        await connection.begin(answer)
        for index in range(len(answer.body)):
            await connection.write(answer.body[index : index + 1])
            await connection.pause(seconds)
        await connection.end()

    return Fault("drip", act, carries_out=True)


def delay(seconds: float) -> Fault:
    """The real answer is delayed.

    Args:
        seconds: The delay.
    """

    async def act(connection: Connection) -> None:
        await connection.pause(seconds)
        await connection.send(await connection.answer())

    return Fault("delay", act)


def status(
    code: int,
    *,
    detail: Any = "a fault of the emulator",
    html: bool = False,
    retry_after: float | str | timedelta | None = None,
) -> Fault:
    """An error status.

    Args:
        code: The status.
        detail: The reason in the JSON.
        html: A page of HTML instead of JSON, as proxies send it.
        retry_after: The value of `Retry-After`: seconds, any text, or a `timedelta` for the date
            that long after the answer.

    Example:
        >>> status(503, retry_after=timedelta(seconds=2)).name
        'status 503'
    """

    def answer() -> Answer:
        plain = (
            Answer(code, [("content-type", "text/html")], _HTML.format(code).encode())
            if html
            else Answer.of_json({"detail": detail}, code)
        )
        if retry_after is None:
            return plain
        return replace(
            plain, headers=[*plain.headers, ("retry-after", _retry_after_value(retry_after))]
        )

    return _answering(f"status {code} html" if html else f"status {code}", answer)


def body(content: bytes | str, *, content_type: str = "text/html", code: int = 200) -> Fault:
    """An arbitrary body, such as HTML, nothing or truncated JSON with a 200.

    Args:
        content: The body.
        content_type: The content type in the header.
        code: The status.
    """
    encoded = content.encode() if isinstance(content, str) else content
    return _answering("body", lambda: Answer(code, [("content-type", content_type)], encoded))


def json_body(value: Any) -> Fault:
    """A 200 with any JSON: another shape or type than expected, or the JSON of an error.

    Args:
        value: The JSON.
    """
    return _answering("json body", lambda: Answer.of_json(value))


def changed(change: Callable[[Any], Any]) -> Fault:
    """The real answer with its JSON changed; an answer that is not a 200 of JSON stays.

    Args:
        change: Takes the JSON, which it may change in place, and returns the JSON to send.

    Example:
        >>> no_names = changed(lambda task: {**task, "name": None})
    """

    async def act(connection: Connection) -> None:
        await connection.send((await connection.answer()).changed(change))

    return Fault("changed", act, carries_out=True)


def state(name: str) -> Fault:
    """A remote task reports this state, known or not.

    A `sequence` of these makes a state go backwards.

    Args:
        name: The state.
    """
    return changed(lambda found: {**found, "state": name} if isinstance(found, dict) else found)


def result(value: Any) -> Fault:
    """A remote task reports this result.

    Args:
        value: The JSON of the result, of any type.
    """
    return changed(lambda found: {**found, "result": value} if isinstance(found, dict) else found)


def progress(current: Any, total: Any) -> Fault:
    """A remote task reports this progress; for requests to `tasks/*/status`.

    Args:
        current: How much is done; may exceed the total.
        total: The total.
    """
    return changed(lambda _: {"current": current, "total": total})


def repeated() -> Fault:
    """A list contains each of its items twice."""
    return changed(lambda found: found * 2 if isinstance(found, list) else found)


def without(uuid: str) -> Fault:
    """A list lacks an item.

    Args:
        uuid: The uuid of the item.
    """

    def change(found: Any) -> Any:
        if not isinstance(found, list):
            return found
        return [item for item in found if not (isinstance(item, dict) and item.get("uuid") == uuid)]

    return changed(change)


def _answering(name: str, answer: Callable[[], Answer]) -> Fault:
    async def act(connection: Connection) -> None:
        await connection.send(answer())

    return Fault(name, act)


async def _send_half(connection: Connection) -> None:
    answer = await connection.answer()
    await connection.begin(answer)
    await connection.write(answer.body[: len(answer.body) // 2])


def _retry_after_value(retry_after: float | str | timedelta) -> str:
    if isinstance(retry_after, timedelta):
        return format_datetime(datetime.now(timezone.utc) + retry_after, usegmt=True)
    return str(retry_after)
