"""What `auto` is allowed to do: only what its figures speak for."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msseg.config.inference import InferenceConfig
from msseg.config.trust import Trust, WayFigures
from msseg.inference.trust import (
    KnownCase,
    Way,
    chosen_precision,
    chosen_window,
    describe_trust,
    judge,
    ways_to_judge,
)

AUTO, PATCH, FIT, WHOLE = (InferenceConfig(window=window) for window in ("auto", "patch", "fit", "whole"))


def figures(window="fit", precision="bf16", dsc=1.0, engine="torch"):
    return WayFigures(window=window, precision=precision, engine=engine, dsc=dsc, truth_dsc=0.9)


def trust(*ways, reference="patch"):
    return Trust(reference=reference, threshold=0.5, cases=("a",), voxels=5000, truth_dsc=0.9, ways=ways)


def case(name="a", voxels=2000):
    truth = np.zeros(8000, bool)
    truth[:voxels] = True
    return KnownCase(name, np.zeros((1, 20, 20, 20), np.float32), truth.reshape(20, 20, 20))


def flipping(flips):
    """Predicts the first 2000 voxels, less as many as `flips` says for a way."""

    def predict(data, way):
        probability = np.zeros(data.shape[1:]).ravel()
        probability[: 2000 - flips.get(way, 0)] = 1
        return probability.reshape(data.shape[1:])

    return predict


# ------------------------------------------------------------------------------------------ judging
def test_figures_are_dsc_with_the_reference_and_with_the_truth():
    flips = {Way("fit", "bf16"): 400, Way("fit", "fp32"): 3}
    found = judge([case("a", 2000), case("b", 1000)], flipping(flips), AUTO, ways_to_judge(AUTO, "bf16"))
    assert found is not None
    assert (found.reference, found.cases, found.voxels) == ("patch", ("a", "b"), 4000)
    assert found.truth_dsc == pytest.approx(2 * 3000 / 7000, abs=1e-6)
    by_way = {(of.window, of.precision): of for of in found.ways}
    assert by_way.keys() == {("fit", "bf16"), ("fit", "fp32"), ("patch", "bf16")}
    assert by_way["fit", "bf16"].dsc == pytest.approx(2 * 3200 / 7200, abs=1e-6)
    assert by_way["fit", "bf16"].truth_dsc == pytest.approx(2 * 2600 / 6200, abs=1e-6)
    assert by_way["fit", "fp32"].dsc == pytest.approx(2 * 3994 / 7994, abs=1e-6)
    assert [of.passed for of in found.ways] == [False, True, True]


def test_what_just_fails_is_not_rounded_into_passing():
    found = judge([case()], flipping({Way("fit", "fp32"): 4}), AUTO, [Way("fit", "fp32")])
    assert found.ways[0].dsc == 0.998998  # of 0.9989989
    assert not found.ways[0].passed


def test_the_threshold_is_that_of_the_settings():
    predict = flipping({})
    assert judge([case()], lambda *of: 0.3 * predict(*of), AUTO, [Way("fit", "fp32")]) is None
    low = InferenceConfig(window="auto", threshold=0.2)
    assert judge([case()], lambda *of: 0.3 * predict(*of), low, [Way("fit", "fp32")]).voxels == 2000


def test_too_little_foreground_tells_nothing():
    def predict(data, way):
        return np.r_[np.ones(999), np.zeros(data[0].size - 999)].reshape(data.shape[1:])

    assert judge([case()], predict, AUTO, ways_to_judge(AUTO, "bf16")) is None
    assert judge([case(), case("b")], predict, AUTO, ways_to_judge(AUTO, "bf16")) is not None


def test_no_cases_and_no_ways_tell_nothing_and_cost_nothing():
    def never(data, way):
        raise AssertionError("was predicted")

    assert judge([], never, AUTO, ways_to_judge(AUTO, "bf16")) is None
    assert judge([case()], never, WHOLE, ways_to_judge(WHOLE, "fp32")) is None


def test_a_few_cases_are_enough():
    assert len(judge([case(str(n)) for n in range(9)], flipping({}), AUTO, [Way("fit", "fp32")]).cases) == 3


def test_no_further_case_is_begun_when_time_is_short():
    def slow(data, way):
        time.sleep(0.02)
        return flipping({})(data, way)

    cases = [case(str(n)) for n in range(3)]
    assert len(judge(cases, slow, AUTO, [Way("fit", "fp32")], seconds=0.0).cases) == 1
    assert len(judge(cases, slow, AUTO, [Way("fit", "fp32")], seconds=60).cases) == 3


@pytest.mark.parametrize(
    ("settings", "fast", "margin", "ways"),
    [
        (AUTO, "bf16", 0, {("fit", "bf16"), ("fit", "fp32"), ("patch", "bf16")}),
        (PATCH, "bf16", 0, {("fit", "bf16"), ("fit", "fp32"), ("patch", "bf16")}),
        (PATCH, "fp32", 0, {("fit", "fp32")}),
        (PATCH, "bf16", 92, {("patch", "bf16")}),  # tiles: the window's size changes nothing
        (WHOLE, "bf16", 0, {("whole", "bf16")}),
        (WHOLE, "fp32", 0, set()),
        (FIT, "bf16", 0, {("fit", "bf16")}),
    ],
)
def test_what_is_judged(settings, fast, margin, ways):
    assert set(ways_to_judge(settings, fast, margin)) == ways


# ------------------------------------------------------------------------------------------ choosing
@pytest.mark.parametrize(
    ("settings", "trusted", "window", "precision"),
    [
        (AUTO, None, "patch", "bf16"),  # as models from before are predicted
        (WHOLE, None, "whole", "bf16"),
        (AUTO, trust(figures()), "fit", "bf16"),
        (AUTO, trust(figures(dsc=0.9989)), "patch", "fp32"),
        (AUTO, trust(figures(dsc=0.5), figures("patch")), "patch", "bf16"),
        (AUTO, trust(figures(dsc=0.99), figures(precision="fp32"), figures("patch")), "fit", "fp32"),
        (PATCH, trust(figures(), figures("patch", dsc=0.99)), "patch", "fp32"),
        (PATCH, trust(figures(dsc=0.5), figures("patch")), "patch", "bf16"),
        (WHOLE, trust(figures("whole"), reference="whole"), "whole", "bf16"),
        (WHOLE, trust(figures("patch")), "whole", "fp32"),  # asked for at prediction: never judged
    ],
)
def test_auto_uses_only_what_passed(settings, trusted, window, precision):
    chosen = chosen_precision(settings, trusted, "torch", "bf16")
    assert (chosen_window(settings, trusted, "torch", chosen), chosen) == (window, precision)


def test_a_given_precision_has_windows_of_its_own():
    trusted = trust(figures(dsc=0.99), figures(precision="fp32"))
    assert chosen_window(AUTO, trusted, "torch", "fp32") == "fit"
    assert chosen_window(AUTO, trusted, "torch", "bf16") == "patch"


def test_an_engine_s_own_figures_count_before_those_of_others():
    trusted = trust(figures(dsc=0.99), figures(dsc=0.9995, engine="openvino"))
    assert chosen_window(AUTO, trusted, "openvino", "bf16") == "fit"
    assert chosen_window(AUTO, trusted, "torch", "bf16") == "patch"
    assert chosen_window(AUTO, trusted, "onnxruntime", "bf16") == "patch"


ways = st.builds(
    figures, st.sampled_from(["fit", "patch"]), st.sampled_from(["fp32", "bf16"]), st.sampled_from([0.5, 0.9989, 0.999])
)


@given(st.lists(ways, max_size=6), st.sampled_from(["bf16", "fp32"]))
def test_nothing_but_the_reference_is_used_without_having_passed(listed, fast):
    trusted = trust(*listed)
    precision = chosen_precision(AUTO, trusted, "torch", fast)
    way = (chosen_window(AUTO, trusted, "torch", precision), precision)
    if way != ("patch", "fp32"):
        assert {of.dsc for of in listed if (of.window, of.precision) == way} == {0.999}


def test_the_figures_in_a_line():
    text = describe_trust(trust(figures(dsc=0.87), figures("patch", dsc=0.9994)))
    assert text == (
        "windows and arithmetic: DSC with patch fp32 over 1 case: fit bf16 0.8700 (not trusted), patch bf16 0.9994"
    )
    assert "nothing was measured" in describe_trust(None)
