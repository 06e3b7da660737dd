"""Puts a trained model into the box: copies it to models/NAME, with its scores, and writes its card.

    python results/models/add.py RUN/EM em-sf-isbi2012

RUN/EM is what `msseg run` made: its model, and its evaluation.json (or the file that --evaluation names). The card is
the Jinja2 template cards/NAME.md (or --card), filled in from both. Absolute paths are cut to names; a model that would
make the package large is refused.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateError

from msseg.box import CARD_FILE, read_card
from msseg.errors import InputError
from msseg.evaluation.evaluation import Evaluation
from msseg.model import SETTINGS_FILE, WEIGHTS_FILE, ModelSettings, find_models, load_network, save_model
from msseg.networks.registry import parameter_count

HERE = Path(__file__).resolve().parent
BOX = HERE.parents[1] / "models"
SCORES_FILE = "evaluation.json"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MEGABYTE = 1e6
WANTED_MB, LARGEST_MB = 7, 12
"""What a model's weights should stay below, and what is refused."""
ABSOLUTE = re.compile(r"(?<![\w.:/~])(?:[A-Za-z]:[\\/]|~?/|\\\\)[^\s'\",;]+")
"""Paths in a text; URLs and relative paths are none."""


def add_model(
    run: Path, name: str, template: Path, box: Path = BOX, evaluation: Path | None = None, replace: bool = False
) -> Path:
    """Copy a trained model into the box and write its card; complete, or nothing.

    Args:
        run: RUN/CHANNEL, or its model folder.
        name: What `msseg predict` will know the model by.
        template: The card, a Jinja2 template; `card_values` says what it can use.
        box: The folder of the box.
        evaluation: The scores; None: evaluation.json beside the model folder.
        replace: Take the place of a model of this name.

    Returns:
        The model's folder in the box.

    Raises:
        InputError: A file is missing or unusable, the scores are of cases that the model was trained on, the model is
            too large, or the name is not possible or taken.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"the name {name} is not possible: lower-case letters and digits, with dashes between them")
    target = box / name
    if target.exists() and not replace:
        raise InputError(f"there is a model {name} in the box: choose another name, or give --replace")
    if not box.is_dir():
        raise InputError(f"{box} is no folder: give that of the checkout's models")
    source, *others = find_models(run)
    if others:
        raise InputError(f"{run} holds {len(others) + 1} models: name the folder of one")
    network, settings = load_network(source)
    settings = settings.model_copy(update={"provenance": portable(settings.provenance)})
    scores_file = evaluation or source.parent / SCORES_FILE
    scores = portable(Evaluation.from_json(scores_file).to_json_dict())
    refuse_unusable(scores, settings.provenance, scores_file)
    if scores_file.stat().st_mtime < (source / SETTINGS_FILE).stat().st_mtime:
        print(f"warning: {scores_file} is older than the model: make sure that these are its scores", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=box, prefix=".") as temporary:
        new = Path(temporary) / name
        save_model(new, network, settings)
        size = checked_size(new / WEIGHTS_FILE)
        (new / SCORES_FILE).write_text(json.dumps(scores, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        values = card_values(name, settings, scores, parameter_count(network), size)
        (new / CARD_FILE).write_text(filled_in(template, values), encoding="utf-8")
        read_card(new / CARD_FILE)
        if target.exists():
            target.rename(Path(temporary) / "replaced")
        new.rename(target)
    return target


def checked_size(weights: Path) -> float:
    """Size of the weights in MB; warns of a model that is larger than one in a package should be, or refuses it."""
    size = weights.stat().st_size / MEGABYTE
    if size > LARGEST_MB:
        raise InputError(f"the model has {size:.1f} MB, but at most {LARGEST_MB} MB go into the box: make it smaller")
    if size >= WANTED_MB:
        print(f"warning: the model has {size:.1f} MB; below {WANTED_MB} MB is wanted", file=sys.stderr)
    return size


def refuse_unusable(scores: Mapping[str, Any], provenance: Mapping[str, Any], file: Path) -> None:
    """Scores of cases that the model was trained or chosen on are no test, and those of a part not the whole."""
    for case, reason in scores["failed"].items():
        raise InputError(f"{file} lacks the test case {case} ({reason}): evaluate all of them")
    seen = {*provenance.get("train", ()), *provenance.get("validation", ())}
    known = sorted(seen & {case["case"] for case in scores["cases"]})
    if known:
        raise InputError(f"{file} scores {known[0]}, which the model was trained or chosen on: give the test's scores")


def portable(value: Any) -> Any:
    """The same content, with absolute paths cut to the last name in them."""
    if isinstance(value, Mapping):
        return {key: portable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    return (
        ABSOLUTE.sub(lambda path: re.split(r"[\\/]", path[0].rstrip("\\/"))[-1], value)
        if isinstance(value, str)
        else value
    )


def card_values(
    name: str, settings: ModelSettings, scores: Mapping[str, Any], parameters: int, size: float
) -> dict[str, Any]:
    """What a card's template can use: name, settings, provenance, parameters, megabytes, evaluation, split, slices."""
    provenance = settings.provenance
    tested = [case["case"] for case in scores["cases"]]
    each = [one["v_rand"] for one in scores.get("slices", ()) if one.get("v_rand") is not None]
    return {
        "name": name,
        "settings": settings.model_dump(mode="json"),
        "provenance": provenance,
        "parameters": parameters,
        "megabytes": f"{size:.1f}",
        "evaluation": scores,
        "thresholds": ", ".join(f"{value:g}" for value in scores["settings"].get("thresholds", ())),
        "slices": {"lowest": min(each), "highest": max(each)} if each else {},
        "split": {
            "train": ranges(provenance.get("train", ())),
            "train_count": len(provenance.get("train", ())),
            "validation": ranges(provenance.get("validation", ())),
            "test": ranges(tested),
        },
    }


