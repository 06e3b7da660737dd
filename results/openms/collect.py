"""Gathers tables and pictures of finished runs into this folder, and puts the tables into its README.

python results/openms/collect.py runs/openms runs/openms_ablation
"""

import csv
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

from msseg.report.figures import write_figures
from msseg.report.page import make_report

HERE = Path(__file__).resolve().parent
TABLES = ("summary.csv", "summary.md", "summary.tex", "cases.csv")
CHANNELS = ("FLAIR", "T1", "T2", "T1POST", "FLAIR+T1")


def main(runs: Path, ablation: Path) -> None:
    """Keep the report's tables and pictures of the runs, and fill in the README."""
    folders = sorted(path.parent for path in runs.glob("*/*/config.yaml"))
    with tempfile.TemporaryDirectory() as folder:
        make_report(folders, Path(folder) / "report.html")
        for name in TABLES:
            shutil.copy(Path(folder) / "tables" / name, HERE / name)
    write_figures(folders, HERE)
    fill("table by direction", by_direction(HERE / "cases.csv"))
    fill("table of the ablation", by_setting(ablation))


def by_direction(cases: Path) -> str:
    """DSC of each network and channel on either patient as Markdown."""
    with cases.open(newline="", encoding="utf-8") as file:
        scores = {(row["network"], row["channel"], row["case"]): row for row in csv.DictReader(file)}
    lines = [
        "| network | channel | DSC on 07 (trained on 19) | DSC on 19 (trained on 07) | mean DSC | mean IoU |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for network in ("Residual 3D U-Net", "3D U-Net"):
        for channel in CHANNELS:
            first, second = (scores[network, channel, patient] for patient in ("patient07", "patient19"))
            dsc, iou = ((float(first[key]) + float(second[key])) / 2 for key in ("dsc", "iou"))
            each = f"{float(first['dsc']):.3f} | {float(second['dsc']):.3f}"
            lines.append(f"| {network} | {channel} | {each} | {dsc:.3f} | {iou:.3f} |")
    return "\n".join(lines)


def by_setting(ablation: Path) -> str:
    """Scores on patient 07 for each setting as Markdown."""
    lines = [
        "| setting | DSC | sensitivity | precision | predicted mm^3 (true: 1,300) |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name in ("lesion_patches_only", "half_anywhere", "half_anywhere_and_contrast"):
        (case,) = json.loads((ablation / name / "FLAIR" / "evaluation.json").read_text(encoding="utf-8"))["cases"]
        values = " | ".join(f"{case[key]:.3f}" for key in ("dsc", "sensitivity", "precision"))
        lines.append(f"| {name.replace('_', ' ')} | {values} | {case['volume_prediction_mm3']:,.0f} |")
    return "\n".join(lines)


def fill(mark: str, table: str) -> None:
    """Replace what stands between a mark of the README and its end."""
    readme = HERE / "README.md"
    text = readme.read_text(encoding="utf-8")
    pattern = rf"(<!-- {mark} -->\n).*?(<!-- end -->)"
    readme.write_text(re.sub(pattern, rf"\g<1>\n{table}\n\n\g<2>", text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
