"""From one image file to one mask file: msseg and its engines, MONAI, TorchIO and nnU-Net.

    python benchmarks/inference.py                                      random weights, a made-up head
    python benchmarks/inference.py --model RUN/FLAIR/model --image X_FLAIR.nii.gz --truth X_lesions.nii.gz

Every measurement is a process of its own, from its start to its end; `file to file` leaves out imports and the loading
of the model, which msseg does not tell. The peers compute the same network; how they are used is in predictors.py.
All predict by windows of the training patch with an overlap of a half. Without a model the weights are random: they
have no DSC with the truth, and their patch holds a head.
"""

import argparse
import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from given import (
    add_options,
    dsc,
    make_image,
    make_model,
    notes_of,
    on_grid,
    predict_command,
    predictor_command,
    shrink,
)
from harness import Result, Target, compare_commands, parser, run_command, without_folder, write_results

OURS = "msseg predict"
REFERENCE = "msseg, the reference: torch fp32, blended patches"
ENGINES: Mapping[str, Sequence[str]] = {
    OURS: (),
    "msseg predict, openvino bf16": ("--engine", "openvino", "--precision", "bf16"),
    "msseg predict, openvino fp32": ("--engine", "openvino", "--precision", "fp32"),
    "msseg predict, onnxruntime fp32": ("--engine", "onnxruntime", "--precision", "fp32"),
    "msseg predict, torch bf16": ("--engine", "torch", "--precision", "bf16"),
    "msseg predict, torch fp32": ("--engine", "torch", "--precision", "fp32"),
}
PEERS: Mapping[str, str] = {
    REFERENCE: "reference",
    "MONAI": "monai",
    "MONAI, cropped to the foreground": "monai-cropped",
    "TorchIO": "torchio",
    "nnU-Net": "nnunet-whole",
    "nnU-Net, its crop to non-zero": "nnunet",
}
CROPPED = {"MONAI, cropped to the foreground", "nnU-Net, its crop to non-zero"}
SECONDS = 2.5
"""Aim for a whole `msseg predict`, as the faster engine of a CPU with bf16 instructions."""


def contenders(
    model: Path, image: Path, folder: Path, arguments: argparse.Namespace
) -> tuple[dict[str, list[str | Path]], dict[str, Path]]:
    """Commands by name, and the mask that each of them writes."""
    commands: dict[str, list[str | Path]] = {}
    masks: dict[str, Path] = {}
    on_cpu = arguments.device == "cpu"
    for name, options in ENGINES.items():
        if not on_cpu and options and "torch" not in options:
            continue  # those engines are for CPUs
        out = folder / f"msseg{len(masks)}"
        commands[name] = predict_command(model, [image], out, "--device", arguments.device, *options)
        masks[name] = out / f"{image.name.split('.nii')[0]}_mask.nii{'.gz' if image.name.endswith('.gz') else ''}"
    for name, predictor in PEERS.items():
        masks[name] = folder / f"{predictor}.nii.gz"
        commands[name] = predictor_command(predictor, model, [image], masks[name], arguments)
    wanted = [name for name in commands if not arguments.only or any(word in name for word in arguments.only)]
    return {name: commands[name] for name in wanted}, {name: masks[name] for name in wanted}


def with_agreement(
    results: Sequence[Result], masks: Mapping[str, Path], image: Path, truth: Path | None
) -> list[Result]:
    """The results with the DSC of each mask with the reference's, and with the truth."""
    others = {"dsc_with_reference": masks.get(REFERENCE), "dsc_with_truth": truth}
    found = {name: on_grid(path, image) for name, path in others.items() if path is not None}
    return [
        dataclasses.replace(
            result, facts={name: dsc(on_grid(masks[result.name], image), other) for name, other in found.items()}
        )
        for result in results
    ]


def targets(results: Sequence[Result]) -> list[Target]:
    """What was aimed at, of the contenders that were measured."""
    by_name = {result.name: result for result in results}
    ours = by_name.get(OURS)
    if ours is None:
        return []
    aims = [Target("msseg predict, the whole process (s)", ours.seconds, at_most=SECONDS)]
    for name, factor in (("MONAI", 20.0), ("TorchIO", 20.0), ("nnU-Net, its crop to non-zero", 5.0)):
        if name in by_name:
            aims.append(Target(f"times faster than {name}", by_name[name].seconds / ours.seconds, at_least=factor))
    aims += [
        Target(f"peak memory / that of {name}", ours.median["peak_mib"] / by_name[name].median["peak_mib"], 0.5)
        for name in PEERS
        if name in by_name and name != REFERENCE
    ]
    if "dsc_with_reference" in ours.facts:
        aims.append(Target("DSC with the reference", ours.facts["dsc_with_reference"], at_least=0.999))
    if "dsc_with_truth" in ours.facts and REFERENCE in by_name:
        gain = ours.facts["dsc_with_truth"] - by_name[REFERENCE].facts["dsc_with_truth"]
        aims.append(Target("DSC with the truth, more than the reference's", round(gain, 3), at_least=0))
    return aims


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    options = parser(__doc__)
    add_options(options)
    options.add_argument("--only", nargs="+", metavar="WORD", help="contenders whose name holds one of these")
    options.add_argument("--table", default="inference", help="name of the files of results (default: %(default)s)")
    return options.parse_args(argv)


def main() -> None:
    """Measure, and write both files."""
    arguments = parse()
    shape = shrink(arguments)
    notes = notes_of(arguments) | {
        "image": without_folder(arguments.image) if arguments.image else f"made up, {' x '.join(map(str, shape))}",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = arguments.model or make_model(folder / "model", arguments.base_channels, arguments.patch)
        image = arguments.image or make_image(folder / "image.nii.gz", shape)
        commands, masks = contenders(model, image, folder, arguments)
        run_command(predict_command(model, [image], folder / "first", "--device", arguments.device))  # makes the export
        results = compare_commands("One image file to one mask file", commands, arguments.rounds, arguments.threads)
        if arguments.model:
            results = with_agreement(results, masks, image, arguments.truth)
    write_results(arguments.table, results, notes, targets(results), arguments.out)


if __name__ == "__main__":
    main()
