"""Fixtures: statements as a process renders them that has rendered nothing yet."""

import pkgutil
from importlib import import_module

import pytest

import app.sql


@pytest.fixture(autouse=True)
def nothing_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every statement rendered anew."""
    for found in pkgutil.iter_modules(app.sql.__path__):
        module = import_module(f"app.sql.{found.name}")
        for name, value in vars(module).items():
            if type(value).__name__ == "Templates":
                monkeypatch.setattr(module, name, type(value)())
