"""`msseg models`: what is in the box."""

from typing import TYPE_CHECKING, Annotated

import typer

from msseg.errors import InputError, PartialFailureError

if TYPE_CHECKING:
    from msseg.box import BoxedModel

MEGABYTE = 1e6
EMPTY = "no model comes with this msseg; `msseg predict` takes the folder of a model that you trained"


def models(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Show the whole card of this model.", show_default=False),
    ] = None,
) -> None:
    """Trained models that come with msseg: `msseg predict NAME ...` uses one, `msseg models NAME` shows its card."""
    from msseg.box import boxed_model, boxed_names

    if name is not None:
        print(boxed_model(name).text)
        return
    names = boxed_names()
    if not names:
        print(EMPTY)
    damaged: list[str] = []
    for each in names:
        try:
            _describe(boxed_model(each))
        except InputError as error:  # the others can be used all the same
            damaged.append(str(error))
    if len(damaged) == 1 == len(names):
        raise InputError(damaged[0])
    if damaged:
        raise PartialFailureError("; ".join(damaged))


def _describe(model: "BoxedModel") -> None:
    """One paragraph, in the manner of `msseg layouts`."""
    scores = ", ".join(f"{name} {value:.3f}" for name, value in model.facts.scores.items())
    print(f"{model.name}: {model.facts.summary}")
    print(f"  channels: {', '.join(model.settings.channels)}")
    print(f"  network:  {model.settings.network.name}")
    print(f"  size:     {model.weights_size / MEGABYTE:.1f} MB")
    print(f"  scores:   {scores}")
    print(f"  data:     {model.facts.data_licence}")
    print(f"  card:     {model.card}")
    print()
