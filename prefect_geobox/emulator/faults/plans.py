"""Plans: which request gets which fault. Public through `prefect_geobox.emulator.faults`."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from prefect_geobox.emulator.faults.fault import Fault
    from prefect_geobox.emulator.http.recording import RecordedRequest

#: What a plan accepts where it needs a plan: a fault, a plan, or None for no fault.
Choice = Union["Fault", "Plan", None]


class Plan:
    """Decides which fault each request gets, and counts the faults. Thread-safe.

    Any function of a `RecordedRequest` that returns a `Fault` or None is a plan too; this class
    adds the counts.

    Args:
        choose: The function; called for one request at a time.

    Example:
        >>> from prefect_geobox.emulator.faults import status
        >>> plan = Plan(lambda request: status(503) if request.method == "GET" else None)
    """

    def __init__(self, choose: Callable[[RecordedRequest], Fault | None]) -> None:
        self._choose = choose
        self._lock = threading.Lock()
        self._given: Counter[str] = Counter()

    def __call__(self, request: RecordedRequest) -> Fault | None:
        """The fault that a request gets, or None."""
        with self._lock:
            fault = self._choose(request)
            if fault is not None:
                self._given[fault.name] += 1
            return fault

    @property
    def given(self) -> Counter[str]:
        """The number of faults given, by name; `.total()` is the number of all."""
        with self._lock:
            return self._given.copy()


def always(fault: Fault) -> Plan:
    """Every request gets this fault."""
    return Plan(lambda _: fault)


def first(n: int, fault: Fault) -> Plan:
    """The first `n` requests get this fault.

    Within `on` only the requests that it selects count.

    Example:
        >>> from prefect_geobox.emulator.faults import on, reset
        >>> plan = on(first(3, reset()), method="POST")
    """
    return sequence(*[fault] * n)


def sequence(*choices: Choice) -> Plan:
    """Each request gets the next of these faults; later requests get none.

    Args:
        *choices: Faults; None for a request without a fault.
    """
    left = iter(choices)
    return Plan(lambda request: _chosen(next(left, None), request))


def share(part: float, faults: Sequence[Fault], *, seed: int) -> Plan:
    """A share of all requests, drawn at random, gets one of these faults.

    Args:
        part: The share, from 0 to 1.
        faults: The faults, each as likely as the others.
        seed: The same seed draws the same faults, in the order of the requests.

    Raises:
        ValueError: The share is invalid, or there are no faults.
    """
    if not 0 <= part <= 1 or not faults:
        raise ValueError(f"share needs a part from 0 to 1 and faults, not {part!r} of {faults!r}")
    generator, choices = random.Random(seed), list(faults)
    return Plan(lambda _: generator.choice(choices) if generator.random() < part else None)


def on(choice: Choice, *, method: str | None = None, path: str | None = None) -> Plan:
    """Only requests with this method and path get a fault.

    Args:
        choice: A fault, or the plan for these requests.
        method: Such as `POST`; any if None.
        path: Such as `tasks/*` or `tasks/*/abort`, where `*` is anything between two slashes. The
            version before it and a slash at the end do not matter. Any if None.
    """

    def choose(request: RecordedRequest) -> Fault | None:
        if method is not None and request.method != method.upper():
            return None
        if path is not None and not PurePosixPath(request.path).match(path.strip("/")):
            return None
        return _chosen(choice, request)

    return Plan(choose)


def either(*choices: Choice) -> Plan:
    """The fault of the first of several plans that has one for the request.

    Args:
        *choices: Plans, in the order in which they are called.
    """

    def choose(request: RecordedRequest) -> Fault | None:
        faults = (_chosen(choice, request) for choice in choices)
        return next((fault for fault in faults if fault is not None), None)

    return Plan(choose)


def _chosen(choice: Choice, request: RecordedRequest) -> Fault | None:
    return choice(request) if isinstance(choice, Plan) else choice
