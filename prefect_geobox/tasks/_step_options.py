"""The options of a step: how it waits for its remote task and how it owns it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from typing_extensions import Self, Unpack

from prefect_geobox.client.operations._operation import DEFAULTS, wait_policy
from prefect_geobox.client.polling.policy import WaitOptions, WaitPolicy
from prefect_geobox.ownership.submit_once import (
    OWNERSHIP_DEFAULTS,
    OwnershipOptions,
    check_ownership,
)


class StepOptions(WaitOptions, OwnershipOptions, total=False):
    """How a step waits for the remote task that it starts, and owns it."""


@dataclass(frozen=True)
class StepPolicy:
    """The options of a step, checked.

    Attributes:
        wait: How it waits.
        progress_bar: Whether it reads the progress too and shows it.
        ownership: How it owns its remote task.
    """

    wait: WaitPolicy
    progress_bar: bool
    ownership: OwnershipOptions

    @classmethod
    def of(cls, **options: Unpack[StepOptions]) -> Self:
        """Checks the options of a step.

        Raises:
            InvalidArgumentError: One is invalid; the message names it.
        """
        given: dict[str, Any] = {**options}
        ownership = taken_ownership(given)
        return cls(
            wait_policy(given), given.get("progress_bar", DEFAULTS["progress_bar"]), ownership
        )


def taken_ownership(given: dict[str, Any]) -> OwnershipOptions:
    """Takes the options of ownership out of the keywords of a step, and checks them.

    Raises:
        InvalidArgumentError: One is invalid; the message names it.
    """
    taken = {name: given.pop(name) for name in OWNERSHIP_DEFAULTS if name in given}
    options: dict[str, Any] = {**OWNERSHIP_DEFAULTS, **taken}
    check_ownership(options["on_gone"], options["reattach"])
    return cast("OwnershipOptions", options)
