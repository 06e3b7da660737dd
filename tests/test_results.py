"""The scripts of the results folders: what they compute besides reading scores, and the READMEs they write into."""

import importlib.util
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from msseg.errors import InputError
from msseg.metrics.segments import label_segments

RESULTS = Path(__file__).resolve().parents[1] / "results"
SCRIPTS = ("isbi2012/collect.py", "isbi2012/gains.py", "losses/collect.py", "dic_hela/collect.py")


@pytest.fixture(scope="module")
def _paths() -> Iterator[None]:
    """The scripts' own way to find each other, undone afterwards."""
    before = [*sys.path]
    sys.path[:0] = [str(RESULTS), str(RESULTS / "isbi2012")]
    yield
    sys.path[:] = before


def script(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"results_{re.sub('[^a-z0-9]', '_', path)}", RESULTS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


# ---------------------------------------------------------------------------------------- mistakes


def two_neurites() -> np.ndarray:
    """20 x 41 pixels: two neurites of 20 x 20 with a membrane of one pixel between them."""
    truth = np.ones((20, 41), dtype=bool)
    truth[:, 20] = False
    return truth


@pytest.mark.usefixtures("_paths")
def test_a_gap_is_one_merger_with_its_place_and_cost() -> None:
    truth = two_neurites()
    probability = np.where(truth, 0.9, 0.1).astype(np.float32)
    probability[7, 20] = 0.8
    (found,) = script("isbi2012/mistakes.py").mistakes(
        label_segments(probability > 0.5), label_segments(truth), probability
    )
    assert found.kind == "merger"
    assert found.place[0] == 7
    assert abs(found.place[1] - 20) <= 1
    assert found.first.sum() == found.second.sum() == 400
    assert found.cost == pytest.approx(2 * 400 * 400 / (2 * 400**2))


@pytest.mark.usefixtures("_paths")
def test_a_line_across_a_neurite_is_one_split() -> None:
    truth = two_neurites()
    probability = np.where(truth, 0.9, 0.1).astype(np.float32)
    probability[10, 21:] = 0.2
    (found,) = script("isbi2012/mistakes.py").mistakes(
        label_segments(probability > 0.5), label_segments(truth), probability
    )
    assert found.kind == "split"
    assert abs(found.place[0] - 10) <= 1
    assert 0.45 < found.cost * 2 < 0.55  # half the pairs of one of the two neurites


@pytest.mark.usefixtures("_paths")
def test_a_perfect_segmentation_has_no_mistakes() -> None:
    truth = two_neurites()
    segments = label_segments(truth)
    assert script("isbi2012/mistakes.py").mistakes(segments, segments, truth.astype(np.float32)) == []


# ---------------------------------------------------------------------------------------- numbers and text


@pytest.mark.usefixtures("_paths")
def test_interval_is_students() -> None:
    """Three values 0, 1, 2: 1 +- 4.3027 / sqrt(3), from a printed table of t."""
    low, high = script("losses/collect.py").interval([0.0, 1.0, 2.0])
    assert low == pytest.approx(1 - 4.302653 / math.sqrt(3), abs=1e-5)
    assert high == pytest.approx(1 + 4.302653 / math.sqrt(3), abs=1e-5)


@pytest.mark.usefixtures("_paths")
def test_fill_replaces_what_stands_between_the_marks(tmp_path: Path) -> None:
    tables = script("shared/tables.py")
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n", encoding="utf-8")
    for _ in range(2):  # filled in twice is filled in once
        tables.fill(readme, "one", r"| new \1 |")
    text = readme.read_text(encoding="utf-8")
    assert text == "a\n<!-- one -->\n\n| new \\1 |\n\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n"
    with pytest.raises(InputError, match="three"):
        tables.fill(readme, "three", "")


@pytest.mark.usefixtures("_paths")
@pytest.mark.parametrize("path", SCRIPTS)
def test_readme_has_a_place_for_each_table(path: str) -> None:
    """Every mark that a script writes to is in the README beside it."""
    source = (RESULTS / path).read_text(encoding="utf-8")
    readme = (RESULTS / path).with_name("README.md").read_text(encoding="utf-8")
    marks = re.findall(r'"(table of \w+|machine)"', source)
    assert marks
    script(path)
    assert [mark for mark in marks if f"<!-- {mark} -->" not in readme] == []
