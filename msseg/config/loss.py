"""The loss functions' names and parameters, alone and in weighted sums.

How each takes its sums and what patches without foreground cost is said where it is computed, in `msseg.losses`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, SerializerFunctionWrapHandler, model_serializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from msseg.config.section import ByName, Section

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]


class LossSection(Section):
    """A loss and its parameters."""

    name: str
    weight: Positive = 1.0
    """Factor of this loss, in a sum or alone."""


class BceConfig(LossSection):
    """Binary cross entropy on logits."""

    name: Literal["bce"] = "bce"


class DiceConfig(LossSection):
    """1 - (2 sum(y p) + s) / (sum y + sum p + s), summed over the whole batch."""

    name: Literal["dice"] = "dice"
    smoothing: Positive = 1.0
    """The s of the formula."""


class BceDiceConfig(LossSection):
    """Sum of bce and dice."""

    name: Literal["bce_dice"] = "bce_dice"
    smoothing: Positive = 1.0
    """The s of the Dice term."""


class FocalConfig(LossSection):
    """- a_t (1 - p_t)^g log p_t: cross entropy in which voxels that are nearly right count little (Lin 2017)."""

    name: Literal["focal"] = "focal"
    gamma: NotNegative = 2.0
    """The g of the formula; 0 is weighted cross entropy."""
    alpha: Share = 0.8
    """a_t is alpha for foreground, 1 - alpha for background."""


class IouConfig(LossSection):
    """1 - (sum(y p) + s) / (sum(y + p - y p) + s), summed over the whole batch."""

    name: Literal["iou"] = "iou"
    smoothing: Positive = 1.0
    """The s of the formula."""


class TverskyConfig(LossSection):
    """1 - (TP + s) / (TP + a FP + b FN + s), summed over the whole batch (Salehi 2017)."""

    name: Literal["tversky"] = "tversky"
    alpha: Positive = 0.3
    """Weight a of false positives; alpha = beta = 0.5 is dice."""
    beta: Positive = 0.7
    """Weight b of false negatives."""
    smoothing: Positive = 1.0
    """The s of the formula."""


class MseConfig(LossSection):
    """Mean squared error of the probability."""

    name: Literal["mse"] = "mse"


class WeightedBceConfig(LossSection):
    """Binary cross entropy with a weight per class; with both 1 it is bce."""

    name: Literal["weighted_bce"] = "weighted_bce"
    foreground: Positive = 1.0
    """Weight of voxels that are foreground."""
    background: Positive = 1.0
    """Weight of voxels that are background."""


class BalancedBceConfig(LossSection):
    """Binary cross entropy, each class weighted by the share of the other in the batch."""

    name: Literal["balanced_bce"] = "balanced_bce"
    least: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    """Smallest weight of a class, so that false positives cost something where the batch has no foreground."""


class DistancePenalisedBceConfig(LossSection):
    """Binary cross entropy weighted by 1 + k max(0, 1 - d / reach), d the distance to the truth's border."""

    name: Literal["distance_penalised_bce"] = "distance_penalised_bce"
    strength: NotNegative = 5.0
    """The k of the formula: the border weighs 1 + k."""
    reach: Positive = 10.0
    """Distance from which on voxels weigh 1, in the units of the spacing (mm, or pixels where files have no units)."""


class BorderWeightedBceConfig(LossSection):
    """Binary cross entropy weighted by w_c + w0 exp(-(d1 + d2)^2 / (2 sigma^2)): gaps between cells weigh most (U-Net).

    d1 and d2 are the distances to the two nearest cells; w_c is twice the share of the other class in the batch.
    """

    name: Literal["border_weighted_bce"] = "border_weighted_bce"
    w0: NotNegative = 10.0
    """Weight of the narrowest gaps."""
    sigma: Positive = 5.0
    """Width of a gap that still weighs 0.6 w0, in the units of the spacing."""
    least: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    """Smallest share that is taken into w_c."""


class SensitivitySpecificityConfig(LossSection):
    """r times the mean squared error on the foreground plus 1 - r times that on the background (Brosch 2015)."""

    name: Literal["sensitivity_specificity"] = "sensitivity_specificity"
    sensitivity: Share = 0.05
    """The r of the formula."""


class HausdorffConfig(LossSection):
    """(p - y)^2 (d_p^a + d_y^a), d the distances to prediction's and truth's borders in voxels (Karimi 2019).

    Values of 100 and more are usual, and each step takes distance transforms on the CPU.
    """

    name: Literal["hausdorff"] = "hausdorff"
    alpha: Positive = 2.0
    """The a of the formula."""


class BoundaryConfig(LossSection):
    """A region loss plus alpha times the mean of p times the signed distance to the truth's border (Kervadec 2019)."""

    name: Literal["boundary"] = "boundary"
    region: Literal["dice", "bce", "bce_dice"] = "dice"
    """The region loss, with its default parameters."""
    alpha: Positive = 0.5
    """Weight of the boundary term."""
    reach: Positive = 10.0
    """Distances are divided by this and cut at 1, in the units of the spacing."""


