"""Runs one command and writes its time and peak memory; a small process between a benchmark and what it measures.

    python -I -S launcher.py FIGURES.json COMMAND ...

Linux gives a child the peak memory of the process that started it as a lower bound, and a benchmark that has loaded a
volume is larger than many a command: so the command is started from here. Standard output is passed on.
"""

import json
import os
import sys
import time


def main() -> int:
    """The command's exit code."""
    figures, *command = sys.argv[1:]
    start = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - start
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB on Linux
    peak = usage.ru_maxrss / unit
    with open(figures, "w", encoding="utf-8") as file:
        json.dump({"seconds": seconds, "processor_s": usage.ru_utime + usage.ru_stime, "peak_mib": peak}, file)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
