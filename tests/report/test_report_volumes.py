"""Volumes: bias, limits of agreement and correlation against closed forms, and what is drawn of them."""

import json
import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from msseg.report.agreement import volume_agreements
from msseg.report.collect import collect_runs
from msseg.report.rows import build_rows, labels_of
from msseg.report.volume_figure import volume_figure, volume_svg, volume_views

TRUTH = (1.0, 2.0, 4.0, 9.0)
PREDICTED = (2.0, 2.0, 3.0, 13.0)


@pytest.fixture
def rows_of(make_run):
    """Rows of a run whose cases have these volumes (mL)."""

    def write(truth=TRUTH, predicted=PREDICTED):
        subjects = [make_run.subject(f"case{number}", number) for number in range(len(truth))]
        run = make_run("run", subjects=subjects)
        path = run / "FLAIR" / "evaluation.json"
        content = json.loads(path.read_text())
        for case, true, found in zip(content["cases"], truth, predicted, strict=True):
            case |= {"volume_truth_mm3": 1000 * true, "volume_prediction_mm3": 1000 * found}
        path.write_text(json.dumps(content))
        return build_rows(collect_runs([run]))

    return write


def test_bias_limits_and_correlation_are_those_of_the_definitions(rows_of):
    (agreement,) = volume_agreements(rows_of())
    # differences 1, 0, -1, 4: mean 1, sum of squared deviations 0 + 1 + 4 + 9 over n - 1 = 3
    deviation = math.sqrt(14 / 3)
    assert agreement.bias == pytest.approx(1)
    assert (agreement.low, agreement.high) == pytest.approx((1 - 1.96 * deviation, 1 + 1.96 * deviation))
    assert agreement.differences == pytest.approx((1, 0, -1, 4))
    assert agreement.means == pytest.approx((1.5, 2, 3.5, 11))
    # deviations from 4: -3 -2 0 5, from 5: -3 -3 -2 8; 9 + 6 + 0 + 40 = 55 over the root of 38 * 86
    assert agreement.correlation == pytest.approx(55 / math.sqrt(38 * 86))


def test_the_cohorts_isbi_score_takes_the_means_and_the_correlation(rows_of):
    rows = rows_of()
    (agreement,), cases = volume_agreements(rows), rows[0].evaluation.cases
    dsc, precision, lfpr, ltpr = (
        np.mean([case.values[key] for case in cases]) for key in ("dsc", "precision", "lfpr", "ltpr")
    )
    assert agreement.isbi == pytest.approx(
        dsc / 8 + precision / 8 + (1 - lfpr) / 4 + ltpr / 4 + agreement.correlation / 4
    )


def test_two_cases_have_a_bias_but_neither_limits_nor_a_figure(rows_of):
    rows = rows_of(TRUTH[:2], PREDICTED[:2])
    (agreement,) = volume_agreements(rows)
    assert agreement.bias == pytest.approx(0.5)
    assert math.isnan(agreement.low)
    assert math.isnan(agreement.correlation)
    (view,) = volume_views(rows)
    assert view.cells == ("2", "1.50", "2.00", "0.50", "–", "–", "–")
    assert view.figure == ""


def test_a_network_that_always_says_the_same_has_no_correlation(rows_of):
    (agreement,) = volume_agreements(rows_of(TRUTH, (3.0,) * 4))
    assert math.isnan(agreement.correlation)
    assert not math.isnan(agreement.low)


def test_cases_without_volumes_are_left_out(rows_of, make_slices):
    (agreement,) = volume_agreements(rows_of((*TRUTH, math.nan), (*PREDICTED, 1.0)))
    assert len(agreement.truth) == 4
    assert volume_agreements(build_rows(collect_runs([make_slices("em")]))) == []


def test_the_figure_shows_every_case_and_the_lines(rows_of):
    rows = rows_of()
    agreements = volume_agreements(rows)
    scatter, differences = volume_figure(agreements[0], agreements, labels_of(rows)).axes
    identity, points = scatter.lines
    assert (identity.get_xdata() == identity.get_ydata()).all()
    assert np.allclose(points.get_xydata(), np.transpose([TRUTH, PREDICTED]))
    assert scatter.get_xlim() == scatter.get_ylim() == differences.get_xlim()
    heights = {round(line.get_ydata()[0], 6) for line in differences.lines if len(line.get_ydata()) == 2}
    assert heights >= {0, 1, round(agreements[0].low, 6), round(agreements[0].high, 6)}
    assert any("r = 0.962" in title for title in (scatter.get_title(loc="left"),))
    texts = {text.get_text().rsplit(" ", 1)[0] for text in differences.texts}
    assert texts == {"bias", "upper limit", "lower limit"}
    low, high = differences.get_ylim()
    assert low < agreements[0].low < agreements[0].high < high


def test_the_svg_is_one_document(rows_of):
    rows = rows_of()
    agreements = volume_agreements(rows)
    assert ET.fromstring(volume_svg(agreements[0], agreements, labels_of(rows))).tag.endswith("svg")


def test_volumes_that_are_all_zero_are_drawn(rows_of):
    rows = rows_of((0.0,) * 3, (0.0,) * 3)
    (view,) = volume_views(rows)
    assert view.figure.startswith("data:image/svg+xml;base64,")
