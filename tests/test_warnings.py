"""Warnings go one way: msseg logs them, and the command line shows each in one line; those of libraries it does not."""

import ast
import struct
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

PACKAGE = Path(__file__).resolve().parents[1] / "msseg"


def test_the_command_line_shows_our_warnings_and_no_others(tmp_path: Path) -> None:
    truth = np.zeros((4, 5, 6), np.float32)
    truth[1:3, 1:3, 1:3] = 1
    prediction = truth.copy()
    prediction[0, 0, 0] = np.nan
    nib.save(nib.Nifti1Image(truth, np.eye(4)), tmp_path / "truth.nii")
    content = bytearray(nib.Nifti1Image(prediction, np.eye(4)).to_bytes())
    struct.pack_into("<f", content, 76, 5)  # a qfac that nibabel mends with a remark
    (tmp_path / "prediction.nii").write_bytes(content)
    command = ["evaluate", "--prediction", tmp_path / "prediction.nii", "--truth", tmp_path / "truth.nii"]
    answer = subprocess.run(
        [sys.executable, "-W", "always", "-m", "msseg", *map(str, command)], capture_output=True, text=True, check=True
    )
    assert answer.stderr.splitlines() == [
        f"warning: {tmp_path / 'prediction.nii'}: 1 voxel with NaN or infinity, taken as background (0)"
    ]
    assert "warning" not in answer.stdout


def test_no_module_warns_in_another_way() -> None:
    calls = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"warnings.warn", "warn", "logging.warning"}
    }
    assert calls == set()
