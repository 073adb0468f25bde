"""Plans: which request meets which fault. Public through `prefect_geobox.emulator.faults`."""

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

#: What may stand for a plan within a plan: a fault stands for itself, None for no fault.
Choice = Union["Fault", "Plan", None]


class Plan:
    """Says of each request which fault it meets, and counts. Safe to use from several threads.

    Any function of a `RecordedRequest` that returns a `Fault` or None will do as a plan too; this
    class adds the counts.

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
        """The fault that a request meets, or None."""
        with self._lock:
            fault = self._choose(request)
            if fault is not None:
                self._given[fault.name] += 1
            return fault

    @property
    def given(self) -> Counter[str]:
        """How many faults were given, by name; `.total()` of it is all."""
        with self._lock:
            return self._given.copy()


def always(fault: Fault) -> Plan:
    """Every request meets this fault."""
    return Plan(lambda _: fault)


def first(n: int, fault: Fault) -> Plan:
    """The first `n` requests meet this fault.

    Within `on` only those count that it is about.

    Example:
        >>> from prefect_geobox.emulator.faults import on, reset
        >>> plan = on(first(3, reset()), method="POST")
    """
    return sequence(*[fault] * n)


def sequence(*choices: Choice) -> Plan:
    """One request after the other meets one of these; those that come later meet nothing.

    Args:
        *choices: Faults; None for a request that meets none.
    """
    left = iter(choices)
    return Plan(lambda request: _chosen(next(left, None), request))


def share(part: float, faults: Sequence[Fault], *, seed: int) -> Plan:
    """A share of all requests, drawn at random, meets one of these faults.

    Args:
        part: The share, from 0 to 1.
        faults: The faults, each as likely as the others.
        seed: The same seed draws the same faults again, in the order of the requests.

    Raises:
        ValueError: The share is none, or there are no faults.
    """
    if not 0 <= part <= 1 or not faults:
        raise ValueError(f"share needs a part from 0 to 1 and faults, not {part!r} of {faults!r}")
    dice, choices = random.Random(seed), list(faults)
    return Plan(lambda _: dice.choice(choices) if dice.random() < part else None)


def on(choice: Choice, *, method: str | None = None, path: str | None = None) -> Plan:
    """Only certain requests meet a fault.

    Args:
        choice: A fault, or the plan that is asked about these requests.
        method: Such as `POST`; any where None.
        path: Such as `tasks/*` or `tasks/*/abort`, where `*` is anything between two slashes. The
            version before it and a slash at the end do not matter. Any where None.
    """

    def choose(request: RecordedRequest) -> Fault | None:
        if method is not None and request.method != method.upper():
            return None
        if path is not None and not PurePosixPath(request.path).match(path.strip("/")):
            return None
        return _chosen(choice, request)

    return Plan(choose)


def either(*choices: Choice) -> Plan:
    """The first of several plans that has a fault for a request decides.

    Args:
        *choices: Plans, in the order in which they are asked.
    """

    def choose(request: RecordedRequest) -> Fault | None:
        faults = (_chosen(choice, request) for choice in choices)
        return next((fault for fault in faults if fault is not None), None)

    return Plan(choose)


def _chosen(choice: Choice, request: RecordedRequest) -> Fault | None:
    return choice(request) if isinstance(choice, Plan) else choice
