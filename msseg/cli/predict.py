"""`msseg predict`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from msseg.errors import InputError, PartialFailureError


def predict(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="Model folder, the run folder it is in, or a name that `msseg models` lists.",
            show_default=False,
        ),
    ],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Files, folders of files, or CHANNEL=path pairs; with --layout the data set's folder.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder for the results: X.nii.gz gives X_mask.nii.gz.", show_default=False),
    ],
    probability: Annotated[bool, typer.Option("--probability", help="Write X_probability as well.")] = False,
    threshold: Annotated[
        float | None,
        typer.Option(help="Foreground is above this probability; default: the model's.", show_default=False),
    ] = None,
    smallest_lesion: Annotated[
        float | None,
        typer.Option(
            metavar="MM3", help="Take lesions below this volume out of masks; default: the model's.", show_default=False
        ),
    ] = None,
    layout: Annotated[str | None, typer.Option(help="INPUT is a data set of this layout.", show_default=False)] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE",
            help="With --layout, keep files of this value, as data.select does: patient=anna, run=1,2, run= (absent).",
            show_default=False,
        ),
    ] = None,
    missing: Annotated[
        Literal["error", "skip", "zero"],
        typer.Option(
            help="With --layout, cases without one of the model's channels: fail (the others go on), are left out, or"
            " have zeros there."
        ),
    ] = "error",
    ensemble: Annotated[
        list[Path] | None,
        typer.Option(help="Another model to average with (several times for more).", show_default=False),
    ] = None,
    format: Annotated[
        Literal["input", "isbi2012"],
        typer.Option(
            help="input: the kind of file that was read; isbi2012: the challenge's submission instead, X_isbi2012.tif"
            " (32-bit stack, 0 is membrane)."
        ),
    ] = "input",
    segment: Annotated[
        Literal["none", "watershed"] | None,
        typer.Option(help="Number neurites or cells: X_instances; default: as the model says.", show_default=False),
    ] = None,
    segment_threshold: Annotated[
        float | None,
        typer.Option(help="Segments begin above this probability; default: the model's.", show_default=False),
    ] = None,
    orientations: Annotated[
        bool | None,
        typer.Option(
            help="Average over the eight orientations of a slice (8 times slower), or not; default: as the model says.",
            show_default=False,
        ),
    ] = None,
    colour: Annotated[
        Literal["refuse", "grey"] | None,
        typer.Option(help="RGB images: refuse them, or take their brightness.", show_default=False),
    ] = None,
    align: Annotated[
        Literal["refuse", "resample"] | None,
        typer.Option(
            help="Channels on another grid than the first: refuse the case, or resample them; default: the model's.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        Literal["auto", "torch", "openvino", "onnxruntime"],
        typer.Option(help="What computes the network; auto: OpenVINO on a CPU where it is installed, else PyTorch."),
    ] = "auto",
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")] = "auto",
    precision: Annotated[Literal["auto", "fp32", "bf16", "fp16"], typer.Option(help="Arithmetic.")] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell windows, time and memory of every case, and write nothing.")
    ] = False,
) -> None:
    """Segment volumes or stacks of slices with a trained model; each mask lies exactly on its input's grid."""
    from msseg.inference.changes import Changes
    from msseg.inference.inputs import inputs_from_arguments, inputs_from_cases, named_by_bids, named_channels
    from msseg.inference.predictor import load_model

    if layout is None and (select or missing != "error"):
        raise InputError("--select and --missing are of data sets: name the layout of INPUT with --layout as well")
    changes = Changes(segment, segment_threshold, orientations, colour, smallest_lesion, align)
    predictor = load_model(
        [model, *(ensemble or [])],
        device,
        precision,
        engine=engine,
        channels=named_channels(inputs),
        changes=changes,
        missing="zero" if missing == "zero" else "error",
        wait=False,
    )
    from rich.console import Console

    from msseg.inference.batch import forecast_batch, predict_batch
    from msseg.inference.failures import failure_table
    from msseg.inference.progress import case_progress, say

    if layout is None:
        cases = inputs_from_arguments(inputs, predictor.channels)
    else:
        from msseg.cases.find import find_cases
        from msseg.config.data import DataConfig

        wanted = "+".join(predictor.channels)
        data = DataConfig(layout=layout, channels=(wanted,), select=_selection(select or []), missing=missing)
        found = [
            case for folder in inputs for case in find_cases(data, Path(folder), need_label=False, incomplete=True)
        ]
        cases = inputs_from_cases(found, predictor.channels, incomplete=missing == "zero")
    cases = named_by_bids(cases)
    console, errors = Console(), Console(stderr=True)
    if dry_run:
        say(console, forecast_batch(predictor, cases))
        return
    results = predict_batch(
        predictor, cases, out, probability=probability, threshold=threshold, submission=format == "isbi2012"
    )
    failed: dict[str, Exception] = {}
    crash: Exception | None = None
    with case_progress(console, "predicting", len(cases)) as done:
        for result in results:
            done()
            if result.error is None:
                say(console, f"{result.outputs[0]}  {result.seconds:.1f} s")
            elif len(cases) == 1:
                raise result.error
            else:
                failed[result.input.name] = result.error
                say(errors, f"{result.input.name}: {result.error}", "red")
                if not isinstance(result.error, InputError):
                    crash = crash or result.error  # a fault of ours is told, but costs the other cases nothing
    if failed:
        say(errors, failure_table(failed))
    if crash:
        raise crash
    if len(failed) == len(cases):
        raise InputError(f"none of {len(cases)} cases could be predicted; the reasons are above")
    if failed:
        raise PartialFailureError(f"{len(failed)} of {len(cases)} cases could not be predicted")


def _selection(texts: list[str]) -> dict[str, tuple[str, ...]]:
    """`run=1,2` as `data.select` has it."""
    chosen: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not name:
            raise InputError(f"--select {text} is not understood: write FIELD=VALUE, such as patient=anna")
        chosen[name] = (*chosen.get(name, ()), *values.split(","))
    return chosen
