"""A test case's part of the page: its pictures, and for each network its scores, slices of interest and lesions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msseg.cases.names import counted
from msseg.errors import InputError
from msseg.evaluation.scores import CaseScores
from msseg.report.cells import number, printed
from msseg.report.drawings import Drawing, Panel, PanelLine, draw
from msseg.report.galleries import SliceView, galleries, slices_per_case
from msseg.report.lesions import LesionView, lesion_views
from msseg.report.lesions import told as lesions_told
from msseg.report.overlays import grey_png, marks_png
from msseg.report.pictures import CasePicture
from msseg.report.wording import Metric


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
    """A test case's pictures and what each network made of it, or the problem that keeps them from being drawn."""

    anchor: str
    case: str
    caption: str
    lines: tuple[LineView, ...] = ()
    height: float = 0.0
    width: float = 0.0
    sides_known: bool | None = None
    problem: str = ""
    models: tuple["ModelView", ...] = ()
    slice_size: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class ModelView:
    """What one network on one channel made of a case.

    Attributes:
        anchor: Where links to it lead.
        label, channel: The network.
        scores: As printed, one for each metric of the case's table.
        told: What stands on the folded page: the main score, and how many slices and lesions it holds.
        slices: Slices of interest, largest error first.
        lesions: The lesions to look at, largest misses first.
        lesion_count: How many lesions there are in the expert's mask and in the network's.
    """

    anchor: str
    label: str
    channel: str
    scores: tuple[str, ...]
    told: str
    slices: tuple[SliceView, ...] = ()
    lesions: tuple[LesionView, ...] = ()
    lesion_count: int = 0


def case_views(pictures: Sequence[CasePicture], metrics: Sequence[Metric]) -> Iterator[CaseView]:
    """The cases' pages one after the other, so that only one case is in memory.

    Args:
        pictures: The cases, worst first.
        metrics: Columns of the table in a case's page.
    """
    wanted = [0] * len(pictures) if pictures and pictures[0].words.is_stack else slices_per_case(pictures)
    for count, (picture, further) in enumerate(zip(pictures, wanted, strict=True), start=1):
        anchor = f"case-{count}"
        try:
            drawing = draw(picture, further)
        except InputError as error:
            models = _models(anchor, picture, metrics)
            yield CaseView(anchor, picture.case, _group(picture), problem=str(error), models=models)
            continue
        caption = ", ".join(part for part in (_group(picture), drawing.place) if part)
        height, width = drawing.size
        lines = tuple(_line(line) for line in drawing.lines)
        models = _models(anchor, picture, metrics, drawing)
        yield CaseView(
            anchor, picture.case, caption, lines, height, width, drawing.sides_known, models=models,
            slice_size=_slice_size(drawing),
        )  # fmt: skip


def case_anchors(pictures: Sequence[CasePicture]) -> dict[str, str]:
    """The link target of each case; made of numbers, since names come from files."""
    return {picture.case: f"case-{place}" for place, picture in enumerate(pictures, start=1)}


def model_anchors(pictures: Sequence[CasePicture]) -> dict[tuple[str, str, str], str]:
    """The link target of each case's part on a network and channel."""
    return {
        (picture.case, *key): _model_anchor(f"case-{count}", place)
        for count, picture in enumerate(pictures, start=1)
        for place, key in enumerate(picture.models, start=1)
    }


def _model_anchor(anchor: str, place: int) -> str:
    return f"{anchor}-model-{place}"


def _models(
    anchor: str, picture: CasePicture, metrics: Sequence[Metric], drawing: Drawing | None = None
) -> tuple[ModelView, ...]:
    """Nothing of slices of a stack, which have their scores in the table of slices."""
    if picture.words.is_stack:
        return ()
    slices = galleries(anchor, picture, drawing.further) if drawing is not None else {}
    affine = drawing.affine if drawing is not None else None
    views = []
    for place, key in enumerate(picture.models, start=1):
        scored = picture.results.get(key, CaseScores(picture.case, {}))
        values, main = scored.values, picture.words.main
        told = [f"{main.title} {number(values[main.key], main.digits)}"] if main.key in values else ["not scored"]
        shown = slices.get(key, ())
        told += list(filter(None, [lesions_told(scored)]))
        told += [counted(len(shown), "slice")] if shown else []
        views.append(
            ModelView(
                _model_anchor(anchor, place),
                *key,
                printed(values, metrics),
                ", ".join(told),
                shown,
                lesion_views(scored, affine),
                len(scored.lesions),
            )
        )
    return tuple(views)


def _slice_size(drawing: Drawing) -> tuple[float, float]:
    return drawing.further[0].size_mm if drawing.further else (0.0, 0.0)


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
