"""Pages of cases: which slices are shown, how errors are drawn small, what bounds the size, where links lead."""

import base64
import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from msseg.report.case_pages import case_views, model_anchors
from msseg.report.collect import collect_runs
from msseg.report.drawings import draw
from msseg.report.galleries import FEWEST_SLICES, MOST_SLICES, galleries, reduced, slices_per_case
from msseg.report.lesion_words import LESIONS
from msseg.report.pictures import case_pictures
from msseg.report.rows import build_rows
from msseg.report.slice_choice import slices_of_interest


def pictures_of(*runs):
    return case_pictures(build_rows(collect_runs(runs)))


def volume(*counts):
    """A mask that has so many voxels in each slice."""
    mask = np.zeros((5, 5, len(counts)), dtype=bool)
    for place, count in enumerate(counts):
        mask[..., place].flat[:count] = True
    return mask


def test_the_slice_with_the_largest_error_comes_first():
    truth, prediction = volume(0, 3, 9, 4, 0, 2), volume(0, 3, 8, 0, 0, 9)
    assert slices_of_interest(truth, [prediction], 3) == [5, 3, 2]
    assert slices_of_interest(truth, [prediction], 12) == [5, 3, 2, 1]


def test_equal_errors_are_ranked_by_lesion_and_no_lesion_shows_nothing():
    truth = volume(1, 5, 3)
    assert slices_of_interest(truth, [truth], 3) == [1, 2, 0]
    assert slices_of_interest(volume(0, 0), [volume(0, 0)], 3) == []
    assert slices_of_interest(volume(0, 0), [volume(0, 2)], 3) == [1]
    assert slices_of_interest(truth, [truth], 0) == []


def test_chosen_slices_are_spread():
    error = [20 - abs(place - 10) for place in range(20)]
    chosen = slices_of_interest(volume(*error), [volume(*[0] * 20)], 4)
    assert chosen[0] == 10
    assert min(np.diff(sorted(chosen))) >= 2
    assert max(chosen) - min(chosen) >= 10


@given(st.lists(st.integers(0, 25), min_size=1, max_size=40), st.randoms(use_true_random=False), st.integers(1, 12))
def test_what_is_chosen_holds_lesion_and_is_in_the_order_of_errors(counts, random, limit):
    truth = volume(*counts)
    prediction = volume(*random.sample(counts, len(counts)))
    chosen = slices_of_interest(truth, [prediction], limit)
    errors = (truth ^ prediction).sum(axis=(0, 1))
    held = (truth | prediction).any(axis=(0, 1))
    assert len(set(chosen)) == len(chosen) <= min(limit, held.sum())
    assert held[chosen].all()
    assert list(errors[chosen]) == sorted(errors[chosen], reverse=True)
    if held.any():
        assert errors[chosen[0]] == errors[held].max()


def test_no_wrong_pixel_gets_lost_in_a_smaller_picture():
    codes = np.ones((7, 5), dtype=np.uint8)
    codes[6, 4], codes[0, 1] = 3, 2
    small = reduced(codes, 2)
    assert small.shape == (4, 3)
    assert small[3, 2] == 3
    assert small[0, 0] == 2
    assert (reduced(codes, 1) == codes).all()


def test_networks_share_the_images_of_a_channel(make_run):
    errors = {"FLAIR": 0.2, "T1": 0.5}
    picture = pictures_of(make_run("one", errors=errors), make_run("two", "unet3d", errors))[0]
    drawing = draw(picture, 12)
    views = galleries("case-1", picture, drawing.further)
    assert list(views) == picture.models
    assert [key[1] for key in views] == ["FLAIR", "T1", "FLAIR", "T1"]
    for first, second in (("FLAIR", 0), ("T1", 1)):
        keys = [key for key in views if key[1] == first]
        own, shared = views[keys[0]], views[keys[1]]
        assert all(view.grey and not view.shared for view in own)
        assert all(view.shared and not view.grey for view in shared)
        assert [view.name for view in own] == [view.name for view in shared]
        assert own[0].name.startswith(f"case-1-slice-{second}-")
    image = Image.open(io.BytesIO(base64.b64decode(own[0].grey.split(",")[1])))
    assert image.format == "JPEG"
    assert image.size == drawing.further[0].truth.shape[::-1]


