"""What stands in one cell of a table: numbers with their spread, and names escaped for Markdown and LaTeX."""

import math
from collections.abc import Mapping, Sequence

from msseg.report.tables import Value
from msseg.report.wording import Metric

_MARKDOWN_SPECIAL = str.maketrans(
    {**{character: "\\" + character for character in "\\`*_[]|~$"}, "<": "&lt;", ">": "&gt;", "&": "&amp;"}
)
_LATEX_SPECIAL = str.maketrans(
    {
        **{character: "\\" + character for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "·": r"\textperiodcentered{}",
        "±": r"$\pm$",
        "–": "--",
        "−": "$-$",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
    }
)


def spread_text(value: Value, metric: Metric) -> str:
    """'0.707 ± 0.051 (0.65–0.75)'; what is not defined is left away."""
    if math.isnan(value.mean):
        return "–"
    text = number(value.mean, metric.digits)
    text += "" if math.isnan(value.std) else f" ± {number(value.std, metric.digits)}"
    if math.isnan(value.ci_low):
        return text
    return f"{text} ({number(value.ci_low, metric.digits)}–{number(value.ci_high, metric.digits)})"


def mean_text(value: Value, metric: Metric) -> str:
    """'0.707', with the number of undefined cases in brackets where there are any."""
    text = number(value.mean, metric.digits)
    return f"{text} ({value.undefined} n.d.)" if value.undefined else text


def stack_text(stack: Value, mean: Value, metric: Metric) -> str:
    """'0.9840 (0.981 ± 0.004)': the score of the stack, then mean and standard deviation of its slices."""
    text = number(stack.mean, metric.digits)
    if math.isnan(mean.mean):
        return text
    slices = number(mean.mean, metric.slice_digits)
    slices += "" if math.isnan(mean.std) else f" ± {number(mean.std, metric.slice_digits)}"
    slices += f", {mean.undefined} n.d." if mean.undefined else ""
    return f"{text} ({slices})"


def number(value: float, digits: int) -> str:
    """A fixed number of digits with a true minus sign; a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}".replace("-", "−")


def printed(values: Mapping[str, float], metrics: Sequence[Metric]) -> tuple[str, ...]:
    """The values of a case as they stand in a table's columns."""
    return tuple(number(values.get(metric.key, math.nan) * metric.scale, metric.digits) for metric in metrics)


def markdown(text: str) -> str:
    """Text for a Markdown table cell."""
    return " ".join(text.split()).translate(_MARKDOWN_SPECIAL)


def latex(text: str) -> str:
    """Text for LaTeX."""
    return " ".join(text.split()).translate(_LATEX_SPECIAL)
