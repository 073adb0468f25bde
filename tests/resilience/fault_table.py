"""Every fault of the emulator in a table, and the limits that the fault tests share."""

from __future__ import annotations

from datetime import timedelta

from prefect_geobox.emulator.faults import (
    Fault,
    body,
    changed,
    close,
    delay,
    drip,
    half_body,
    hang,
    json_body,
    reset,
    status,
)

#: Seconds for one request where a test lets the server hang; a healthy answer takes less, even on a
#: busy machine.
SHORT = 0.5

#: What many small steps of a clock may lack of their sum.
ROUNDING = 1e-6

#: Seconds that nothing on this machine should ever take.
LONG = 60.0

#: The statuses that another attempt may mend.
PASSING = (408, 425, 429, 500, 502, 503, 504)

#: What Retry-After may say that makes no sense.
ABSURD = {
    "negative": -1,
    "huge": 10**9,
    "garbage": "soon",
    "empty": "",
    "nan": "nan",
    "infinite": "1e999",
    "past": timedelta(hours=-5),
    "in years": timedelta(days=3650),
    "no date": "Fri, 99 Foo 2024 25:61:61 GMT",
    "long number": "9" * 5000,
}

#: Each way in which an answer to a read can fail for a while.
FAULTS: dict[str, Fault] = {
    "reset": reset(),
    "reset in body": reset(in_body=True),
    "close": close(),
    "half body": half_body(),
    "hang": hang(),
    "hang in body": hang(in_body=True),
    "drip": drip(0.02),
    "delay beyond the timeout": delay(LONG),
    **{f"{code}": status(code) for code in PASSING},
    **{f"{code} html": status(code, html=True) for code in PASSING},
    "503 retry-after seconds": status(503, retry_after=2),
    "429 retry-after date": status(429, retry_after=timedelta(seconds=3)),
    **{f"retry-after {name}": status(503, retry_after=value) for name, value in ABSURD.items()},
    "200 html": body("<html>maintenance</html>"),
    "200 empty": body(b""),
    "200 truncated": body('{"uuid": "12345678-1234-', content_type="application/json"),
    "200 binary": body(b"\xff\xfe\x00\x80", content_type="application/json"),
    "200 null": json_body(None),
    "200 number": json_body(7),
    "200 text": json_body("SUCCESS"),
    "200 list": json_body([]),
    "200 other shape": json_body({"tasks": []}),
    "200 wrong types": changed(lambda _: {"uuid": 5, "state": ["SUCCESS"], "result": {}}),
    "200 error": json_body({"detail": {"msg": "internal", "type": "geobox.InternalError"}}),
    "204 empty": body(b"", code=204),
}

#: Faults that take a request's whole timeout.
SLOW_FAULTS = {"hang", "hang in body", "drip", "delay beyond the timeout"}


def timeout_for(name: str) -> float:
    """Seconds for one request under this fault: short only where all of it is used up."""
    return SHORT if name in SLOW_FAULTS else 5.0
