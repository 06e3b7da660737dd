"""How long programs take before they do anything: `msseg --help`, and `msseg predict` until its network.

    python benchmarks/startup.py

Whole processes, their modules compiled and in the system's memory already. `until the network` ends a `msseg predict`
where the first window would be computed: what came before is Python, imports, the model, the file and its
preprocessing. Beside it the imports alone that a prediction by the peers begins with.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from given import add_options, make_image, make_model, predict_command, shrink
from harness import Result, Target, compare_commands, parser, run_command, write_results

HELP_S, NETWORK_S = 0.3, 0.6
UNTIL = """
import os, sys
{patch}
from msseg.cli.main import main
sys.argv = {argv!r}
main()
"""
STOPS = {
    "openvino": """
from msseg.inference.engines.exported import ExportedEngine
ExportedEngine.__call__ = ExportedEngine.centre = lambda *arguments: os._exit(0)
""",
    "torch": """
from msseg.inference.engines.torch_engine import TorchEngine
TorchEngine.probability = lambda *arguments: os._exit(0)
""",
}
"""The modules imported here are those that the engine imports anyway."""
IMPORTS = {
    "import torch": "import torch",
    "MONAI: import monai.inferers, monai.transforms": "import monai.inferers, monai.transforms",
    "TorchIO: import torchio": "import torchio",
    "nnU-Net: import its predictor": "import nnunetv2.inference.predict_from_raw_data",
}
HELP, NETWORK = "msseg --help", "msseg predict until the network, openvino"


def until_network(engine: str, model: Path, image: Path, out: Path) -> list[str]:
    """`msseg predict` that ends where its first window would be computed."""
    argv = ["msseg", *map(str, predict_command(model, [image], out, "--engine", engine)[3:])]
    return [sys.executable, "-c", UNTIL.format(patch=STOPS[engine], argv=argv)]


def targets(results: Sequence[Result]) -> list[Target]:
    """What was aimed at."""
    seconds = {result.name: result.seconds for result in results}
    return [
        Target(f"{name} (s)", seconds[name], at_most=limit)
        for name, limit in ((HELP, HELP_S), (NETWORK, NETWORK_S), (f"{NETWORK}, a small file", NETWORK_S))
    ]


def main() -> None:
    """Measure, and write both files."""
    options = parser(__doc__, rounds=7)
    add_options(options)
    arguments = options.parse_args()
    shape = shrink(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = arguments.model or make_model(folder / "model", arguments.base_channels, arguments.patch)
        image = arguments.image or make_image(folder / "image.nii.gz", shape)
        small = make_image(folder / "small.nii.gz", (48, 56, 40))
        run_command(predict_command(model, [small], folder / "out", "--engine", "openvino"))  # makes the export
        commands: dict[str, list[str]] = {
            "python -c pass": [sys.executable, "-c", "pass"],
            HELP: [sys.executable, "-m", "msseg", "--help"],
            f"{NETWORK}, a small file": until_network("openvino", model, small, folder / "out"),
            NETWORK: until_network("openvino", model, image, folder / "out"),
            "msseg predict until the network, torch": until_network("torch", model, image, folder / "out"),
            **{name: [sys.executable, "-c", line] for name, line in IMPORTS.items()},
        }
        for command in commands.values():
            run_command(command)  # compiles modules, and brings them into memory
        results = compare_commands("From the start of a process", commands, arguments.rounds, arguments.threads)
    notes = {
        "threads": arguments.threads,
        "small file": "48 x 56 x 40 voxels",
        "file": arguments.image.name if arguments.image else " x ".join(map(str, shape)) + " voxels, compressed",
    }
    write_results("startup", results, notes, targets(results), arguments.out)


if __name__ == "__main__":
    main()
