"""One image file to one mask file, by msseg's reference or a peer: one process, one prediction.

    python benchmarks/predictors.py PREDICTOR --model FOLDER --image X.nii.gz --mask OUT.nii.gz

The peers are used as their documentation shows: fp32, windows of the training patch, overlap 0.5, blended by Gaussian
(MONAI, nnU-Net) or Hann (TorchIO) weights, no mirrored copies. All of them compute the same network. The last line of
the output is JSON: `file_to_file_s` starts with imports done and the model loaded.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from torch import Tensor, nn

from msseg.model import ModelSettings, load_network

OVERLAP = 0.5

Predict = Callable[[Path, Path], None]
"""From an image file to a mask file."""
Prepare = Callable[[argparse.Namespace], Predict]


def reference(arguments: argparse.Namespace) -> Predict:
    """The reference of msseg: PyTorch in fp32, blended windows of the training patch."""
    import msseg
    from msseg.model import read_settings

    inference = read_settings(arguments.model).inference.model_copy(update={"window": "patch"})
    model = msseg.load_model(
        arguments.model, arguments.device, "fp32", threads=arguments.threads, inference=inference, engine="torch"
    )
    return lambda image, mask: model.predict(image).save(mask)


def monai_windows(arguments: argparse.Namespace, crop: bool = False) -> Predict:
    """MONAI's transforms and `sliding_window_inference`; with `crop`, behind its crop to the foreground."""
    from monai.inferers import sliding_window_inference
    from monai.transforms import Compose, CropForeground, LoadImage, NormalizeIntensity, Orientation

    network, settings = plain_network(arguments)
    read = Compose(
        [
            LoadImage(image_only=True, ensure_channel_first=True),
            Orientation("RAS", labels=None),
            *([CropForeground(select_fn=lambda x: x != 0, allow_smaller=True)] if crop else []),
            NormalizeIntensity(nonzero=True, channel_wise=True),
        ]
    )

    def predict(path: Path, mask: Path) -> None:
        image = read(path)
        with torch.no_grad(), half(arguments):
            window = image[None].to(arguments.device)
            logits = sliding_window_inference(window, settings.patch_size, 1, network, OVERLAP, mode="gaussian")
        found = (logits.sigmoid() > 0.5)[0, 0].cpu().numpy().astype(np.uint8)
        nib.save(nib.Nifti1Image(found, np.asarray(image.affine)), mask)

    return predict


