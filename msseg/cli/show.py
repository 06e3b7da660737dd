"""`msseg layouts`, `networks`, `losses` and `schema`: what there is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msseg.errors import InputError

if TYPE_CHECKING:
    from msseg.config.section import Section


def layouts(
    source: Annotated[
        Path | None, typer.Argument(metavar="[SOURCE]", help="With --try: the data set's folder.", show_default=False)
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            "--try",
            metavar="NAME|FILE",
            help="Try a layout on SOURCE: what each pattern finds, which scans there are, and what is left over.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Named layouts: how the files of known data sets are recognised; or, with --try, what one of them finds."""
    if layout is None and source is None:
        _list_layouts()
    elif layout is None or source is None:
        raise InputError("to try a layout, give it and the data set's folder: msseg layouts --try NAME|FILE SOURCE")
    else:
        from msseg.cases.layout import read_layout
        from msseg.cases.trial import describe_trial, try_layout

        print("\n".join(describe_trial(try_layout(read_layout(layout), source))))


def _list_layouts() -> None:
    from msseg.cases.layout import describe_layouts

    for layout in describe_layouts():
        print(f"{layout.name}: {layout.title}")
        print(f"  channels: {', '.join(layout.channels) or f'as {layout.channels_from} names them'}")
        for pattern in layout.images:
            print(f"  images:   {pattern}")
        for pattern in layout.labels:
            print(f"  labels:   {pattern}")
        print()


def networks() -> None:
    """Networks, their parameters with defaults, and their sizes for one input channel."""
    from typing import get_args

    from msseg.config.network import NetworkConfig
    from msseg.networks.registry import build_network, parameter_count

    for config in get_args(get_args(NetworkConfig)[0]):
        trained = parameter_count(build_network(config(), in_channels=1))
        print(f"{config().name}: {config.__doc__}")
        print(f"  {trained:,} trained parameters with these defaults and one channel")
        _print_fields(config)


def losses() -> None:
    """Losses and their parameters with defaults."""
    from typing import get_args

    from msseg.config.loss import LossConfig, SumConfig

    for config in get_args(get_args(LossConfig)[0]):
        print(f"{config().name}: {config.__doc__}")
        if config is not SumConfig:
            _print_fields(config)


def schema() -> None:
    """JSON Schema of an experiment file, for editors."""
    from msseg.config.load import json_schema

    print(json_schema())


def _print_fields(config: "type[Section]") -> None:
    import json

    for name, field in config.model_fields.items():
        if name != "name":
            default = json.dumps(field.default, default=lambda section: section.model_dump())
            print(f"  {name}: {default}  ({' '.join((field.description or '').rstrip('.').split())})")
    print()
