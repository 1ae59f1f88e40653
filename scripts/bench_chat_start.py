"""How long `edgemind` takes to its first usable frame, and what it costs when nothing happens.

    python scripts/bench_chat_start.py [--runs 7] [--idle 20]

A frame is usable when the composer is drawn and a typed key is shown in it. Each run is a process of its own on a
terminal of its own (80x24), in a folder that an earlier run has been in. The wall clock counts whatever else
runs on the machine; the processor time of the process itself up to that frame does not, so both are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench_terminal import Terminal

COMMAND = str(Path(sys.executable).with_name("edgemind"))
DRAWN = "Write a message"
KEY = "Z"
LIMIT = 60.0


def usable(terminal: Terminal) -> tuple[float, float]:
    """Seconds to the composer, and to a key that is shown in it."""
    drawn = terminal.until(DRAWN, LIMIT)
    terminal.last = b""
    terminal.type(KEY)
    return drawn, terminal.until(KEY, LIMIT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds without a key, after the model has loaded")
    chosen = parser.parse_args()
    drawn, shown, spent = [], [], []
    idle: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "EDGEMIND_HOME": folder, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
        for number in range(chosen.runs + 1):
            terminal = Terminal([COMMAND], environment, (80, 24))
            first, second = usable(terminal)
            processor = terminal.processor()
            if number:  # the first run compiles
                drawn.append(first)
                shown.append(second)
                spent.append(processor)
            if number == chosen.runs:
                terminal.read(10)
                before, woken = terminal.processor(), terminal.wake_ups()
                terminal.read(chosen.idle)
                idle = {
                    "seconds": chosen.idle,
                    "processor_seconds": terminal.processor() - before,
                    "wake_ups": terminal.wake_ups() - woken,
                    "resident_bytes": terminal.memory(),
                }
            terminal.end()
    found = {
        "runs": chosen.runs,
        "composer_drawn_s": summary(drawn),
        "key_shown_s": summary(shown),
        "processor_s": summary(spent),
        "load_average": os.getloadavg()[0],
        "idle": idle,
    }
    print(json.dumps(found, indent=2))


def summary(values: list[float]) -> dict[str, float]:
    return {"best": round(min(values), 3), "median": round(statistics.median(values), 3)}


if __name__ == "__main__":
    main()
