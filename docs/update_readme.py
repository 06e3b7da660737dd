"""Puts the table and the picture of a finished demo into the README.

msseg demo --out data/demo && python docs/update_readme.py data/demo
"""

import csv
import re
import shutil
import sys
import tempfile
from pathlib import Path

from msseg.report.figures import write_figures

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "pictures" / "demo_case.png"
MARKS = r"(<!-- demo table -->\n).*?(\n<!-- end of demo table -->)"


def main(demo: Path) -> None:
    """Write docs/pictures/demo_case.png (the case with the highest DSC) and the README's table."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_figures([demo / "unet3d", demo / "residual_unet3d"], Path(folder))
        shutil.copy(pictures[-1], PICTURE)
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    table = demo_table(demo / "tables" / "summary.csv")
    readme.write_text(re.sub(MARKS, rf"\g<1>\n{table}\n\g<2>", text, flags=re.DOTALL), encoding="utf-8")


def demo_table(summary: Path) -> str:
    """DSC and IoU of each network on each channel as Markdown."""
    with summary.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = ["| network | channel | DSC, mean ± std | IoU, mean ± std |", "| --- | --- | ---: | ---: |"]
    for row in rows:
        values = [f"{float(row[f'{key}_mean']):.3f} ± {float(row[f'{key}_std']):.3f}" for key in ("dsc", "iou")]
        lines.append(f"| {row['network']} | {row['channel']} | {' | '.join(values)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
