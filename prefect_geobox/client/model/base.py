"""The base of the package's pydantic models."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """An immutable model that ignores fields which it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")
