"""How many examples a property is tried with: few on a developer's machine, many in CI."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings


def examples(few: int, *, many: int) -> settings:
    """Settings of a property.

    Args:
        few: Examples by default.
        many: Examples where the environment says `CI=true` or `HYPOTHESIS_PROFILE=ci`.
    """
    is_ci = os.environ.get("HYPOTHESIS_PROFILE") == "ci" or os.environ.get("CI") == "true"
    options: dict[str, Any] = {
        # An example may take as long as the machine needs.
        "deadline": None,
        "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    }
    return settings(max_examples=many if is_ci else few, **options)
