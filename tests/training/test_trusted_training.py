"""A training that leaves the windows to evidence gathers it; others spend no time on it."""

from collections.abc import Callable

import pytest

import msseg.training.fit as fit_module
from msseg.model import read_settings


@pytest.mark.parametrize("window", ["patch", "auto"])
def test_ways_are_judged_where_the_windows_are_left_to_them(
    train: Callable, monkeypatch: pytest.MonkeyPatch, window: str
) -> None:
    asked = []
    monkeypatch.setattr(fit_module, "trusted_ways", lambda *of: asked.append(of[2]))
    trained = train("training.epochs=1", f"inference.window={window}", validation=("training03",))
    assert len(asked) == (1 if window == "auto" else 0)
    assert read_settings(trained.run.model).trusted is None
