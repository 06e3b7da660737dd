import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msseg.cases.patterns import compile_pattern, fields_of, fill, required_of

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
        ("{patient:MS_*|HC_*}_{session}.nii", "MS_01_02.nii", {"patient": "MS_01", "session": "02"}),
        ("{patient:MS_*|HC_*}_{session}.nii", "XX_01_02.nii", None),
        ("{patient}_mask[_{rater:a|b}].nii", "x_mask_b.nii", {"patient": "x", "rater": "b"}),
        ("{patient}_mask[_{rater:a|b}].nii", "x_mask.nii", {"patient": "x", "rater": ""}),
        ("{patient}_mask[_{rater:a|b}].nii", "x_mask_c.nii", None),
        ("{patient}/[v{session}/]flair.nii", "p/v2/flair.nii", {"patient": "p", "session": "2"}),
        ("{patient}/[v{session}/]flair.nii", "x/p/flair.nii", {"patient": "p", "session": ""}),
        ("{patient}/[v{session}/]{patient}[_v{session}].nii", "1/v2/1_v2.nii", {"patient": "1", "session": "2"}),
        ("{patient}/[v{session}/]{patient}[_v{session}].nii", "1/v2/1.nii", {"patient": "1", "session": "2"}),
        ("{patient}/[v{session}/]{patient}[_v{session}].nii", "1/v2/1_v3.nii", None),
        ("{patient}/[v{session}/]{patient}[_v{session}].nii", "1/1_v3.nii", None),
        ("{patient}/[a[b]]x.nii", "p/abx.nii", {"patient": "p"}),
        ("{patient}/[a[b]]x.nii", "p/bx.nii", None),
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
        ("{subject}/x.nii", "unknown field {subject}. There are {site}, {patient}"),
        ("{patient/x.nii", "not understood from '{patient/x.nii'"),
        ("{patient}.nii[.gz", "not understood from '[.gz'"),
        ("{patient}.nii].gz", "not understood from '].gz'"),
        ("{patient}.nii[]", "not understood from '[]'"),
        ("{patient}[_{session}].nii", "{patient} would take {session} as well: add to the layout the characters"),
        ("{patient:A*}[_*][_{session}].nii", "{patient} would take {session} as well"),
        ("{channel:a|b}.nii", "lists values of {channel}"),
        ("{patient:a||b}.nii", "lists an empty value of {patient}"),
        ("{patient}[/]", "has to end in the name of a file"),
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


def test_separators_part_fields() -> None:
    pattern = compile_pattern("{patient}[_{session}][_{rater}].nii", SPELLINGS, separators="_")
    assert pattern.required == {"patient"}
    assert pattern.match(("a_b.nii",)) == {"patient": "a", "session": "b", "rater": ""}
    assert pattern.match(("a_b_c.nii",)) == {"patient": "a", "session": "b", "rater": "c"}
    assert pattern.match(("a_b_c_d.nii",)) is None


def test_more_fields() -> None:
    pattern = compile_pattern("{patient}_run{run}.nii", SPELLINGS, ("run",))
    assert pattern.match(("a_run2.nii",)) == {"patient": "a", "run": "2"}


@given(patient=name_part, session=st.none() | name_part, run=st.none() | name_part)
def test_parts_that_may_be_absent_are_read_as_they_were_written(
    patient: str, session: str | None, run: str | None
) -> None:
    pattern = compile_pattern("{patient}/[{session}/]{patient}[_{session}][_run-{run}].nii", SPELLINGS, ("run",), "_-")
    folder = f"{patient}/{session}/{patient}_{session}" if session else f"{patient}/{patient}"
    path = f"{folder}_run-{run}.nii" if run else f"{folder}.nii"
    assert pattern.match(("data", *path.split("/"))) == {"patient": patient, "session": session or "", "run": run or ""}


def test_templates() -> None:
    assert fill("a{patient}[-{session}]", {"patient": "[x]", "session": "{y}"}) == "a[x]-{y}"
    assert fill("a{patient}[-{session}]", {"patient": "1", "session": ""}) == "a1"
    assert required_of("a{patient}[-{session}]") == ("patient",)
    assert fields_of("{patient}-s{session}") == ("patient", "session")
    assert fill("{patient}-s{session}", {"patient": "{session}", "session": "2"}) == "{session}-s2"


PIECES = ("{patient}", "{session:a*|b}", "{channel}", "{slice}", "[", "]", "(a|b)", "(", "|", ")", "*", "?", "/", "_")
PIECES += ("x", ".nii", "{", "}", ":", "{patient:", ".h5/raw", "\\", "..", "^", "$", "\n", "é")


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), st.sampled_from(["", "_", "_-]^"]))
def test_any_text_is_a_pattern_or_is_refused(text: str, separators: str) -> None:
    try:
        pattern = compile_pattern(text, SPELLINGS, separators=separators)
    except ValueError:
        return
    for path in ("x.nii", "a/b/x_flair.nii", "d/" + text):
        found = pattern.match(path.split("/"))
        if found is not None:
            assert set(found) == set(pattern.fields)
            assert all(found[name] for name in pattern.required)
            pattern.says(path.split("/"))
