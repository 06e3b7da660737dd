"""What the page's template is given: everything in words and data URIs, nothing left to compute."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from msseg.cases.names import counted, listing
from msseg.errors import InputError
from msseg.report.cells import number
from msseg.report.collect import RunContent, TrainedModel
from msseg.report.drawings import Panel, PanelLine, draw
from msseg.report.lenient import mapping, names
from msseg.report.overlays import grey_png, marks_png
from msseg.report.pictures import CasePicture
from msseg.report.rows import Row
from msseg.report.tables import CaseRow
from msseg.report.wording import Metric, network_title

PARTS = {"train": "Trained on", "validation": "Validated on", "test": "Tested on", "unused": "Unused"}


@dataclass(frozen=True)
class PartView:
    """One part of a split: how many cases of which patients."""

    title: str
    cases: tuple[str, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class RunView:
    """A run and who is in which part of its split."""

    content: RunContent
    parts: tuple[PartView, ...]


@dataclass(frozen=True)
class PanelView:
    """One picture: a grey image (its own, or the line's), with marks over it unless empty; or why there is none."""

    title: str
    grey: str = ""
    marks: str = ""
    score: str = ""
    absent: str = ""


@dataclass(frozen=True)
class LineView:
    """The pictures of one channel; all without one of their own are drawn over the same grey image."""

    channel: str
    background: str
    grey: str
    panels: tuple[PanelView | None, ...]


@dataclass(frozen=True)
class CaseView:
    """A test case's pictures, or the problem that keeps them from being drawn."""

    anchor: str
    case: str
    caption: str
    lines: tuple[LineView, ...] = ()
    height: float = 0.0
    width: float = 0.0
    sides_known: bool | None = None
    problem: str = ""


def case_views(pictures: Sequence[CasePicture]) -> Iterator[CaseView]:
    """The pictures one after the other, so that only one case is in memory."""
    for count, picture in enumerate(pictures, start=1):
        anchor = f"case-{count}"
        try:
            drawing = draw(picture)
        except InputError as error:
            yield CaseView(anchor, picture.case, _group(picture), problem=str(error))
            continue
        caption = ", ".join(part for part in (_group(picture), drawing.place) if part)
        height, width = drawing.size
        lines = tuple(_line(line) for line in drawing.lines)
        yield CaseView(anchor, picture.case, caption, lines, height, width, drawing.sides_known)


def case_anchors(pictures: Sequence[CasePicture]) -> dict[str, str]:
    """The link target of each case; made of numbers, since names come from files."""
    return {picture.case: f"case-{place}" for place, picture in enumerate(pictures, start=1)}


def cells_of(metrics: Sequence[Metric]) -> Callable[[CaseRow], list[str]]:
    """What gives the values of one line of the table of cases, as printed."""

    def cells(line: CaseRow) -> list[str]:
        return [number(line.values.get(metric.key, math.nan) * metric.scale, metric.digits) for metric in metrics]

    return cells


def model_cells(model: TrainedModel) -> list[str]:
    """What is said of a model besides its scores: network, channel, parameters, epochs, time, device."""
    facts = model.facts
    epochs = len(model.epochs.get("epoch", ()))
    kept = "" if model.kept_epoch is None else f" (kept: {model.kept_epoch + 1})"
    return [
        network_title(facts.network),
        model.channel,
        "–" if facts.parameters is None else f"{facts.parameters:,}",
        f"{epochs}{kept}" if epochs else "–",
        "–" if facts.seconds_training is None else duration(facts.seconds_training),
        facts.device or "–",
    ]


def run_view(content: RunContent) -> RunView:
    """The run with its split in words; a split that is not there has no parts."""
    groups = mapping(content.split.get("groups"))
    parts = []
    for key, title in PARTS.items():
        cases = names(content.split.get(key))
        if cases or (content.split and key != "unused"):
            patients = dict.fromkeys(str(groups[case]) for case in cases if case in groups)
            parts.append(PartView(title, cases, tuple(patients)))
    return RunView(content, tuple(parts))


def duration(seconds: float) -> str:
    """'48 s', '12 min', '3 h 05 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def missing_parts(runs: Sequence[RunContent]) -> list[tuple[str, str]]:
    """(where, what) for all that is not there; what several models of a run lack is said once."""
    found: list[tuple[str, str]] = []
    for run in runs:
        found += [(run.name, note) for note in run.missing]
        lacking: dict[str, list[str]] = {}
        for model in run.models:
            for note in model.missing:
                lacking.setdefault(note, []).append(model.channel)
        found += [(f"{run.name} ({listing(channels)})", note) for note, channels in lacking.items()]
    return found


def warnings_of(runs: Sequence[RunContent]) -> list[str]:
    """What the splits warn of, each sentence once."""
    return list(dict.fromkeys(warning for run in runs for warning in names(run.split.get("warnings"))))


def strip_label(row: Row) -> str:
    """The row's points in words, for readers who do not see them."""
    assert row.evaluation is not None
    main = row.words.main
    values = ", ".join(number(score.values.get(main.key, math.nan), main.digits) for score in row.evaluation.cases)
    return f"{main.title} of {counted(len(row.test_cases), row.words.case)}: {values}"


def _line(line: PanelLine) -> LineView:
    grey = "" if line.grey is None else grey_png(line.grey)
    panels = tuple(None if panel is None else _panel(panel) for panel in line.panels)
    return LineView(line.name, line.background, grey, panels)


def _panel(panel: Panel) -> PanelView:
    grey = "" if panel.grey is None else grey_png(panel.grey)
    marks = "" if panel.codes is None else marks_png(panel.codes, panel.marks)
    return PanelView(panel.title, grey, marks, panel.score, panel.absent)


def _group(picture: CasePicture) -> str:
    """'patient 07' where the group says more than the case's own name."""
    kind = picture.words.group.lower()
    if picture.group in ("", picture.case):
        return ""
    return picture.group if picture.group.lower().startswith(kind) else f"{kind} {picture.group}"
