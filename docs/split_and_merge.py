"""Draws pictures/split_and_merge.png: what a split, a merger and a wide membrane look like, and what they score.

python docs/split_and_merge.py             needs msseg[demo]; takes a few seconds
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch
from PIL import Image
from scipy import ndimage

from msseg.metrics.membranes import score_stack
from msseg.metrics.segments import label_segments
from msseg.report.overlays import MERGER, SEGMENT_MARKS, SPLIT, blend, segment_codes
from msseg.report.segment_errors import errors_of, filled_up, matched, thickened
from msseg.volumes.phantom.em_stack import draw_em_stack

SIZE, SEED = 160, 2
TARGET = Path(__file__).parent / "pictures" / "split_and_merge.png"
Place = tuple[float, float]


def main() -> None:
    """Draw and save."""
    stack = draw_em_stack(slices=1, size=SIZE, seed=SEED)
    grey, inside = stack.image[0], stack.neurite[0] > 0
    split, cut = with_split(inside)
    merged, gap = with_merger(inside)
    wide = ndimage.binary_erosion(inside, ndimage.generate_binary_structure(2, 1), border_value=1)
    panels = [
        ("truth", inside, None),
        ("a split: one membrane too many", split, cut),
        ("a merger: one gap in a membrane", merged, gap),
        ("no error: all membranes 2 pixels wider", wide, None),
    ]
    figure = Figure(figsize=(14, 4.9), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, prediction, place) in zip(figure.subplots(1, 4), panels, strict=True):
        draw(axes, grey, prediction, inside, place)
        axes.set_title(title, fontsize=11)
        axes.set_xlabel(scores(prediction, inside), fontsize=10, family="monospace")
    handles = [Patch(facecolor=mark.colour, label=f"{mark.title}: {mark.meaning}") for mark in (SPLIT, MERGER)]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=10)
    save(figure)


def with_split(inside: np.ndarray) -> tuple[np.ndarray, Place]:
    """A membrane of three pixels across the middle of the largest neurite; where it is."""
    labels = label_segments(inside)
    largest = labels == np.bincount(labels[labels > 0]).argmax()
    row, column = (round(value) for value in ndimage.center_of_mass(largest))
    prediction = inside.copy()
    prediction[row - 1 : row + 2][largest[row - 1 : row + 2]] = False
    return prediction, (column, row)


def with_merger(inside: np.ndarray) -> tuple[np.ndarray, Place]:
    """A hole of a few pixels in the membrane between the two neighbours that are largest together; where it is."""
    labels = label_segments(inside)
    filled, sizes = filled_up(labels), np.bincount(labels.ravel())
    pairs = np.stack([filled[:, :-1].ravel(), filled[:, 1:].ravel()], axis=1)
    touching = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    first, second = max(touching, key=lambda pair: min(sizes[pair]))
    both = (filled == first) | (filled == second)
    border = ndimage.binary_dilation(filled == first) & (filled == second)
    rows, columns = np.nonzero(border)
    middle = np.argsort(rows)[rows.size // 2]
    row, column = rows[middle], columns[middle]
    distance = np.hypot(*(axis - at for axis, at in zip(np.indices(inside.shape), (row, column), strict=True)))
    return inside | (both & (distance <= 4)), (column, row)


def draw(axes: Axes, grey: np.ndarray, prediction: np.ndarray, truth: np.ndarray, place: Place | None) -> None:
    """The prediction's segments over the image, with errors, and a circle around their cause."""
    segments, objects = label_segments(prediction), label_segments(truth)
    mergers, splits = errors_of(segments, objects)
    codes = segment_codes(matched(segments, objects), [(thickened(splits, 1), SPLIT), (thickened(mergers, 1), MERGER)])
    axes.imshow(blend(grey, codes, SEGMENT_MARKS), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if place is not None:
        axes.add_patch(Circle(place, 15, fill=False, ec="white", lw=2))


def scores(prediction: np.ndarray, truth: np.ndarray) -> str:
    """The scores below a panel."""
    stack = score_stack(prediction[..., np.newaxis].astype(np.float32), truth[..., np.newaxis], (0.5,))["stack"]
    lines = [
        f"{name} {stack[key]:.3f}  split {stack[f'{key}_split']:.3f}  merge {stack[f'{key}_merge']:.3f}"
        for name, key in (("V_rand", "v_rand"), ("V_info", "v_info"))
    ]
    return "\n".join([*lines, f"pixel error {stack['pixel_error']:.4f}  V_dice {stack['dice']:.4f}"])


def save(figure: Figure) -> None:
    """Write a PNG of 8 bits a colour, since few colours would dull the lines."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(75)
    canvas.draw()
    TARGET.parent.mkdir(exist_ok=True)
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(TARGET, optimize=True)
    print(f"wrote {TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