def test_captions_tell_the_errors_area(make_run):
    picture = pictures_of(make_run("one", errors={"FLAIR": 0.5}))[0]
    drawing = draw(picture, 12)
    (views,) = galleries("x", picture, drawing.further).values()
    for view, shown in zip(views, drawing.further, strict=True):
        (mask,) = shown.predictions.values()
        missed, added = (shown.truth & ~mask).sum(), (mask & ~shown.truth).sum()
        assert view.caption == f"missed {missed}, added {added} mm²"  # pixels of 1 mm
        assert view.title.startswith(f"slice {shown.number[0]} (z = ")


def test_the_size_of_the_page_is_bounded(make_run, monkeypatch):
    subjects = [make_run.subject(f"case{number}", number) for number in range(4)]
    pictures = pictures_of(make_run("one", subjects=subjects))
    assert slices_per_case(pictures) == [MOST_SLICES] * 4
    one = 9.8
    for kilobytes, expected in ((6 * 4 * one, [6] * 4), (2.5 * FEWEST_SLICES * one, [FEWEST_SLICES] * 2 + [0] * 2)):
        monkeypatch.setattr("msseg.report.galleries.PAGE_KILOBYTES", kilobytes + 1e-6)
        assert slices_per_case(pictures) == expected
    assert slices_per_case([]) == []


def test_each_network_has_its_part_of_a_cases_page(make_run):
    pictures = pictures_of(make_run("one", errors={"FLAIR": 0.2, "T1": 0.5}))
    views = list(case_views(pictures, LESIONS.by_case))
    assert [view.case for view in views] == [picture.case for picture in pictures]
    for picture, view in zip(pictures, views, strict=True):
        assert [(model.label, model.channel) for model in view.models] == picture.models
        for model in view.models:
            scored = picture.results[model.label, model.channel]
            assert model.scores[0] == f"{scored.values['dsc']:.3f}"
            assert model.told.startswith(f"DSC {model.scores[0]}, ")
            assert model.told.endswith(f"{len(model.slices)} slices")
            assert model_anchors(pictures)[picture.case, model.label, model.channel] == model.anchor
            assert sum(lesion.verdict == "missed" for lesion in model.lesions) == sum(
                row.verdict == "FN" for row in scored.lesions
            )


def test_a_case_whose_files_are_gone_keeps_its_scores(make_run):
    run = make_run("one")
    (run / "FLAIR" / "predictions" / "a_mask.nii.gz").unlink()
    view = next(view for view in case_views(pictures_of(run), LESIONS.by_case) if view.case == "a")
    assert "a_mask.nii.gz" in view.problem
    (model,) = view.models
    assert model.slices == ()
    assert model.scores[0] != "–"
    assert model.lesions


def test_label_values_choose_what_counts_as_the_truth(make_run, tmp_path):
    import nibabel as nib

    run = make_run("one", config={"data": {"channels": ["FLAIR"], "label_values": [2]}})
    path = tmp_path / "data" / "a_truth.nii.gz"
    image = nib.load(path)
    values = np.asarray(image.dataobj).copy()
    values[:, :, 7:][values[:, :, 7:] > 0] = 2
    nib.save(nib.Nifti1Image(values, image.affine), path)
    picture = next(picture for picture in pictures_of(run) if picture.case == "a")
    assert picture.label_values == (2,)
    drawing = draw(picture, 12)
    held = {shown.number[0] - 1 for shown in drawing.further if shown.truth.any()}
    assert held == {7, 8}


def test_slices_of_stacks_have_no_such_pages(make_slices):
    pictures = pictures_of(make_slices("one"))
    assert all(view.models == () for view in case_views(pictures, ()))
