"""The examples in docstrings that show what they print."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "module",
    ["model.assets", "model.tasks", "polling.policy", "operations._inputs", "http.settings"],
)
def test_docstring_examples_print_what_they_say(module: str) -> None:
    """Each example of a docstring that shows its output prints that."""
    done = doctest.testmod(import_module(f"prefect_geobox.client.{module}"))
    assert done.attempted > 0
    assert done.failed == 0
