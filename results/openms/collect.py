"""Gathers tables and pictures of finished runs into this folder.

python results/openms/collect.py runs/openms/*/*
"""

import shutil
import sys
import tempfile
from pathlib import Path

from msseg.report.figures import write_figures
from msseg.report.page import make_report

HERE = Path(__file__).resolve().parent
TABLES = ("summary.csv", "summary.md", "summary.tex", "cases.csv")


def main(runs: list[Path]) -> None:
    """Write the report to a temporary folder, keep its tables, and draw curves and overlays."""
    with tempfile.TemporaryDirectory() as folder:
        make_report(runs, Path(folder) / "report.html")
        for name in TABLES:
            shutil.copy(Path(folder) / "tables" / name, HERE / name)
    for path in write_figures(runs, HERE):
        print(f"wrote {path.name}")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
