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

from msseg.evaluation.evaluate import evaluate_pairs
from msseg.evaluation.evaluation import Evaluation
from msseg.evaluation.pairs import Pair
from msseg.metrics.lesions import LesionRules
from msseg.report.figures import write_figures
from msseg.report.page import make_report

HERE = Path(__file__).resolve().parent
TABLES = ("summary.csv", "summary.md", "summary.tex", "cases.csv")
NETWORKS = ("Residual 3D U-Net", "3D U-Net")
CHANNELS = ("FLAIR", "T1", "T2", "T1POST", "FLAIR+T1")


def main(runs: Path, ablation: Path) -> None:
    """Keep the report's tables and pictures of the runs, and fill in the README."""
    folders = sorted(path.parent for path in runs.glob("*/*/config.yaml"))
    for path in [*runs.glob("*/*/*/cases.json"), *ablation.glob("*/*/cases.json")]:
        evaluate_again(path.parent)
    with tempfile.TemporaryDirectory() as folder:
        make_report(folders, Path(folder) / "report.html")
        for name in TABLES:
            shutil.copy(Path(folder) / "tables" / name, HERE / name)
    write_figures(folders, HERE)
    fill("table by direction", by_direction(HERE / "cases.csv"))
    fill("table of lesions", by_lesion(HERE / "cases.csv"))
    fill("table by size", by_size(runs / "unet3d" / "patient19_to_patient07_FLAIR" / "FLAIR" / "evaluation.json"))
    fill("table of the ablation", by_setting(ablation))


def evaluate_again(model: Path) -> None:
    """Score the predictions of a trained model by the rules of today, which count lesions as well."""
    cases = json.loads((model / "cases.json").read_text(encoding="utf-8"))
    pairs = [Pair(case["case"], model / case["prediction"], Path(case["label"]), case["group"]) for case in cases]
    evaluation = evaluate_pairs(pairs, rules=LesionRules())
    evaluation.to_csv(model / "evaluation.csv")
    evaluation.to_json(model / "evaluation.json")
    evaluation.lesions_to_csv(model / "lesions.csv")


def by_direction(cases: Path) -> str:
    """DSC of each network and channel on either patient as Markdown."""
    with cases.open(newline="", encoding="utf-8") as file:
        scores = {(row["network"], row["channel"], row["case"]): row for row in csv.DictReader(file)}
    lines = [
        "| network | channel | DSC on 07 (trained on 19) | DSC on 19 (trained on 07) | mean DSC | mean IoU |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for network in NETWORKS:
        for channel in CHANNELS:
            first, second = (scores[network, channel, patient] for patient in ("patient07", "patient19"))
            dsc, iou = ((float(first[key]) + float(second[key])) / 2 for key in ("dsc", "iou"))
            each = f"{float(first['dsc']):.3f} | {float(second['dsc']):.3f}"
            lines.append(f"| {network} | {channel} | {each} | {dsc:.3f} | {iou:.3f} |")
    return "\n".join(lines)


def by_lesion(cases: Path) -> str:
    """Lesions found and false, and the rates, of each network and channel on either patient as Markdown."""
    with cases.open(newline="", encoding="utf-8") as file:
        rows = {(row["network"], row["channel"], row["case"]): row for row in csv.DictReader(file)}
    lines = [
        "| network | channel | tested on | found | false | LTPR | LFPR | F1 | MSSEG F1 | surface DSC | ISBI score |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for network in NETWORKS:
        for channel in CHANNELS:
            for patient in ("patient07", "patient19"):
                row = rows[network, channel, patient]
                true, predicted, found, false = (
                    int(float(row[f"lesions_{key}"])) for key in ("truth", "predicted", "found", "false")
                )
                keys = ("ltpr", "lfpr", "lesion_f1", "msseg_f1", "surface_dsc", "isbi_score")
                rates = " | ".join(f"{float(row[key]):.3f}" for key in keys)
                counts = f"{found} of {true} | {false} of {predicted}"
                lines.append(f"| {network} | {channel} | {patient.removeprefix('patient')} | {counts} | {rates} |")
    return "\n".join(lines)


def by_size(evaluation: Path) -> str:
    """Lesions of one evaluation by their volume as Markdown."""
    lines = [
        "| volume (mm^3) | true lesions | found | LTPR | predicted | false | LFPR |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for stratum in Evaluation.from_json(evaluation).strata():
        ltpr, lfpr = (f"{rate:.3f}" if rate == rate else "-" for rate in (stratum.ltpr, stratum.lfpr))
        true, found = stratum.lesions_truth, stratum.lesions_found
        predicted, false = stratum.lesions_predicted, stratum.lesions_false
        lines.append(f"| {stratum.stratum} | {true} | {found} | {ltpr} | {predicted} | {false} | {lfpr} |")
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