def ranges(cases: Sequence[str]) -> str:
    """Cases in short: `train 1-21`; those that are no slices by their names."""
    numbered = [(match[1], int(match[2])) for case in cases if (match := re.fullmatch(r"(.+)_(\d{3,})", case))]
    if len(numbered) < len(cases) or not cases:
        return ", ".join(cases) or "none"
    runs: list[str] = []
    for (stack, _), members in groupby(
        enumerate(sorted(numbered)), key=lambda item: (item[1][0], item[1][1] - item[0])
    ):
        numbers = [number for _, (_, number) in members]
        runs.append(f"{stack} {numbers[0]}" + (f"-{numbers[-1]}" if len(numbers) > 1 else ""))
    return ", ".join(runs)


def filled_in(template: Path, values: Mapping[str, Any]) -> str:
    """The template with its values.

    Raises:
        InputError: It cannot be read, is no template, or asks for something that is not there.
    """
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    environment.filters["score"] = score
    try:
        return environment.from_string(template.read_text(encoding="utf-8")).render(values)
    except OSError as error:
        raise InputError(f"the card's template {template} cannot be read: {error.strerror}") from error
    except (TemplateError, TypeError) as error:
        raise InputError(f"the card's template {template} cannot be filled in: {error}") from error


def score(value: float | None, decimals: int = 4) -> str:
    """A score as text; one that is not defined or was not measured as such."""
    return "not measured" if value is None else f"{float(value):.{decimals}f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line and add the model; 2 where something given cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN/CHANNEL", help="the trained model's folder in a run")
    parser.add_argument("name", help="what msseg predict will know it by")
    parser.add_argument("--card", type=Path, help="template of the card; default: cards/NAME.md beside this script")
    parser.add_argument("--evaluation", type=Path, help="the scores; default: evaluation.json beside the model folder")
    parser.add_argument("--box", type=Path, default=BOX, help="the folder models of the checkout")
    parser.add_argument("--replace", action="store_true", help="take the place of a model of this name")
    given = parser.parse_args(argv)
    card = given.card or HERE / "cards" / f"{given.name}.md"
    try:
        folder = add_model(given.run, given.name, card, given.box, given.evaluation, given.replace)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"the model is in {folder}; read its card before you commit it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
