import pytest

from msseg.inference.dry_run import CaseForecast, describe_dry_run


def forecast(**changes):
    values = {
        "name": "anna",
        "source": (182, 218, 182),
        "crop": (132, 151, 121),
        "window": (96, 96, 96),
        "windows": 12,
        "copies": 1,
        "models": 1,
        "seconds": 8.83,
        "memory": 1_210_000_000,
        "available": 16_000_000_000,
    }
    return CaseForecast(**(values | changes))


def test_one_case_in_words():
    assert describe_dry_run([forecast()], "openvino", "fp32", "patch", "larger windows are not trusted") == (
        "openvino, fp32, window patch (larger windows are not trusted)\n"
        "anna: 182 x 218 x 182, crop 132 x 151 x 121  12 windows of 96 x 96 x 96  about 8.8 s  1.2 GB of memory"
    )


def test_several_cases_have_a_sum():
    cases = [forecast(), forecast(name="ben", seconds=100.0, memory=900_000_000)]
    *_, last = describe_dry_run(cases, "torch", "bf16", "fit").splitlines()
    assert last == "2 cases: about 2 min, at most 1.2 GB of memory"
    *_, last = describe_dry_run([*cases, forecast(seconds=None)], "torch", "bf16", "fit").splitlines()
    assert last == "3 cases: time unknown, at most 1.2 GB of memory"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"windows": 1}, "  1 window of 96 x 96 x 96  "),
        ({"copies": 8, "models": 5}, "  12 windows of 96 x 96 x 96, 8 orientations, 5 models  "),
        ({"seconds": None}, "  time unknown  "),
        ({"seconds": 42.4}, "  about 42 s  "),
        ({"seconds": 9000}, "  about 2.5 h  "),
        ({"memory": 433_000_000}, "  433 MB of memory"),
        ({"available": None}, "  1.2 GB of memory"),
        ({"available": 1_000_000_000}, "  not enough memory: 1.2 GB needed, 1.0 GB there"),
    ],
)
def test_words(changes, words):
    case = forecast(**changes)
    assert words in describe_dry_run([case], "torch", "fp32", "patch")
    assert case.fits == ("not enough" not in words)
