"""Draws pictures/patch_steps.png: one volume on its way to a training patch, then each augmentation alone.

python docs/draw_patch_steps.py            needs msseg[demo]; takes a few seconds
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from msseg.config.patches import Affine, BiasField, Blur, Contrast, Elastic, Flip, Gamma, Motion, Noise
from msseg.config.preprocessing import PreprocessingConfig
from msseg.patches.augmentation import PatchAugmentation
from msseg.patches.sampling import cut, draw_start
from msseg.volumes.files import read_label, read_volume
from msseg.volumes.phantom.cohort import write_cohort
from msseg.volumes.preprocessing import prepare

SIZE = (64, 64, 64)
ENTRIES = (Motion(), BiasField(), Noise(), Gamma(), Contrast(), Blur(), Flip(axes=(1,)), Affine(), Elastic())
TARGET = Path(__file__).parent / "pictures" / "patch_steps.png"


def main() -> None:
    """Draw and save."""
    with tempfile.TemporaryDirectory() as folder:
        write_cohort(Path(folder), patients=1, sessions=1, seed=3)
        image = read_volume(next(Path(folder).rglob("*flair*")))
        label = read_label(next(Path(folder).rglob("*mask1*")))
    prepared = prepare([image], PreprocessingConfig(), label)
    assert prepared.label is not None
    lesions = np.argwhere(prepared.label)
    start = draw_start(prepared.label.shape, SIZE, 1.0, lesions, np.random.default_rng(4))
    patch = cut(prepared.data, start, SIZE)
    patch_label = cut(prepared.label[np.newaxis], start, SIZE).astype(np.float32)
    level = int(patch_label[0].sum(axis=(0, 1)).argmax())
    z = int(prepared.label.sum(axis=(0, 1)).argmax())
    panels = [
        ("file", image.data[:, :, label.data.sum(axis=(0, 1)).argmax()], None),
        ("RAS, cropped, z-scored", prepared.data[0, :, :, z], prepared.label[:, :, z]),
        ("patch with lesion", patch[0, :, :, level], patch_label[0, :, :, level]),
    ]
    for entry in ENTRIES:
        torch.manual_seed(7)
        certain = entry.model_copy(
            update={"probability": 1.0, **({"per_axis": 1.0} if isinstance(entry, Flip) else {})}
        )
        moved, moved_label = PatchAugmentation([certain], SIZE, prepared.spacing)(patch.copy(), patch_label.copy())
        panels.append((entry.name, moved[0, :, :, level].numpy(), moved_label[0, :, :, level].numpy()))
    draw(panels)


def draw(panels: list[tuple[str, np.ndarray, np.ndarray | None]]) -> None:
    """Panels of (title, slice, label slice) on a grid; the label's outline in orange."""
    figure = Figure(figsize=(12, 9.3), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    window = np.percentile(
        panels[2][1], (0.5, 99.5)
    )  # one grey scale for all patches, else it would hide gamma and contrast
    for number, (title, grey, outline) in enumerate(panels):
        axes = figure.add_subplot(3, 4, number + 1)
        low, high = window if outline is not None else np.percentile(grey, (1, 99.7))
        axes.imshow(grey.T, cmap="gray", origin="lower", vmin=low, vmax=high)
        if outline is not None and outline.any():
            axes.contour(outline.T, levels=[0.5], colors="#e66101", linewidths=1.2)
        axes.set_title(title, fontsize=11)
        axes.set_axis_off()
    TARGET.parent.mkdir(exist_ok=True)
    figure.savefig(TARGET, dpi=70)
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
