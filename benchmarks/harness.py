"""What all benchmarks share: contenders in turns, medians, peak memory, the machine, and the files of results.

    results = compare("one 144^3 patch", {"msseg": ours, "TorchIO": theirs}, rounds=5)
    results += compare_commands("file to file", {"msseg": ["msseg", "predict", ...], "MONAI": [...]}, rounds=3)
    write_results("inference", results, notes={"image": "made up"}, targets=[Target(...)])

The order is A B A B: what else the machine does meets all contenders. A round is one figure of every contender; a table
shows the medians, and how much more than the first contender each of them needs. Standard library only.
"""

import argparse
import gc
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tables import RESULTS, ROOT, Result, Target, without_folder, write_results

__all__ = [
    "RESULTS", "ROOT", "Result", "Target", "compare", "compare_commands", "parser", "run_command", "without_folder",
    "write_results",
]  # fmt: skip

LAUNCHER = Path(__file__).with_name("launcher.py")


# ------------------------------------------------------------------------------------------- measuring
def compare(
    comparison: str, contenders: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 1
) -> list[Result]:
    """Time calls within this process, in turns, after `warm_up` calls of each that do not count.

    A call that returns a mapping of names to numbers adds them to its figures.
    """
    for contender in contenders.values():
        for _ in range(warm_up):
            contender()
    figures: dict[str, list[Mapping[str, float]]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name, contender in contenders.items():
            gc.collect()
            start, busy = time.perf_counter(), time.process_time()
            answer = contender()
            seconds, busy = time.perf_counter() - start, time.process_time() - busy
            more = numbers(answer) if isinstance(answer, Mapping) else {}
            figures[name].append({"seconds": seconds, "processor_s": busy, **more})
            tell(comparison, name, turn, rounds, seconds)
    return [Result(comparison, name, tuple(rows)) for name, rows in figures.items()]


def compare_commands(
    comparison: str,
    commands: Mapping[str, Sequence[str | Path]],
    rounds: int,
    threads: int | None = None,
    timeout: float | None = None,
) -> list[Result]:
    """Time whole processes, in turns: seconds, processor time and peak resident memory of each.

    A command whose last line of standard output is a JSON object adds its numbers to its figures. One that fails ends
    the benchmark with what it wrote.
    """
    figures: dict[str, list[Mapping[str, float]]] = {name: [] for name in commands}
    for turn in range(rounds):
        for name, command in commands.items():
            one = run_command(command, threads, timeout)
            figures[name].append(one)
            tell(comparison, name, turn, rounds, one["seconds"])
    return [Result(comparison, name, tuple(rows)) for name, rows in figures.items()]


def run_command(
    command: Sequence[str | Path], threads: int | None = None, timeout: float | None = None
) -> dict[str, float]:
    """The figures of one process; `SystemExit` where it fails."""
    words = [str(word) for word in command]
    environment = dict(os.environ)
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(figures), *words]
        done = subprocess.run(
            launch, env=environment, capture_output=True, text=True, errors="replace", timeout=timeout, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"This command failed ({done.returncode}): {shlex.join(words)}\n{done.stderr[-4000:]}")
        return {**json.loads(figures.read_text(encoding="utf-8")), **last_line(done.stdout)}


def last_line(output: str) -> dict[str, float]:
    """The numbers of a JSON object in the last line of a text, if there is one."""
    lines = output.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {}
    try:
        return numbers(json.loads(lines[-1]))
    except ValueError:
        return {}


def numbers(mapping: Mapping[str, Any]) -> dict[str, float]:
    """Only the entries that are numbers."""
    return {str(name): float(value) for name, value in mapping.items() if isinstance(value, int | float)}


def tell(comparison: str, name: str, turn: int, rounds: int, seconds: float) -> None:
    """One line of progress on standard error."""
    sys.stderr.write(f"{comparison}, {turn + 1}/{rounds} {name}: {seconds:.3f} s\n")
    sys.stderr.flush()


# ------------------------------------------------------------------------------------------- the command line
def parser(description: str | None, rounds: int = 3) -> argparse.ArgumentParser:
    """The options that every benchmark has; a script adds its own."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=rounds, help="turns of all contenders (default: %(default)s)")
    options.add_argument("--threads", type=int, default=os.cpu_count(), help="default: all cores")
    options.add_argument("--device", default="cpu", help="cpu or cuda")
    options.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    options.add_argument("--tiny", action="store_true", help="small sizes and one round: does the script work?")
    return options
