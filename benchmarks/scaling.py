"""What prediction costs as volumes grow, and as their number does.

    python benchmarks/scaling.py

Whole processes that predict volumes of 0.5, 1, 2 and 4 times the voxels of the MNI grid at 1 mm, and 1, 10 and 100
volumes of that grid. The peers are cropped to the head, as msseg is, and are left out of 100 volumes: they take as much
longer as 10 are.
"""

import argparse
import os
import tempfile
from pathlib import Path

from given import add_options, make_image, make_model, notes_of, predict_command, predictor_command, shrink
from harness import Result, Target, compare_commands, parser, run_command, write_results

VOXELS = (0.5, 1.0, 2.0, 4.0)
CASES = (1, 10, 100)
PEERS = {"MONAI, cropped": "monai-cropped", "nnU-Net, its crop": "nnunet"}
PEER_CASES = 10
MUCH_MEMORY = 1.25
"""Peak memory of 100 cases as a multiple of that of one: one is read, one computed and one written at a time."""


def scaled(shape: tuple[int, int, int], factor: float) -> tuple[int, int, int]:
    """A grid of `factor` times the voxels."""
    x, y, z = (round(size * factor ** (1 / 3)) for size in shape)
    return x, y, z


def commands(
    model: Path, images: list[Path], folder: Path, arguments: argparse.Namespace
) -> dict[str, list[str | Path]]:
    """All contenders on these images."""
    ours = predict_command(model, images, folder / "out", "--device", arguments.device)
    if len(images) > PEER_CASES:
        return {"msseg predict": ours}
    peers = {
        name: predictor_command(predictor, model, images, folder / "mask.nii.gz", arguments)
        for name, predictor in PEERS.items()
    }
    return {"msseg predict": ours, **peers}


def copies(image: Path, number: int) -> list[Path]:
    """The same volume under so many names."""
    paths = [image.with_name(f"case{index:03d}.nii.gz") for index in range(number)]
    for path in paths:
        if not path.exists():
            os.link(image, path)
    return paths


def targets(results: list[Result], cases: tuple[int, ...]) -> list[Target]:
    """That many cases need no more memory than one, and no more time each."""
    ours = {result.comparison: result.median for result in results if result.name == "msseg predict"}
    one, many = ours[title_of(cases[0])], ours[title_of(cases[-1])]
    return [
        Target(f"peak memory of {cases[-1]} cases / of one", many["peak_mib"] / one["peak_mib"], at_most=MUCH_MEMORY),
        Target(f"time of {cases[-1]} cases / {cases[-1]} x that of one",
               many["seconds"] / cases[-1] / one["seconds"], at_most=1.0),
    ]  # fmt: skip


def title_of(cases: int) -> str:
    """Heading of a table."""
    return f"{cases} volume{'s' if cases > 1 else ''} in one process"


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    options = parser(__doc__, rounds=1)
    add_options(options)
    return options.parse_args(argv)


def main() -> None:
    """Measure, and write both files."""
    arguments = parse()
    shape = shrink(arguments)
    voxels, cases = (VOXELS, CASES) if not arguments.tiny else ((1.0, 2.0), (1, 2))
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = arguments.model or make_model(folder / "model", arguments.base_channels, arguments.patch)
        image = make_image(folder / "image.nii.gz", shape)
        run_command(predict_command(model, [image], folder / "out", "--device", arguments.device))  # makes the export
        for factor in voxels:
            grid = scaled(shape, factor)
            larger = make_image(folder / "larger.nii.gz", grid)
            title = f"{factor:g} x the voxels: {' x '.join(map(str, grid))}"
            given = commands(model, [larger], folder, arguments)
            results += compare_commands(title, given, arguments.rounds, arguments.threads)
        for number in cases:
            given = commands(model, copies(image, number), folder, arguments)
            results += compare_commands(title_of(number), given, arguments.rounds, arguments.threads)
    write_results("scaling", results, notes_of(arguments), targets(results, cases), arguments.out)


if __name__ == "__main__":
    main()