def torchio_grid(arguments: argparse.Namespace) -> Predict:
    """TorchIO's grid sampler and aggregator."""
    import torchio as tio

    network, settings = plain_network(arguments)
    normalise = tio.ZNormalization(masking_method=lambda x: x != 0)
    overlap = [size // 4 * 2 for size in settings.patch_size]  # half of it, and even as TorchIO wants it

    def predict(path: Path, mask: Path) -> None:
        subject = tio.ToCanonical()(tio.Subject(image=tio.ScalarImage(path)))
        background = subject["image"].data == 0
        subject = normalise(subject)
        subject["image"].set_data(subject["image"].data.masked_fill(background, 0))  # as the network was trained
        sampler = tio.GridSampler(subject, settings.patch_size, overlap)
        aggregator = tio.GridAggregator(sampler, overlap_mode="hann")
        with torch.no_grad(), half(arguments):
            for batch in tio.SubjectsLoader(sampler, batch_size=1):
                logits = network(batch["image"][tio.DATA].to(arguments.device))
                aggregator.add_batch(logits.sigmoid().float(), batch[tio.LOCATION])
        found = (aggregator.get_output_tensor() > 0.5).to(torch.uint8)
        tio.LabelMap(tensor=found, affine=subject["image"].affine).save(mask)

    return predict


class TwoClasses(nn.Module):
    """The one logit of a network as the two of a softmax, which is what nnU-Net takes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, X, Y, Z) to (B, 2, X, Y, Z)."""
        logit = self.network(image)
        return torch.cat([torch.zeros_like(logit), logit], dim=1)


def nnunet(arguments: argparse.Namespace, crop: bool = True) -> Predict:
    """nnU-Net's predictor, with its preprocessing that crops to what is not zero, or on the whole volume."""
    import nnunetv2.paths  # noqa: F401  (speaks of folders that only its training needs)
    from nnunetv2.imageio.nibabel_reader_writer import NibabelIOWithReorient
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    network, settings = plain_network(arguments)
    network = TwoClasses(network)
    files = NibabelIOWithReorient()
    dataset = {"labels": {"background": 0, "lesion": 1}, "file_ending": ".nii.gz", "channel_names": {"0": "FLAIR"}}
    device = torch.device(arguments.device)
    predictor = nnUNetPredictor(OVERLAP, True, False, device.type == "cuda", device, allow_tqdm=False)

    def predict(path: Path, mask: Path) -> None:
        image, properties = files.read_images([str(path)])
        plans = PlansManager(nnunet_plans(settings, properties["spacing"]))
        configuration = plans.get_configuration("3d_fullres")
        weights = [network.state_dict()]
        predictor.manual_initialization(network, plans, configuration, weights, dataset, "nnUNetTrainer", None)
        if crop:
            found = predictor.predict_single_npy_array(image, properties)
        else:
            volume = torch.from_numpy(normalised(image).transpose(0, 3, 2, 1).copy())
            logits = predictor.predict_logits_from_preprocessed_data(volume)
            found = logits.argmax(0).cpu().numpy().astype(np.uint8).transpose(2, 1, 0)
        files.write_seg(found, str(mask), properties)

    return predict


def nnunet_plans(settings: ModelSettings, spacing: list[float]) -> dict[str, Any]:
    """What nnU-Net's planning would write for this network, with the image's own voxel size (no resampling)."""
    resampling = "resample_data_or_seg_to_shape"
    options = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    return {
        "dataset_name": "benchmark",
        "plans_name": "benchmark",
        "image_reader_writer": "NibabelIOWithReorient",
        "transpose_forward": [2, 1, 0],  # nnU-Net reads (z, y, x); the network sees (x, y, z)
        "transpose_backward": [2, 1, 0],
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": {}},
        "configurations": {
            "3d_fullres": {
                "preprocessor_name": "DefaultPreprocessor",
                "patch_size": list(settings.patch_size),
                "spacing": [float(spacing[axis]) for axis in (2, 1, 0)],
                "normalization_schemes": ["ZScoreNormalization"],
                "use_mask_for_norm": [True],
                "resampling_fn_data": resampling,
                "resampling_fn_seg": resampling,
                "resampling_fn_probabilities": resampling,
                "resampling_fn_data_kwargs": options,
                "resampling_fn_seg_kwargs": {**options, "is_seg": True, "order": 1},
                "resampling_fn_probabilities_kwargs": {**options, "order": 1},
                "architecture": {"network_class_name": "", "arch_kwargs": {}, "_kw_requires_import": []},
            }
        },
    }


def normalised(image: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1 over the voxels that are not zero, which stay zero elsewhere."""
    inside = image != 0
    return np.where(inside, (image - image[inside].mean()) / image[inside].std(), 0).astype(np.float32)


def plain_network(arguments: argparse.Namespace) -> tuple[nn.Module, ModelSettings]:
    """The network as a peer would use it: fp32, PyTorch's default memory layout."""
    torch.set_num_threads(arguments.threads)
    network, settings = load_network(arguments.model)
    return network.to(arguments.device), settings


def half(arguments: argparse.Namespace) -> torch.autocast:
    """Mixed precision on a GPU, as the peers' examples have it there; none on a CPU."""
    return torch.autocast(torch.device(arguments.device).type, enabled=arguments.device != "cpu")


PREDICTORS: dict[str, Prepare] = {
    "reference": reference,
    "monai": monai_windows,
    "monai-cropped": lambda arguments: monai_windows(arguments, crop=True),
    "torchio": torchio_grid,
    "nnunet": nnunet,
    "nnunet-whole": lambda arguments: nnunet(arguments, crop=False),
}


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictor", choices=PREDICTORS)
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument(
        "--image", type=Path, nargs="+", required=True, help="NIfTI files, at least as large as a patch"
    )
    parser.add_argument("--mask", type=Path, required=True, help="the mask of the last image")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(argv)


def main() -> None:
    """Predict the images one after the other, and print the figures."""
    arguments = parse()
    predict = PREDICTORS[arguments.predictor](arguments)
    start = time.perf_counter()
    for image in arguments.image:
        predict(image, arguments.mask)
    figures = {"file_to_file_s": time.perf_counter() - start}
    if arguments.device != "cpu":
        figures["peak_gpu_mib"] = torch.cuda.max_memory_reserved() / 2**20
    sys.stdout.write("\n" + json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
