"""Whether both augmentation engines train equally good networks: the same steps, test scores over several seeds.

    python benchmarks/equal_scores.py --data FOLDER --seeds 0 1 2

FOLDER holds the Open MS data (openms/patient07 and patient19) and the ISBI 2012 stack (isbi2012/train-volume.tif and
train-labels.tif). Every seed trains a network with either engine by an experiment of configs/, with fewer epochs, and
scores its test cases; seeds and engines take turns. Lesions are DSC, membranes V_rand and Dice of the inside. Not
part of `make bench`: it needs the data, and half an hour.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from equal_minutes import make_patients
from harness import ROOT, Result, Target, parser, run_command, tell, write_results

ENGINES = ("torchio", "fused")


@dataclass(frozen=True)
class Study:
    """What is trained and tested.

    Attributes:
        title: Heading of the table.
        config: Below configs/.
        folder: Below the data.
        channel: Of the model.
        scores: Those of evaluation.json that are compared.
    """

    title: str
    config: str
    folder: str
    channel: str
    scores: tuple[str, ...]


STUDIES = {
    "openms": Study(
        "Open MS, FLAIR, 3D U-Net: DSC of patient 07 after training on patient 19",
        "ms/openms_unet3d.yaml", "openms", "FLAIR", ("dsc",),
    ),
    "isbi2012": Study(
        "ISBI 2012, SF Network: slices 25-30 after training on slices 1-21",
        "em/isbi2012_sf_network.yaml", "isbi2012", "EM", ("v_rand", "dice"),
    ),
}  # fmt: skip


def scores_of(study: Study, engine: str, seed: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Train, predict and score in a process of its own; mean scores of the test cases, and the seconds of all that."""
    epochs = arguments.openms_epochs if study.folder == "openms" else arguments.isbi2012_epochs
    settings = [f"training.epochs={epochs}", f"training.validate_every={epochs}"]
    settings += [f"training.seed={seed}", f"patches.engine={engine}"]
    settings += [f"training.device={arguments.device}", *arguments.settings]
    with tempfile.TemporaryDirectory() as out:
        options: list[str | Path] = ["--data", arguments.data / study.folder, "--out", out, "--channel", study.channel]
        command = [sys.executable, "-m", "msseg", "run", ROOT / "configs" / study.config, *options, *settings]
        figures = run_command(command, arguments.threads)
        (path,) = Path(out).glob("*/evaluation.json")
        cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
    means = {score: statistics.fmean(float(case[score]) for case in cases) for score in study.scores}
    return {"seconds": figures["seconds"], **means}


def compare(name: str, arguments: argparse.Namespace) -> tuple[list[Result], list[Target]]:
    """Both engines with every seed."""
    study = STUDIES[name]
    turns = [(engine, seed) for seed in arguments.seeds for engine in ENGINES]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        found = list(pool.map(lambda turn: scores_of(study, *turn, arguments), turns))
    rows: dict[str, list[dict[str, float]]] = {engine: [] for engine in ENGINES}
    for (engine, seed), figures in zip(turns, found, strict=True):
        tell(study.title, f"{engine}, seed {seed}, {figures[study.scores[0]]:.4f}", 0, 1, figures["seconds"])
        rows[engine].append(figures)
    results = [
        Result(study.title, engine, tuple(figures), facts_of(study, figures)) for engine, figures in rows.items()
    ]
    return results, [target(study, score, rows, arguments.seeds) for score in study.scores]


def facts_of(study: Study, figures: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean and spread over seeds."""
    facts = {}
    for score in study.scores:
        values = [one[score] for one in figures]
        facts |= {f"{score}, mean": statistics.fmean(values), f"{score}, standard deviation": spread(values)}
    return facts


def spread(values: Sequence[float]) -> float:
    """Standard deviation of a sample; 0 of one value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def target(study: Study, score: str, rows: dict[str, list[dict[str, float]]], seeds: Sequence[int]) -> Target:
    """The mean difference is not below zero by more than twice its standard error, over pairs of one seed."""
    theirs, ours = ([one[score] for one in rows[engine]] for engine in ENGINES)
    gains = [a - b for a, b in zip(ours, theirs, strict=True)]
    error = spread(gains) / len(seeds) ** 0.5
    what = f"{study.folder}: {score} of fused - of torchio (standard error {error:.4f})"
    return Target(what, round(statistics.fmean(gains), 4), at_least=round(-2 * error, 4))


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    options = parser(__doc__, rounds=1)
    options.add_argument("--data", type=Path, help="folder with openms and isbi2012")
    options.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES), help="default: both")
    options.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="default: %(default)s")
    options.add_argument("--openms-epochs", type=int, default=6, help="of 40 steps (default: %(default)s)")
    options.add_argument("--isbi2012-epochs", type=int, default=3, help="of 168 steps (default: %(default)s)")
    options.add_argument("--jobs", type=int, default=1, help="trainings at a time (default: %(default)s)")
    options.add_argument("--settings", nargs="*", default=[], metavar="KEY=VALUE", help="keys of the configs")
    return options.parse_args(argv)


def main() -> None:
    """Train all, and write both files."""
    arguments = parse()
    if arguments.tiny:
        arguments.only, arguments.seeds, arguments.openms_epochs = ["openms"], [0], 1
        arguments.settings = ["patches.size=[32,32,32]", "patches.per_volume=2", "network.base_channels=2"]
    if arguments.data is None and not arguments.tiny:
        raise SystemExit("--data is missing: the folder with openms and isbi2012")
    notes = {
        "threads": arguments.threads,
        "device": arguments.device,
        "trainings at a time": arguments.jobs,
        "seeds": ", ".join(map(str, arguments.seeds)),
    }
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.tiny:
            make_patients(Path(temporary) / "openms")
            arguments.data = Path(temporary)
        for name in arguments.only:
            results, targets = compare(name, arguments)
            write_results(
                f"equal_scores_{name}", results, notes | {"steps": steps(name, arguments)}, targets, arguments.out
            )


def steps(name: str, arguments: argparse.Namespace) -> int:
    """Of every training."""
    return 40 * arguments.openms_epochs if name == "openms" else 168 * arguments.isbi2012_epochs


if __name__ == "__main__":
    main()
