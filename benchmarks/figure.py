"""The figure of the README: how many times longer, and how much more memory, the peers take.

    python benchmarks/figure.py

Reads the JSON files of results/benchmarks, those of them that are there, and writes speed.png beside them.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from harness import RESULTS
from matplotlib.axes import Axes

OURS, PEER, INK = "#2a78b5", "#b9bec4", "#333333"
HEADINGS = {
    ("inference", "One image file to one mask file"): "From an image file to a mask file",
    ("augmentation", None): "Augmenting one patch of 144^3, processor time",
    ("training", None): "One training step",
    ("startup", "From the start of a process"): "Until the network is reached",
    ("metrics", "Lesions of one case"): "All scores of a case of lesions",
}
"""Which tables are drawn: area and comparison (None: the area's first), and their headings."""
FIGURES = {"augmentation": "processor_s"}
"""What is drawn where it is not the time on the clock: SimpleITK takes more than the one core that others are given."""
LEFT_OUT = ("python -c", "the reference", "--help", "a small file", "openvino bf16", "torch bf16", "fp32")
"""Contenders that answer another question than how msseg compares with its peers."""
MOST = 7
"""Bars of one panel."""


def panels(folder: Path) -> list[tuple[str, dict[str, float], str]]:
    """Heading, seconds by contender, and the machine, for each table there is."""
    found = []
    for (area, comparison), heading in HEADINGS.items():
        path = folder / f"{area}.json"
        if not path.exists():
            continue
        report = json.loads(path.read_text(encoding="utf-8"))
        tables: dict[str, Any] = report.get("comparisons", {})
        name = comparison if comparison in tables else next(iter(tables), None)
        if name is None:
            continue
        seconds = {
            contender: figures["median"][FIGURES.get(area, "seconds")]
            for contender, figures in tables[name].items()
            if not any(words in contender for words in LEFT_OUT)
        }
        if len(seconds) > 1:
            machine = f"{report['GPU'] if report.get('device') == 'cuda' else report['processor']}"
            found.append((heading, dict(list(seconds.items())[:MOST]), machine))
    return found


def draw(axes: Axes, heading: str, seconds: dict[str, float]) -> None:
    """One panel of bars, each with its seconds."""
    names = list(seconds)
    places = range(len(names))
    fastest_of_ours = min((value for name, value in seconds.items() if is_ours(name)), default=min(seconds.values()))
    bars = axes.barh(places, list(seconds.values()), color=[OURS if is_ours(name) else PEER for name in names])
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlim(0, max(seconds.values()) * 1.25)
    axes.set_title(heading, loc="left", fontsize=10, fontweight="bold", color=INK)
    axes.set_xticks([])
    axes.tick_params(length=0, colors=INK, labelsize=8)
    axes.spines[:].set_visible(False)
    for bar, (name, value) in zip(bars, seconds.items(), strict=True):
        times = "" if is_ours(name) else f"  ({value / fastest_of_ours:.1f} x)"
        text = f" {shown(value)}{times}"
        axes.text(value, bar.get_y() + bar.get_height() / 2, text, va="center", fontsize=8, color=INK)


def is_ours(name: str) -> bool:
    """Whether a contender is msseg's."""
    return name.lower().startswith(("msseg", "fused"))


def shown(seconds: float) -> str:
    """Two digits that mean something."""
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{seconds * 1000:.3g} ms"


def figure(folder: Path, out: Path) -> bool:
    """Draw what there is; False where there is nothing."""
    found = panels(folder)
    if not found:
        return False
    heights = [len(seconds) + 1.6 for _, seconds, _ in found]
    canvas, axes = plt.subplots(
        len(found), 1, figsize=(8, 0.27 * sum(heights)), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for panel, (heading, seconds, _) in zip(axes[:, 0], found, strict=True):
        draw(panel, heading, seconds)
    machines = ", ".join(dict.fromkeys(machine for *_, machine in found))
    canvas.supxlabel(f"Time, and in brackets how many times msseg's fastest it is. {machines}", fontsize=8, color=INK)
    canvas.savefig(out, dpi=160, facecolor="white", metadata={"Software": None})
    plt.close(canvas)
    return True


def main(argv: Sequence[str] | None = None) -> None:
    """Read, draw and write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON files")
    arguments = options.parse_args(argv)
    if not figure(arguments.results, arguments.results / "speed.png"):
        raise SystemExit(f"{arguments.results} holds no results to draw: run a benchmark first")


if __name__ == "__main__":
    main()
