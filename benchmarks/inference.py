"""From one image file to one mask file: msseg, MONAI's sliding windows and TorchIO's grid, in one run.

    python benchmarks/inference.py                                      random weights, a made-up head
    python benchmarks/inference.py --model RUN/FLAIR/model --image X_FLAIR.nii.gz --truth X_lesions.nii.gz

Every measurement is a fresh process, and the methods take turns (A B A B), so that what else the machine does
meets all of them. The peers are used as their documentation shows: the whole volume, fp32, windows of the
training patch, overlap 0.5, blended by Gaussian (MONAI) or Hann (TorchIO) weights. "file to file" starts with
imports done and the model loaded; "process" is all of it. Writes inference.json and inference.md.
"""

import argparse
import json
import os
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

import msseg
from msseg.model import find_models, read_settings

HEAD_SHARE = (132 / 182, 151 / 218, 121 / 182)
"""Size of a skull-stripped head in the MNI grid, as a share of the grid."""
VERSIONS = ("torch", "monai", "torchio", "numpy", "nibabel")
REFERENCE = "msseg fp32"

Timed = Callable[[], Callable[[], None]]


# ------------------------------------------------------------------------------ the methods, one per process
def run_msseg(arguments: argparse.Namespace, precision: str, window: str | None = None) -> Callable[[], None]:
    """Load the model; what is returned reads, predicts and writes."""
    inference = read_settings(arguments.model).inference
    if window is not None:
        inference = inference.model_copy(update={"window": window})
    model = msseg.load_model(
        arguments.model, arguments.device, precision, threads=arguments.threads, inference=inference
    )
    return lambda: model.predict(arguments.image).save(arguments.mask)


def run_monai(arguments: argparse.Namespace, windows_at_once: int, crop: bool = False) -> Callable[[], None]:
    """MONAI's transforms and `sliding_window_inference`; with `crop`, behind its crop to the foreground."""
    import torch
    from monai.inferers import sliding_window_inference
    from monai.transforms import Compose, CropForeground, LoadImage, NormalizeIntensity, Orientation

    network, settings = load_plain_network(arguments)
    read = Compose(
        [
            LoadImage(image_only=True, ensure_channel_first=True),
            Orientation("RAS", labels=None),
            *([CropForeground(select_fn=lambda x: x != 0, allow_smaller=True)] if crop else []),
            NormalizeIntensity(nonzero=True, channel_wise=True),
        ]
    )

    def predict() -> None:
        image = read(arguments.image)
        with torch.no_grad():
            logits = sliding_window_inference(
                image[None].to(arguments.device),
                settings.patch_size,
                windows_at_once,
                network,
                overlap=0.5,
                mode="gaussian",
            )
        mask = (logits.sigmoid() > 0.5)[0, 0].cpu().numpy().astype(np.uint8)
        nib.save(nib.Nifti1Image(mask, np.asarray(image.affine)), arguments.mask)

    return predict


