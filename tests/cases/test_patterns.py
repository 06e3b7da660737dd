import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msseg.cases.patterns import compile_pattern, fields_of, fill

SPELLINGS = ("flair", "t1", "t1w", "t2")
name_part = st.from_regex(r"[A-Za-z0-9]{1,6}", fullmatch=True)


def match(pattern: str, path: str) -> dict[str, str] | None:
    return compile_pattern(pattern, SPELLINGS).match(tuple(path.split("/")))


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("{patient}_{channel}.nii", "a/b/P1_t1w.nii", {"patient": "P1", "channel": "t1w"}),
        ("{patient}/{channel}.nii[.gz]", "data/P1/FLAIR.nii.gz", {"patient": "P1", "channel": "FLAIR"}),
        ("{patient}/{channel}.nii[.gz]", "data/P1/flair.nii", {"patient": "P1", "channel": "flair"}),
        ("{patient}/{channel}.nii", "data/P1/flair.nii.gz", None),
        ("{patient}/{channel}.nii", "data/P1/pd.nii", None),
        ("{patient}/{channel}.nii", "data/P1/xflair.nii", None),
        ("{patient}/{patient}_{channel}.nii", "raw/P1_flair.nii", None),
        ("{patient}/{patient}_{channel}.nii", "P1/P1_flair.nii", {"patient": "P1", "channel": "flair"}),
        ("P*/v?/{session}.nii", "x/P123/v2/s.nii", {"session": "s"}),
        ("P*/v?/{session}.nii", "x/P1/y/v2/s.nii", None),
        ("{patient}_{session}.nii", "MS_01_02.nii", {"patient": "MS_01", "session": "02"}),
        ("{patient}/{channel}.nii", "flair.nii", None),
        ("a.b+c/{patient}.nii", "a.b+c/p.nii", {"patient": "p"}),
        ("a.b+c/{patient}.nii", "aXbbc/p.nii", None),
        ("a(1)/{patient}.nii", "a(1)/p.nii", {"patient": "p"}),
        ("{stack}(-|_)(label|labels).(tif|h5)", "x_y-labels.tif", {"stack": "x_y"}),
        ("{stack}(-|_)(label|labels).(tif|h5)", "x_label.h5", {"stack": "x"}),
        ("{stack}(-|_)(label|labels).(tif|h5)", "x_label.png", None),
        ("{stack}(|_v2).tif", "x_v2.tif", {"stack": "x_v2"}),
        ("{stack}/t{slice}.tif", "01/t007.tif", {"stack": "01", "slice": "007"}),
        ("{stack}/t{slice}.tif", "01/t00x.tif", None),
        ("{stack}/*{slice}.tif", "s/z2_0012.tif", {"stack": "s", "slice": "0012"}),
        ("{stack}/*{slice}.tif", "s/0012.tif", {"stack": "s", "slice": "0012"}),
        ("{stack}/*{slice}.tif", "s/a.tif", None),
        ("{stack}.h5/volumes/raw", "x/s1.h5", {"stack": "s1"}),
    ],
)
def test_a_pattern_describes_the_end_of_a_path(pattern: str, path: str, expected: object) -> None:
    assert match(pattern, path) == expected


def test_a_data_set_in_a_file_is_no_part_of_its_path() -> None:
    for text in ("{stack}.h5/volumes/raw", "{stack}.(h5|hdf5)/volumes/raw"):
        pattern = compile_pattern(text, SPELLINGS)
        assert (pattern.depth, pattern.inside) == (1, "volumes/raw")
    assert compile_pattern("{stack}.h5", SPELLINGS).inside == ""


@pytest.mark.parametrize(
    ("path", "more", "less"),
    [
        ("X_label.tif", "{stack}_label.tif", "{stack}.tif"),
        ("images/X_label.tif", "{stack}(-|_)(label|gt).tif", "images/{stack}.tif"),
        ("labels/X.tif", "(labels|masks)/{stack}.tif", "{stack}.tif"),
        ("labels/a_long_name/1.tif", "labels/{stack}/*{slice}.tif", "{stack}.tif"),
        ("p/flair.nii", "{patient}/{channel}.nii[.gz]", "{patient}/*.nii"),
        ("p/p_x.nii", "{patient}/{patient}_x.nii", "{patient}_x.nii"),
    ],
)
def test_the_pattern_that_says_more(path: str, more: str, less: str) -> None:
    parts = path.split("/")
    assert compile_pattern(more, SPELLINGS).says(parts) > compile_pattern(less, SPELLINGS).says(parts)


@given(patient=name_part, session=name_part, channel=st.sampled_from(SPELLINGS), above=st.lists(name_part))
def test_what_a_pattern_writes_it_reads(patient: str, session: str, channel: str, above: list[str]) -> None:
    pattern = compile_pattern("{patient}/{session}/{patient}_{session}_{channel}.nii.gz", SPELLINGS)
    values = {"patient": patient, "session": session, "channel": channel}
    path = [*above, *fill(pattern.text, values).split("/")]
    assert pattern.fields == ("patient", "session", "channel")
    assert pattern.match(path) == values


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("{subject}/x.nii", "unknown field {subject}"),
        ("{patient/x.nii", "not understood from '{patient/x.nii'"),
        ("{patient}.nii[.gz", "not understood from '[.gz'"),
        ("{patient}[_{session}].nii", "not understood from '[_{session}]"),
        ("", "has to end in the name of a file"),
        ("{patient}/", "has to end in the name of a file"),
        ("/data/{patient}.nii", "no leading /"),
        ("**/{patient}.nii", "no leading /"),
        ("../{patient}.nii", "no leading /"),
        (r"{patient}\x.nii", "write / between folders"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        compile_pattern(pattern, SPELLINGS)


def test_templates() -> None:
    assert fields_of("{patient}-s{session}") == ("patient", "session")
    assert fill("{patient}-s{session}", {"patient": "{session}", "session": "2"}) == "{session}-s2"
