"""One case: its files are read one after another, and facts, features and problems are kept of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np

from msseg.cases.case import Case
from msseg.config.data import LabelMeaning
from msseg.doctor import intensity
from msseg.doctor.channels import better_flip
from msseg.doctor.facts import CaseFacts, ImageFacts, LabelFacts
from msseg.doctor.findings import Severity
from msseg.doctor.fingerprint import Fingerprint, fingerprint
from msseg.doctor.kinds import Observation
from msseg.doctor.labels import LabelView, examine_label
from msseg.doctor.orientation import LabelProbe, describe_flip
from msseg.doctor.picture import Thumbnail, thumbnail
from msseg.doctor.reading import Reading, quietly, read_image
from msseg.errors import InputError
from msseg.volumes.files import is_stack, same_grid
from msseg.volumes.tiff import Colour
from msseg.volumes.volume import Volume

BACKGROUND_SHARE = 1e-6
"""As preprocessing takes voxels for background (`msseg.volumes.preprocessing`)."""
OUTSIDE_WARNING = 0.05
"""Share of a label on background above which it is worth a look: borders of a mask reach a voxel beyond the brain."""
OUTSIDE_ERROR = 0.5


@dataclass(frozen=True)
class Settings:
    """What of an experiment matters to the examination.

    Attributes:
        meaning: What labels' values stand for.
        label_values: Which values of a mask count; None: all above 0.5.
        align: Whether other grids are refused or resampled.
        colour: What becomes of colours in TIFF and PNG.
        pictures: Whether thumbnails are made.
    """

    meaning: LabelMeaning = "mask"
    label_values: tuple[int, ...] | None = None
    align: str = "refuse"
    colour: Colour = "refuse"
    pictures: bool = False


@dataclass(eq=False)
class Measured:
    """What is kept of a case.

    Attributes:
        case: The case.
        facts: Its numbers.
        problems: What is wrong with it by itself.
        quantiles: Of each channel's histogram.
        fingerprints: Of each channel.
        label_digest: Of a label that is not empty.
        picture: The thumbnail, where one was asked for.
    """

    case: Case
    facts: CaseFacts
    problems: list[Observation] = field(default_factory=list)
    quantiles: dict[str, np.ndarray] = field(default_factory=dict)
    fingerprints: dict[str, Fingerprint] = field(default_factory=dict)
    label_digest: bytes | None = None
    picture: Thumbnail | None = None


def measure(case: Case, settings: Settings) -> Measured:
    """Examine one case by itself. Nothing that is wrong with its files is raised."""
    with quietly(), np.errstate(invalid="ignore", over="ignore"):
        return _Examiner(case, settings).run()


class _Examiner:
    """Reads the label, then channel by channel; two volumes are in memory at a time, and the label's mask."""

    def __init__(self, case: Case, settings: Settings) -> None:
        self.case, self.settings = case, settings
        self.measured = Measured(case, CaseFacts(case.id, case.group))
        self.images: dict[str, ImageFacts] = {}
        self.label: LabelView | None = None
        self.probe: LabelProbe | None = None
        self.first: Volume | None = None
        self.first_channel = ""
        self.first_subject = np.zeros(0, dtype=bool)
        self.outside: np.ndarray | None = None

    def run(self) -> Measured:
        if self.case.label is not None:
            self.label, problems = examine_label(self.case, self.settings.meaning, self.settings.label_values)
            self.measured.problems += problems
            if self.label is not None:
                self.measured.label_digest = self.label.digest
        for channel, path in self.case.images.items():
            try:
                reading = read_image(path, self.case.page, self.settings.colour)
            except InputError as error:
                self.note("error", "unreadable", path, str(error))
                continue
            self.image(channel, path, reading)
        facts = self.label_facts() if self.label is not None else None
        self.measured.facts = CaseFacts(self.case.id, self.case.group, self.images, facts)
        return self.measured

    def note(self, severity: Severity, kind: str, path: Path | None, detail: str) -> None:
        files = () if path is None else (path,)
        self.measured.problems.append(Observation(severity, kind, (self.case.id,), files, detail))

    def image(self, channel: str, path: Path, reading: Reading) -> None:
        self.remarks(channel, path, reading)
        volume = reading.volume
        low, high = float(volume.data.min()), float(volume.data.max())
        nonzero = np.abs(volume.data) > BACKGROUND_SHARE * max(abs(low), abs(high))
        subject = intensity.subject_of(volume.data)
        self.images[channel] = self.image_facts(path, volume, low, high, nonzero, subject)
        if low == high:
            self.note("error", "constant", path, f"{channel} is {low:g} everywhere")
            return
        if not self.is_image(channel, path, volume, nonzero):
            return
        self.keep(channel, volume, subject)
        if self.first is None:
            self.first, self.first_subject, self.first_channel = volume, subject, channel
            self.begin_label(path, volume)
        elif same_grid(self.first, volume):
            self.compare_channel(channel, path, volume, subject)
        else:
            self.grid_problem(channel, path, self.first, volume)
            return
        if self.outside is not None:
            self.outside &= ~nonzero[self.label_mask()]
        if self.probe is not None and self.probe.tells:
            self.probe.add(volume.data, subject)

    def remarks(self, channel: str, path: Path, reading: Reading) -> None:
        if reading.not_finite:
            share = reading.not_finite / reading.volume.data.size
            told = f"{share:.2%}" if share >= 1e-4 else "less than 0.01%"
            self.note("warning", "not_finite", path, f"{reading.not_finite} voxels of {channel} ({told} of all)")
        if reading.forms_apart_mm is not None:
            self.note("warning", "qform_sform", path, f"{channel} by {reading.forms_apart_mm:.3g} mm at a corner")
        if reading.frames:
            self.note("note", "single_frame", path, channel)
        for remark in reading.notes:
            self.note("note", "reader", path, f"{channel}: {remark}")

    def is_image(self, channel: str, path: Path, volume: Volume, nonzero: np.ndarray) -> bool:
        inside = volume.data[nonzero]
        if inside.min() == inside.max() and not is_stack(path):
            self.note("error", "mask_as_image", path, f"{channel} holds {inside[0]:g} and the background alone")
            return False
        value = None if is_stack(path) else intensity.constant_background(volume.data)
        if value is not None:
            self.note("warning", "background", path, f"{channel} has {value:g} there")
        return True

    def image_facts(
        self, path: Path, volume: Volume, low: float, high: float, nonzero: np.ndarray, subject: np.ndarray
    ) -> ImageFacts:
        placed = not is_stack(path)
        sample = intensity.normalised_sample(volume.data, subject)
        voxel_ml = float(np.prod(volume.spacing)) / 1000
        tilt = float(np.degrees(nib.affines.obliquity(volume.affine)).max()) if placed else 0.0
        return ImageFacts(
            path,
            volume.shape,
            volume.spacing,
            volume.orientation if placed else "",
            0.0 if tilt < 0.01 else tilt,
            low,
            high,
            np.count_nonzero(nonzero) / volume.data.size,
            np.count_nonzero(subject) * voxel_ml if placed and min(volume.shape) > 1 else None,
            histogram=intensity.histogram_of(sample) if sample.size else (),
        )

    def keep(self, channel: str, volume: Volume, subject: np.ndarray) -> None:
        sample = intensity.normalised_sample(volume.data, subject)
        solid = intensity.subject_of(volume.data, intensity.SOLID_OF_BRIGHT)
        if sample.size:
            self.measured.quantiles[channel] = intensity.quantiles_of(sample)
        self.measured.fingerprints[channel] = fingerprint(volume.data, volume.affine, solid)

    def begin_label(self, path: Path, volume: Volume) -> None:
        """The label beside the first channel: its grid, then all that needs both."""
        if self.label is not None and not same_grid(volume, self.label.mask):
            self.grid_problem("label", self.label.mask.path or path, volume, self.label.mask)
        elif self.label is not None and self.label.mask.data.any():
            self.outside = np.ones(np.count_nonzero(self.label_mask()), dtype=bool)
            if self.settings.meaning == "mask" and not is_stack(path):
                self.probe = LabelProbe(self.label_mask())
        if self.settings.pictures:
            mask = self.label_mask() if self.label is not None and same_grid(volume, self.label.mask) else None
            self.measured.picture = thumbnail(volume, mask)

    def label_mask(self) -> np.ndarray:
        assert self.label is not None
        return self.label.mask.data

    def compare_channel(self, channel: str, path: Path, volume: Volume, subject: np.ndarray) -> None:
        assert self.first is not None
        if is_stack(path):
            return
        flip = better_flip(self.first.data, volume.data, self.first_subject, subject)
        if flip is not None:
            what = describe_flip(flip, volume.orientation)
            self.note("warning", "channel_flipped", path, f"{channel} fits {self.first_channel} better {what}")

    def grid_problem(self, what: str, path: Path, first: Volume, other: Volume) -> None:
        if other.shape == first.shape and first.spacing == other.spacing and first.orientation == other.orientation:
            apart = np.linalg.norm((first.affine - other.affine)[:3, 3])
            against = f"origins {apart:.3g} mm apart, or tilted"
        else:
            against = f"{other.describe_grid()} against {first.describe_grid()}"
        if sorted(other.shape) == sorted(first.shape) and other.shape != first.shape:
            against += " (the same sizes in another order: were axes swapped?)"
        severity: Severity = "warning" if self.settings.align == "resample" else "error"
        self.note(severity, "grid", path, f"{what} and {self.first_channel}: {against}")

    def label_facts(self) -> LabelFacts:
        assert self.label is not None
        outside = float(self.outside.mean()) if self.outside is not None and self.outside.size else 0.0
        path = self.label.facts.path
        if outside >= OUTSIDE_WARNING:
            severity: Severity = "error" if outside >= OUTSIDE_ERROR else "warning"
            self.note(severity, "label_outside", path, f"{outside:.0%} of {self.label.facts.voxels} voxels")
        contrast = self.probe_verdict(path)
        return self.label.with_places(outside, contrast)

    def probe_verdict(self, path: Path) -> float | None:
        if self.probe is None or not self.probe.fits:
            return None
        contrast, better = self.probe.contrast, self.probe.better()
        assert self.first is not None
        if better is not None and contrast is not None:
            flip, fit = better
            what = describe_flip(flip, self.first.orientation)
            self.note(
                "warning", "label_flipped", path, f"contrast {abs(fit.contrast):.1f} {what}, {contrast:.1f} as it lies"
            )
        elif contrast is not None and self.probe.says_nothing:
            self.note("warning", "label_contrast", path, f"{contrast:.2f} standard deviations at most")
        return contrast


def channels_of(measured: Sequence[Measured]) -> list[str]:
    """All channels, in the order in which they are met."""
    return list(dict.fromkeys(channel for of in measured for channel in of.case.images))
