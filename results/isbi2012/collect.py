"""Gathers tables and pictures of the networks' runs into this folder, and puts the tables into its README.

    python results/isbi2012/collect.py runs/isbi2012 --time

RUNS holds the run folders sf_network_long (train.sh), sf_network, unet2d and fusionnet (compare.sh); what is not there
yet is left out. Without --time the seconds stay as they were measured before.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from panels import curves_figure, errors_figure, networks_figure, score_of
from shared.runs import Finished, Values, read_run
from shared.tables import fill, machine, markdown, number, read_scores, write_scores
from timing import measured

from msseg.atomic import write_text

HERE = Path(__file__).resolve().parent
TITLES = {
    "sf_network_long": "SF Network, long",
    "sf_network": "SF Network",
    "unet2d": "U-Net",
    "fusionnet": "FusionNet",
}
THESIS: dict[str, dict[str, float]] = {
    "sf_network": {"v_rand": 0.98396507, "dice": 0.94507939, "parameters": 1.6e6},
    "unet2d": {"v_rand": 0.97045542, "dice": 0.92196040, "parameters": 25e6},
    "fusionnet": {"v_rand": 0.97591085, "dice": 0.94366761, "parameters": 69e6},
}
"""Kim 2019, tables 4.1 and 4.3."""


def main() -> None:
    """Read the runs that are there; write tables, scores and figures; fill in the README."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder of the run folders")
    parser.add_argument("--long", type=Path, help="run folder of the long training; default: RUNS/sf_network_long")
    parser.add_argument("--time", action="store_true", help="measure the seconds of a step and of a slice")
    given = parser.parse_args()
    folders = {name: given.runs / name for name in TITLES}
    folders["sf_network_long"] = given.long or folders["sf_network_long"]
    runs = {name: run for name, folder in folders.items() if (run := read_run(folder)) is not None}
    scored = {name: run for name, run in runs.items() if run.scores}
    curves_figure({TITLES[name]: run for name, run in runs.items()}, HERE / "curves.png")
    if not scored:
        print("no run is scored yet")
        return
    earlier = read_scores(HERE / "scores.json")
    seconds = measured(scored) if given.time else earlier.get("seconds", {})
    networks = {name: {**run.scores, **run.facts(), **of_slices(run)} for name, run in scored.items()}
    best = max(scored, key=lambda name: scored[name].scores["v_rand"])
    typical, worst = typical_slice(scored), min(slices_of(scored[best]), key=lambda case: score_of(scored[best], case))
    networks_figure({TITLES[name]: run for name, run in scored.items()}, typical, HERE / "networks.png")
    found = errors_figure(scored[best], TITLES[best], worst, HERE / "errors.png")
    mistakes = [{"kind": one.kind, "cost": one.cost, "row": one.place[0], "column": one.place[1]} for one in found]
    shown = {"networks": typical, "errors": worst, "errors_of": best}
    content = {"machine": machine(), "networks": networks, "thesis": THESIS, "seconds": seconds, "shown": shown}
    write_scores(HERE / "scores.json", {**content, "mistakes": mistakes})
    tables = {
        "table of scores": score_table(networks),
        "table of costs": cost_table(networks, seconds),
        "table of slices": slice_table(networks),
        "table of mistakes": mistake_table(mistakes),
        "machine": machine(),
    }
    write_text(HERE / "table.md", "\n\n".join(tables.values()) + "\n")
    for mark, table in tables.items():
        fill(HERE / "README.md", mark, table)


def of_slices(run: Finished) -> Values:
    """V_rand of each test slice."""
    return {"v_rand_slices": {case: score_of(run, case) for case in slices_of(run)}}


def slices_of(run: Finished) -> list[str]:
    """The test slices."""
    assert run.model.evaluation is not None
    return [scores.case for scores in run.model.evaluation.cases]


def typical_slice(runs: Mapping[str, Finished]) -> str:
    """The slice whose mean V_rand over the networks is in the middle."""
    cases = slices_of(next(iter(runs.values())))
    ordered = sorted(cases, key=lambda case: statistics.mean(score_of(run, case) for run in runs.values()))
    return ordered[len(ordered) // 2]


def score_table(networks: Mapping[str, Values]) -> str:
    """All networks beside the thesis."""
    heads = ["network", "V_rand (at)", "V_info (at)", "V_rand, V_info not thinned", "V_dice", "Jaccard", "pixel error"]
    lines = []
    for name, scores in networks.items():
        published = THESIS.get(name, {})
        best = (f"{scores[key]:.4f} ({scores[f'{key}_threshold']:g})" for key in ("v_rand", "v_info"))
        unthinned = ", ".join(f"{scores[f'{key}_unthinned']:.4f}" for key in ("v_rand", "v_info"))
        pixels = (f"{scores[key]:.4f}" for key in ("dice", "jaccard", "pixel_error"))
        thesis = (number(published.get(key), 4) for key in ("v_rand", "dice"))
        lines.append([TITLES[name], *best, unthinned, *pixels, *thesis])
    return markdown([*heads, "thesis: V_rand", "thesis: V_dice"], lines)


def cost_table(networks: Mapping[str, Values], seconds: Mapping[str, Mapping[str, float]]) -> str:
    """What training and prediction take."""
    heads = ["network", "parameters", "thesis", "training steps", "kept after", "s a step in training"]
    heads += ["processor s a step", "processor s a slice"]
    lines = []
    for name, facts in networks.items():
        published = THESIS.get(name.removesuffix("_long"), {}).get("parameters")
        size = "–" if published is None else f"{published / 1e6:g} M"
        steps = (number(facts[key], 0) for key in ("steps", "kept_steps"))
        processor = (number(seconds.get(name, {}).get(key), 2) for key in ("step", "slice"))
        times = number(facts["seconds_step"], 2), *processor
        lines.append([TITLES[name], number(facts["parameters"], 0), size, *steps, *times])
    return markdown(heads, lines)


def slice_table(networks: Mapping[str, Values]) -> str:
    """What V_rand is made of: split and merge scores, the thesis's weighted form, single slices."""
    cases = list(next(iter(networks.values()))["v_rand_slices"])
    heads = ["network", "split", "merge", "best alpha", *(f"slice {int(case.rsplit('_', 1)[1])}" for case in cases)]
    lines = []
    for name, scores in networks.items():
        parts = (f"{scores[f'v_rand_{key}']:.4f}" for key in ("split", "merge"))
        alpha = f"{scores['v_rand_best_alpha']:.4f} ({scores['best_alpha']:g})"
        lines.append([TITLES[name], *parts, alpha, *(f"{scores['v_rand_slices'][case]:.4f}" for case in cases)])
    return markdown(heads, lines)


def mistake_table(mistakes: Sequence[Values], most: int = 8) -> str:
    """The costliest mistakes of the worst slice."""
    lines = [
        [str(rank), one["kind"], f"{100 * one['cost']:.2f}", str(one["row"]), str(one["column"])]
        for rank, one in enumerate(mistakes[:most], start=1)
    ]
    return markdown(["mistake", "kind", "% of pairs", "row", "column"], lines)


if __name__ == "__main__":
    main()
