"""A patient, and what the scanner and the raters make of one session."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from msseg.volumes.phantom.acquisition import acquire, draw_reposition, mix_tissues
from msseg.volumes.phantom.anatomy import Anatomy
from msseg.volumes.phantom.deform import draw_patient_anatomy
from msseg.volumes.phantom.fields import FloatArray, smooth_field
from msseg.volumes.phantom.lesion_sites import draw_lesions
from msseg.volumes.phantom.lesions import Lesion, render_lesions
from msseg.volumes.phantom.mimics import Mimics, draw_mimics
from msseg.volumes.phantom.signal import CHANNELS, SEQUENCES, vary_times


@dataclass(frozen=True)
class Patient:
    """One person: anatomy, lesions of all sessions, and what else shines in the images."""

    anatomy: Anatomy
    lesions: tuple[Lesion, ...]
    mimics: Mimics
    seed: int


@dataclass(frozen=True)
class Scan:
    """One session: images (X, Y, Z) by channel, 0 outside the brain; masks (X, Y, Z) of the two raters."""

    images: dict[str, FloatArray]
    label: NDArray[np.bool_]
    second_label: NDArray[np.bool_]
    affine: NDArray[np.float64]


def draw_patient(template: Anatomy, seed: int) -> Patient:
    """A patient with a head like the template's; the same seed draws the same patient."""
    rng = np.random.default_rng([seed, 0])
    anatomy = draw_patient_anatomy(template, rng)
    ventricle_mm = anatomy.distance_mm(anatomy.ventricles > 0.5)
    lesions = draw_lesions(anatomy, ventricle_mm, rng)
    return Patient(anatomy, lesions, draw_mimics(anatomy, ventricle_mm, rng), seed)


def draw_scan(patient: Patient, session: int = 0, channels: Sequence[str] = CHANNELS) -> Scan:
    """The patient's session (from 0) in the scanner; the same arguments draw the same scan.

    A channel looks the same whichever others are drawn with it.
    """
    anatomy = patient.anatomy
    lesions = render_lesions(patient.lesions, anatomy, session, np.random.default_rng([patient.seed, 1]))
    rng = np.random.default_rng([patient.seed, 2, session])
    reposition = draw_reposition(anatomy, rng)
    extent = reposition.move(anatomy.room_for_lesions * lesions.extent)
    second_label = _second_rater(extent, anatomy.spacing_mm, rng)
    mixture = mix_tissues(anatomy, lesions, patient.mimics)
    images = {}
    for name in channels:
        rng = np.random.default_rng([patient.seed, 3, session, CHANNELS.index(name)])
        clean = mixture.image(vary_times(SEQUENCES[name], rng))
        images[name] = acquire(reposition.move(clean, order=3), name, anatomy.spacing_mm, rng)
    return Scan(images, extent > 0.5, second_label, anatomy.affine)


def _second_rater(extent: FloatArray, spacing_mm: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Another rater's mask: borders drawn elsewhere, some of the small lesions missed.

    Two raters of the ISBI 2015 data agree with a DSC of about 0.7; these agree a little better.
    """
    border = 0.5 + rng.normal(0, 0.09) + 0.16 * smooth_field(extent.shape, spacing_mm, 4.0, rng)
    drawn = extent > np.clip(border, 0.1, 0.9)
    components, count = ndimage.label(extent > 0.1)
    volumes_mm3 = np.bincount(components.ravel(), minlength=count + 1) * spacing_mm**3
    missed = rng.uniform(size=count + 1) < 0.5 * np.exp(-volumes_mm3 / 150)
    return np.asarray(drawn & ~missed[components])