def run_torchio(arguments: argparse.Namespace) -> Callable[[], None]:
    """TorchIO's grid sampler and aggregator."""
    import torch
    import torchio as tio

    network, settings = load_plain_network(arguments)
    prepare = tio.Compose([tio.ToCanonical(), tio.ZNormalization(masking_method=lambda x: x != 0)])
    overlap = [size // 4 * 2 for size in settings.patch_size]  # half of it, and even as TorchIO wants it

    def predict() -> None:
        subject = prepare(tio.Subject(image=tio.ScalarImage(arguments.image)))
        sampler = tio.GridSampler(subject, settings.patch_size, overlap)
        aggregator = tio.GridAggregator(sampler, overlap_mode="hann")
        with torch.no_grad():
            for batch in tio.SubjectsLoader(sampler, batch_size=1):
                logits = network(batch["image"][tio.DATA].to(arguments.device))
                aggregator.add_batch(logits.sigmoid(), batch[tio.LOCATION])
        mask = (aggregator.get_output_tensor() > 0.5).to(torch.uint8)
        tio.LabelMap(tensor=mask, affine=subject["image"].affine).save(arguments.mask)

    return predict


def load_plain_network(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The network as a peer would use it: fp32, PyTorch's default memory layout."""
    import torch

    from msseg.model import load_network

    torch.set_num_threads(arguments.threads)
    network, settings = load_network(arguments.model)
    return network.to(arguments.device), settings


METHODS: dict[str, Callable[[argparse.Namespace], Callable[[], None]]] = {
    "msseg": lambda arguments: run_msseg(arguments, "auto"),
    "msseg fp32": lambda arguments: run_msseg(arguments, "fp32"),
    "msseg one pass": lambda arguments: run_msseg(arguments, "auto", "auto"),
    "MONAI, 1 window at once": lambda arguments: run_monai(arguments, 1),
    "MONAI, 4 windows at once": lambda arguments: run_monai(arguments, 4),
    "MONAI, cropped first": lambda arguments: run_monai(arguments, 1, crop=True),
    "TorchIO": run_torchio,
}


def measure(arguments: argparse.Namespace) -> None:
    """In a process of its own: one method, once; the figures go to standard output as JSON."""
    predict = METHODS[arguments.worker](arguments)
    start = time.perf_counter()
    predict()
    figures = {"file_to_file_s": time.perf_counter() - start, "peak_mib": peak_mib()}
    if arguments.device != "cpu":
        import torch

        figures["peak_gpu_mib"] = torch.cuda.max_memory_reserved() / 2**20
    sys.stdout.write("\n" + json.dumps(figures) + "\n")


def peak_mib() -> float:
    """Largest resident memory of this process so far."""
    kib = 1024 if sys.platform == "darwin" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / kib / 1024


# ------------------------------------------------------------------------------------ what they are given
def make_image(path: Path, shape: tuple[int, int, int]) -> Path:
    """An ellipsoid of noise, as large in its grid as a head is; its content does not matter to the time."""
    axes = [np.linspace(-1, 1, size) / share for size, share in zip(shape, HEAD_SHARE, strict=True)]
    inside = sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")) <= 1
    voxels = np.random.default_rng(0).normal(100, 20, shape).astype(np.float32) * inside
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
    return path


def make_model(folder: Path, base_channels: int, patch: int) -> Path:
    """A residual U-Net with random weights, written by another process so that this one stays small."""
    program = f"""
from pathlib import Path
from msseg.config.data import PreprocessingConfig
from msseg.config.inference import InferenceConfig
from msseg.config.network import ResidualUNet3dConfig
from msseg.model import ModelSettings, save_model
from msseg.networks.registry import build_network
network = ResidualUNet3dConfig(base_channels={base_channels})
settings = ModelSettings(network=network, channels=("FLAIR",), patch_size=({patch},) * 3,
                         preprocessing=PreprocessingConfig(), inference=InferenceConfig())
save_model(Path({str(folder)!r}), build_network(network, in_channels=1), settings)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    return folder


# ------------------------------------------------------------------------------------ the run
def run_all(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All methods in turns; figures per method, medians and agreement of the masks."""
    figures: dict[str, list[dict[str, float]]] = {method: [] for method in arguments.methods}
    masks = {method: folder / f"{index}.nii.gz" for index, method in enumerate(arguments.methods)}
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    for turn in range(arguments.repeats):
        for method in arguments.methods:
            command = [sys.executable, __file__, "--worker", method, "--mask", str(masks[method])]
            for name in ("model", "image", "device", "threads"):
                command += [f"--{name}", str(getattr(arguments, name))]
            start = time.perf_counter()
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            one = {**json.loads(done.stdout.splitlines()[-1]), "process_s": time.perf_counter() - start}
            figures[method].append(one)
            sys.stderr.write(f"{turn + 1}/{arguments.repeats} {method}: {one['file_to_file_s']:.2f} s\n")
    return {
        method: {
            "runs": runs,
            "median": {key: statistics.median(run[key] for run in runs) for key in runs[0]},
            **agreement(method, masks, arguments),
        }
        for method, runs in figures.items()
    }


def agreement(method: str, masks: dict[str, Path], arguments: argparse.Namespace) -> dict[str, float]:
    """DSC of a mask with that of msseg in fp32, and with the truth; random weights have nothing to say."""
    if arguments.random_weights:
        return {}
    others = {"dsc_with_fp32": masks.get(REFERENCE), "dsc_with_truth": arguments.truth}
    mask = on_grid(masks[method], arguments.image)
    return {name: dsc(mask, on_grid(other, arguments.image)) for name, other in others.items() if other}


def dsc(first: np.ndarray, second: np.ndarray) -> float:
    """Dice similarity coefficient of two masks."""
    both = first.sum() + second.sum()
    return float(2 * (first & second).sum() / both) if both else 1.0


def on_grid(path: Path, image: Path) -> np.ndarray:
    """A mask on the image's grid; the peers write theirs turned to RAS, or cropped."""
    mask, grid = nib.load(path), nib.load(image)
    there = np.argwhere(np.asarray(mask.dataobj) > 0.5)
    here = nib.affines.apply_affine(np.linalg.inv(grid.affine) @ mask.affine, there)
    result = np.zeros(grid.shape, dtype=bool)
    result[tuple(np.rint(here).astype(int).T)] = True
    return result


def machine() -> dict[str, Any]:
    """Processor, cores and load; no names."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def without_folder(word: str) -> str:
    """An argument as it may be published: an absolute path says nothing to others."""
    return Path(word).name if Path(word).is_absolute() else word


def commit() -> str:
    """The commit that was measured, marked where the working tree differs from it."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def markdown(report: dict[str, Any]) -> str:
    """The table, with all that is needed to repeat it."""
    results = report["results"]
    name = next(iter(results))
    first = results[name]["median"]
    columns = {
        "file_to_file_s": "file to file (s)",
        "process_s": "process (s)",
        "peak_mib": "peak memory (MiB)",
    }
    if "peak_gpu_mib" in first:
        columns["peak_gpu_mib"] = "peak GPU memory (MiB)"
    extra = {"dsc_with_fp32": f"DSC with {REFERENCE}", "dsc_with_truth": "DSC with the truth"}
    extra = {key: title for key, title in extra.items() if any(key in result for result in results.values())}
    head = ["method", *columns.values(), f"time / {name}", f"memory / {name}", *extra.values()]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for method, result in results.items():
        median = result["median"]
        ratios = [median[key] / first[key] for key in ("file_to_file_s", "peak_mib")]
        shown = [f"{median[key]:.2f}" if key.endswith("_s") else f"{median[key]:.0f}" for key in columns]
        shown += [f"{ratio:.2f}" for ratio in ratios]
        shown += [f"{result[key]:.4f}" if key in result else "" for key in extra]
        rows.append([method, *shown])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    facts = {key: value for key, value in report.items() if key != "results"}
    listed = "\n".join(f"- {key}: {value}" for key, value in facts.items())
    return f"# Inference: one image file to one mask file\n\n{table}\n\n{listed}\n"


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="model folder (default: random weights)")
    parser.add_argument(
        "--image", type=Path, help="NIfTI file (default: a made-up head); at least as large as the patch"
    )
    parser.add_argument("--truth", type=Path, help="mask of the image, for the DSC")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD",
                        help=f"of: {'; '.join(METHODS)}")  # fmt: skip
    parser.add_argument("--base-channels", type=int, default=16, help="of the random weights")
    parser.add_argument("--patch", type=int, default=144, help="of the random weights")
    parser.add_argument("--shape", type=int, nargs=3, default=(182, 218, 182), help="of the made-up head")
    parser.add_argument("--worker", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--mask", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main() -> None:
    """Measure, and write both files."""
    arguments = parse()
    if arguments.worker:
        measure(arguments)
        return
    arguments.random_weights = arguments.model is None
    if arguments.random_weights:
        given = f"random weights, {arguments.base_channels} base maps, patches of {arguments.patch}^3"
    else:
        given = str(arguments.model)
        arguments.model, *more = find_models(arguments.model)
        if more:
            raise SystemExit(f"{given} holds several models: name the folder of one")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        report = {
            "command": shlex.join(["python", *(without_folder(word) for word in sys.argv)]),
            "commit": commit(),
            **machine(),
            "threads": arguments.threads,
            "device": arguments.device,
            "repeats": arguments.repeats,
            "model": given,
            "image": without_folder(str(arguments.image or f"made up, {' x '.join(map(str, arguments.shape))}")),
            "python": platform.python_version(),
            "msseg": msseg.__version__,
            **{name: version(name) for name in VERSIONS},
        }
        arguments.model = arguments.model or make_model(folder / "model", arguments.base_channels, arguments.patch)
        arguments.image = arguments.image or make_image(folder / "image.nii.gz", tuple(arguments.shape))
        report["results"] = run_all(arguments, folder)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "inference.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    text = markdown(report)
    (arguments.out / "inference.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