class ExponentialLogarithmicConfig(LossSection):
    """w_D (-log Dice)^g_D + w_C mean(w (-log p_t)^g_C), w the root of one by the class's share (Wong 2018)."""

    name: Literal["exponential_logarithmic"] = "exponential_logarithmic"
    gamma_dice: Positive = 0.3
    """The g_D of the formula."""
    gamma_cross: Positive = 0.3
    """The g_C of the formula."""
    weight_dice: NotNegative = 0.8
    """The w_D of the formula."""
    weight_cross: Positive = 0.2
    """The w_C of the formula."""
    smoothing: Positive = 1.0
    """Smoothing of the Dice index."""


class ClDiceConfig(LossSection):
    """(1 - alpha) dice + alpha clDice: thin structures must not break (Shit 2021)."""

    name: Literal["cldice"] = "cldice"
    of: Literal["foreground", "background"] = "foreground"
    """The thin structures' class; membranes between cells are background. It is the class of the Dice term too."""
    alpha: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Weight of the centreline term; with 1 add another loss, because what is beside the skeletons costs nothing."""
    iterations: Annotated[int, Field(ge=1)] = 5
    """Erosions that make a skeleton; at least half the structures' width in voxels."""
    smoothing: Positive = 1.0
    """Smoothing of the shares, and of the Dice index."""


@dataclass(frozen=True)
class ByWeight:
    """Marks a term of a sum: a bare number stands for the loss with that weight and its defaults."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Put the number in its section before anything is validated."""
        return core_schema.no_info_before_validator_function(_weighted_section, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Either a number or what it was."""
        return {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, handler(schema)]}


def _weighted_section(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"weight": value} if number else value


class SumConfig(Section):
    """Weighted sum of losses: `loss: {bce: 1, dice: 1}`, `loss: {dice: 1, focal: {weight: 0.5, gamma: 3}}`."""

    name: Literal["sum"] = "sum"
    bce: Annotated[BceConfig | None, ByWeight()] = None
    dice: Annotated[DiceConfig | None, ByWeight()] = None
    bce_dice: Annotated[BceDiceConfig | None, ByWeight()] = None
    focal: Annotated[FocalConfig | None, ByWeight()] = None
    iou: Annotated[IouConfig | None, ByWeight()] = None
    tversky: Annotated[TverskyConfig | None, ByWeight()] = None
    mse: Annotated[MseConfig | None, ByWeight()] = None
    weighted_bce: Annotated[WeightedBceConfig | None, ByWeight()] = None
    balanced_bce: Annotated[BalancedBceConfig | None, ByWeight()] = None
    distance_penalised_bce: Annotated[DistancePenalisedBceConfig | None, ByWeight()] = None
    border_weighted_bce: Annotated[BorderWeightedBceConfig | None, ByWeight()] = None
    sensitivity_specificity: Annotated[SensitivitySpecificityConfig | None, ByWeight()] = None
    hausdorff: Annotated[HausdorffConfig | None, ByWeight()] = None
    boundary: Annotated[BoundaryConfig | None, ByWeight()] = None
    exponential_logarithmic: Annotated[ExponentialLogarithmicConfig | None, ByWeight()] = None
    cldice: Annotated[ClDiceConfig | None, ByWeight()] = None

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The losses that are there, by name, as users write them."""
        terms = {name: term for name, term in handler(self).items() if isinstance(term, Mapping)}
        return {name: {key: value for key, value in term.items() if key != "name"} for name, term in terms.items()}


NamedLoss = (
    BceConfig
    | DiceConfig
    | BceDiceConfig
    | FocalConfig
    | IouConfig
    | TverskyConfig
    | MseConfig
    | WeightedBceConfig
    | BalancedBceConfig
    | DistancePenalisedBceConfig
    | BorderWeightedBceConfig
    | SensitivitySpecificityConfig
    | HausdorffConfig
    | BoundaryConfig
    | ExponentialLogarithmicConfig
    | ClDiceConfig
)
_PARAMETERS = {parameter for section in get_args(NamedLoss) for parameter in section.model_fields}


@dataclass(frozen=True)
class BySum:
    """Marks the choice of losses: losses with weights stand for their sum (`loss: {bce: 1, dice: 1}`)."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Name the sum before anything is validated."""
        return core_schema.no_info_before_validator_function(_named_sum, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """What it was, but for the bare name of the sum, which would add nothing."""
        names, sections = handler(schema)["anyOf"]
        return {"anyOf": [{**names, "enum": [name for name in names["enum"] if name != "sum"]}, sections]}


def _named_sum(value: object) -> object:
    if isinstance(value, Mapping) and value and not value.keys() & _PARAMETERS:
        # A loss that is named without a weight (`bce:`) is wanted, and has the default weight.
        return {"name": "sum", **{name: {} if term is None else term for name, term in value.items()}}
    if value in ("sum", {"name": "sum"}):
        raise ValueError("names no losses to add; write them with their weights, as in {bce: 1, dice: 1}")
    return value


LossConfig = Annotated[NamedLoss | SumConfig, Field(discriminator="name"), ByName(), BySum()]


def terms_of(config: LossConfig) -> list[LossSection]:
    """The losses that a configuration adds: those of a sum, or the one it names."""
    if isinstance(config, SumConfig):
        terms = [getattr(config, name) for name in SumConfig.model_fields if name != "name"]
        return [term for term in terms if term is not None]
    return [config]
