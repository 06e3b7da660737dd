"""The tables as files: CSV with everything, Markdown and LaTeX in the form of a paper's table."""

import csv
import io
import math
from collections.abc import Callable, Sequence

from msseg.cases.names import listing
from msseg.report.cells import latex, markdown, mean_text, spread_text, stack_text
from msseg.report.lesions import all_lesions
from msseg.report.rows import Row
from msseg.report.tables import CaseRow, SummaryRow, Value, measured_on_lesions
from msseg.report.wording import Metric, Words, empty_masks

STATISTICS = ("mean", "std", "median", "ci_low", "ci_high", "undefined")


def summary_csv(words: Words, lines: Sequence[SummaryRow]) -> str:
    """All statistics of network x channel; full precision, undefined cells empty."""
    head = ["network", "channel", "runs", "test_set", "n"]
    pooled = [f"{words.together.lower()}_{metric.key}" for metric in words.pooled]
    metrics = [*words.overall, *measured_on_lesions(lines)]
    statistics = [f"{metric.key}_{statistic}" for metric in metrics for statistic in STATISTICS]
    head += [*pooled, *statistics] if words.is_stack else [*statistics, *pooled]
    body = []
    for line in lines:
        cells: list[object] = [line.row.label, line.row.channel, ";".join(f.run.name for f in line.row.folds)]
        cells += [line.test_set, line.n]
        means = [getattr(line.means[metric.key], name) for metric in metrics for name in STATISTICS]
        together = [line.pooled[metric.key].mean for metric in words.pooled]
        body.append([*cells, *together, *means] if words.is_stack else [*cells, *means, *together])
    return _csv(head, body)


def cases_csv(lines: Sequence[CaseRow]) -> str:
    """Every value of every case, lowest main score first; columns as in `evaluation.json`."""
    keys = list(dict.fromkeys(key for line in lines for key in line.values))
    body = [
        [
            line.case,
            line.group,
            line.row.label,
            line.row.channel,
            *(line.values.get(key, math.nan) for key in keys),
        ]
        for line in lines
    ]
    return _csv(["case", "group", "network", "channel", *keys], body)


def lesions_csv(rows: Sequence[Row]) -> str:
    """Every lesion of the expert and of the networks; empty where no evaluation lists them."""
    body = [
        [
            lesion.case or scored.case,
            scored.group,
            row.label,
            row.channel,
            lesion.number,
            lesion.kind,
            *lesion.centroid_mm,
            lesion.volume_mm3,
            lesion.overlap_mm3,
            lesion.overlap_share,
            lesion.verdict,
            lesion.stratum,
        ]
        for row, scored, lesion in all_lesions(rows)
    ]
    head = ["case", "group", "network", "channel", "lesion", "kind", "x_mm", "y_mm", "z_mm"]
    return _csv([*head, "volume_mm3", "overlap_mm3", "overlap_share", "verdict", "stratum"], body) if body else ""


def summary_markdown(words: Words, lines: Sequence[SummaryRow]) -> str:
    """Network x channel as a Markdown table, best values in bold, with notes below."""
    table = _paper_table(words, lines, "**{}**".format, markdown)
    rule = ["---" if name in ("Network", "Channel") else "---:" for name in table[0]]
    rows = [table[0], rule, *table[1:]]
    notes = "\n\n".join(markdown(note) for note in notes_of(words, lines))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + f"\n\n{notes}\n"


def summary_latex(words: Words, lines: Sequence[SummaryRow]) -> str:
    """Network x channel as a LaTeX table (booktabs), best values in bold, with notes below."""
    head, *body = _paper_table(words, lines, r"\textbf{{{}}}".format, latex)
    rows = [" & ".join(row) + r" \\" for row in body]
    alignment = "".join("l" if name in ("Network", "Channel") else "r" for name in head)
    notes = " ".join(latex(note) for note in notes_of(words, lines))
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{words.title} by network and channel.}}",
            r"\label{tab:msseg-summary}",
            rf"\begin{{tabular}}{{{alignment}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
            r"\smallskip",
            rf"\parbox{{\linewidth}}{{\footnotesize {notes}}}",
            r"\end{table}",
            "",
        ]
    )


def notes_of(words: Words, lines: Sequence[SummaryRow]) -> list[str]:
    """What stands below the table network x channel."""
    values = [value for line in lines for value in (*line.means.values(), *line.pooled.values())]
    several = _several_sets(lines)
    notes = [words.together_note] if words.is_stack else [_spread_note(lines), words.together_note]
    if any(value.best for value in values):
        notes.append(f"Bold: best of the column{' among rows of one test set' if several else ''}.")
    if several:
        sets = {line.test_set: sorted(line.row.test_cases) for line in lines}
        notes.append("Do not compare rows of different test sets: they were tested on different cases.")
        notes += [f"Test set {number}: {listing(cases)}." for number, cases in sets.items()]
    if any(value.undefined for value in values):
        notes.append(f"n.d.: {words.case}s where the value is not defined.")
    return [*notes, empty_masks(words)]


def _spread_note(lines: Sequence[SummaryRow]) -> str:
    if all(line.n == 1 for line in lines):
        return "One test case for each row: there is no mean, no spread and no interval."
    grouped = any(score.group for line in lines if line.row.evaluation for score in line.row.evaluation.cases)
    drawn = "patients" if grouped else "cases"
    return f"Mean over test cases ± standard deviation, and 95 % interval of the mean (bootstrap over {drawn})."


def _paper_table(
    words: Words, lines: Sequence[SummaryRow], bold: Callable[[str], str], escape: Callable[[str], str]
) -> list[list[str]]:
    """Head and rows of the table in print; a network's name stands in its first row only."""
    several = _several_sets(lines)
    table = [[escape(name) for name in _heads(words, several)]]
    before = ("", 0)
    for line in lines:
        block = (line.row.label, line.test_set)
        names = [escape("" if block == before else line.row.label), escape(line.row.channel)]
        before = block
        printed = [bold(escape(text)) if value.best else escape(text) for value, text in _values(words, line)]
        table.append([*names, *([str(line.test_set)] if several else []), str(line.n), *printed])
    return table


def _values(words: Words, line: SummaryRow) -> list[tuple[Value, str]]:
    """What stands in the row, and how it is printed: of slices the stack's scores, with the slices' in brackets."""
    if words.is_stack:
        both = [(line.pooled[metric.key], line.means[metric.key], metric) for metric in words.overall]
        return [(stack, stack_text(stack, mean, metric)) for stack, mean, metric in both]
    cells = [
        (line.means[metric.key], _text_of(words, metric)(line.means[metric.key], metric)) for metric in words.overall
    ]
    return cells + [(line.pooled[metric.key], mean_text(line.pooled[metric.key], metric)) for metric in words.pooled]


def _text_of(words: Words, metric: Metric) -> Callable[[Value, Metric], str]:
    """The two scores of the paper's table are printed with their spread, the others as means."""
    return spread_text if metric in words.spread else mean_text


def _heads(words: Words, several_sets: bool) -> list[str]:
    sets = ["Test set"] if several_sets else []
    pooled = () if words.is_stack else words.pooled
    return [
        "Network",
        "Channel",
        *sets,
        f"{words.case.capitalize()}s",
        *(metric.head for metric in words.overall),
        *(f"{words.together} {metric.title}" for metric in pooled),
    ]


def _several_sets(lines: Sequence[SummaryRow]) -> bool:
    return len({line.test_set for line in lines}) > 1


def _csv(head: Sequence[str], body: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(["" if isinstance(cell, float) and math.isnan(cell) else cell for cell in row] for row in body)
    return text.getvalue()
