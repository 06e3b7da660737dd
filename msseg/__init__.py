"""msseg: train, apply and evaluate segmentation networks on volumes.

Importing the package is light; `msseg.load_model` brings in torch the first time it is used:

    prediction = msseg.load_model("runs/flair/FLAIR/model").predict("patient_flair.nii.gz")
    prediction.save("patient_mask.nii.gz")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msseg.inference.predictor import load_model

__version__ = "0.1.0"
__all__ = ["__version__", "load_model"]


def __getattr__(name: str) -> Any:
    """Resolve `msseg.load_model` on first use, so that `import msseg` does not import torch."""
    if name == "load_model":
        from msseg.inference.predictor import load_model

        return load_model
    raise AttributeError(f"module 'msseg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
