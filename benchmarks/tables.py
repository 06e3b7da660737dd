"""The figures of a benchmark, and the JSON and Markdown they are written to, with the machine and the versions."""

import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results" / "benchmarks"
PACKAGES = (
    "msseg", "torch", "openvino", "onnxruntime", "monai", "torchio", "nnunetv2", "lightning", "numpy", "scipy",
    "scikit-image", "nibabel",
)  # fmt: skip
"""Their versions go with every table."""
COLUMNS = {
    "seconds": "time (s)",
    "file_to_file_s": "file to file (s)",
    "processor_s": "processor time (s)",
    "peak_mib": "peak memory (MiB)",
    "peak_gpu_mib": "peak GPU memory (MiB)",
    "dsc_with_reference": "DSC with the reference",
    "dsc_with_truth": "DSC with the truth",
}
"""Titles of figures; others are shown by their own names."""


@dataclass(frozen=True)
class Result:
    """The figures of one contender: one mapping for each round; `seconds` is in all of them."""

    comparison: str
    name: str
    rounds: tuple[Mapping[str, float], ...]
    facts: Mapping[str, float] = field(default_factory=dict)
    """What is the same in every round, as a DSC."""

    @property
    def median(self) -> dict[str, float]:
        """Median of every figure, and the facts."""
        names = self.rounds[0] if self.rounds else {}
        return {name: statistics.median(one[name] for one in self.rounds) for name in names} | dict(self.facts)

    @property
    def seconds(self) -> float:
        """Median time."""
        return self.median["seconds"]


@dataclass(frozen=True)
class Target:
    """What was aimed at, and what was measured: at most, or at least."""

    what: str
    measured: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool:
        """Whether the measured figure is within the limits."""
        above = self.at_least is None or self.measured >= self.at_least
        return above and (self.at_most is None or self.measured <= self.at_most)

    @property
    def aim(self) -> str:
        """The limits in words."""
        limits = {"at most": self.at_most, "at least": self.at_least}
        return ", ".join(f"{word} {limit:g}" for word, limit in limits.items() if limit is not None)


# ------------------------------------------------------------------------------------------- what was measured where
def machine() -> dict[str, Any]:
    """Processor, cores, memory, GPU and load; no names."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    facts = {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "bf16 instructions": ", ".join(flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags) or "none known",
        "cores": os.cpu_count(),
        "load before": round(os.getloadavg()[0], 2),
    }
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
        facts["GPU"] = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
    return facts


def versions() -> dict[str, str]:
    """Of Python and of every package that is installed and matters here."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The commit that was measured, marked where the working tree differs from it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def without_folder(word: str | Path) -> str:
    """An argument as it may be published: an absolute path says nothing to others."""
    path = Path(word)
    return path.name if path.is_absolute() else str(word)


START = machine()
"""As the script found the machine: its own work is not in the load."""


# ------------------------------------------------------------------------------------------- the files
def write_results(
    area: str,
    results: Sequence[Result],
    notes: Mapping[str, object] | None = None,
    targets: Sequence[Target] = (),
    out: Path = RESULTS,
) -> Path:
    """Write AREA.json and AREA.md into `out`; the path of the latter. The text goes to standard output too."""
    facts = {
        "command": shlex.join(["python", *(without_folder(word) for word in sys.argv)]),
        "commit": commit(),
        **START,
        **versions(),
        **(notes or {}),
    }
    report = {
        **facts,
        "targets": [{"what": one.what, "measured": one.measured, "aim": one.aim, "met": one.met} for one in targets],
        "comparisons": {
            title: {one.name: {"median": one.median, "rounds": list(one.rounds)} for one in rows}
            for title, rows in by_comparison(results).items()
        },
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{area}.json").write_text(json.dumps(report, indent=2, default=str) + "\n", encoding="utf-8")
    text = markdown(area, results, facts, targets)
    (out / f"{area}.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return out / f"{area}.md"


def by_comparison(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Results in the order given, those of one comparison together."""
    tables: dict[str, list[Result]] = {}
    for result in results:
        tables.setdefault(result.comparison, []).append(result)
    return tables


def markdown(area: str, results: Sequence[Result], facts: Mapping[str, object], targets: Sequence[Target] = ()) -> str:
    """All tables, and what is needed to repeat them."""
    parts = [f"# Benchmark: {area}"]
    if targets:
        parts.append(target_table(targets))
    parts += [f"## {title}\n\n{table(rows)}" for title, rows in by_comparison(results).items()]
    parts.append("\n".join(f"- {name}: {value}" for name, value in facts.items()))
    return "\n\n".join(parts) + "\n"


def table(results: Sequence[Result]) -> str:
    """Medians, and time and memory as multiples of the first contender's."""
    first = results[0].median
    names = list(dict.fromkeys(name for result in results for name in result.median))
    ratios = {"seconds": "time", "peak_mib": "memory"}
    ratios = {name: title for name, title in ratios.items() if name in first and len(results) > 1}
    head = ["", *(COLUMNS.get(name, name) for name in names)]
    head += [f"{title} / {results[0].name}" for title in ratios.values()]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for result in results:
        median = result.median
        shown = [shown_as(name, median[name]) if name in median else "" for name in names]
        shown += [f"{median[name] / first[name]:.2f}" if first[name] else "" for name in ratios]
        rows.append([result.name, *shown])
    return lines(rows)


def target_table(targets: Sequence[Target]) -> str:
    """Aims, figures and whether they were reached."""
    rows = [["target", "aim", "measured", ""], ["---", "---:", "---:", "---"]]
    rows += [[one.what, one.aim, f"{one.measured:.5g}", "met" if one.met else "**not met**"] for one in targets]
    return lines(rows)


def lines(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def shown_as(name: str, value: float) -> str:
    """Digits that mean something for a figure of this name."""
    if name.endswith("mib"):
        return f"{value:.0f}"
    if name.startswith("dsc"):
        return f"{value:.4f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"
