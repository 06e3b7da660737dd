"""Puts the tables and the pictures of finished demos into the README.

msseg demo --out data/demo && msseg demo --task em --out data/demo && python docs/update_readme.py data/demo

What is not in the folder (or in the several that are given) stays in the README as it is.
"""

import csv
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msseg.demo import DEMOS
from msseg.evaluation.evaluation import Evaluation
from msseg.report.figures import write_figures
from msseg.report.wording import network_title

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PICTURES = ROOT / "docs" / "pictures"


def main(folders: Sequence[Path]) -> None:
    """Update what the demos in these folders, each given to `msseg demo` as --out, can tell."""
    found = [folder for folder in folders if update_lesions(folder) | update_neurites(folder)]
    if len(found) < len(folders) or not folders:
        sys.exit(f"no finished demo in {', '.join(str(f) for f in folders if f not in found) or 'no folder'}")


def update_lesions(demo: Path) -> bool:
    """Table and picture of task ms; False where this demo is not finished."""
    summary = demo / "tables" / "summary.csv"
    if not summary.is_file():
        return False
    save_best_case([demo / network for network in DEMOS["ms"].networks], PICTURES / "demo_case.png")
    fill_in("demo table", lesion_table(summary))
    return True


def update_neurites(demo: Path) -> bool:
    """Table and picture of task em; False where this demo is not finished."""
    runs = [demo / DEMOS["em"].folder / network for network in DEMOS["em"].networks]
    if not all((run / "EM" / "evaluation.json").is_file() for run in runs):
        return False
    save_best_case(runs, PICTURES / "demo_em.png")
    fill_in("em demo table", neurite_table(runs))
    return True


def save_best_case(runs: Sequence[Path], picture: Path) -> None:
    """The test case with the highest main score, drawn with all networks."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(write_figures(runs, Path(folder))[-1], picture)


def fill_in(mark: str, table: str) -> None:
    """Replace what stands between <!-- mark --> and <!-- end of mark --> in the README."""
    text = README.read_text(encoding="utf-8")
    marks = rf"(<!-- {mark} -->\n).*?(\n<!-- end of {mark} -->)"
    filled, count = re.subn(marks, rf"\g<1>\n{table}\n\g<2>", text, flags=re.DOTALL)
    if count != 1:
        sys.exit(f"{README.name} has {count} places for the {mark}; it should have one")
    README.write_text(filled, encoding="utf-8")


def lesion_table(summary: Path) -> str:
    """DSC and IoU of each network on each channel as Markdown."""
    with summary.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = ["| network | channel | DSC, mean ± std | IoU, mean ± std |", "| --- | --- | ---: | ---: |"]
    for row in rows:
        values = [f"{float(row[f'{key}_mean']):.3f} ± {float(row[f'{key}_std']):.3f}" for key in ("dsc", "iou")]
        lines.append(f"| {row['network']} | {row['channel']} | {' | '.join(values)} |")
    return "\n".join(lines)


def neurite_table(runs: Sequence[Path]) -> str:
    """The scores of each network on the stack of test slices as Markdown."""
    titles = {
        "v_rand": "V_rand",
        "v_rand_split": "its split score",
        "v_rand_merge": "its merge score",
        "v_info": "V_info",
        "dice": "V_dice",
    }
    lines = [f"| network | {' | '.join(titles.values())} |", f"| --- |{' ---: |' * len(titles)}"]
    for run in runs:
        stack = Evaluation.from_json(run / "EM" / "evaluation.json").pooled
        lines.append(f"| {network_title(run.name)} | {' | '.join(f'{stack[key]:.3f}' for key in titles)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main([Path(folder) for folder in sys.argv[1:]])
