"""How long `edgemind` takes to its first usable frame, and what it costs when nothing happens.

    python scripts/bench_chat_start.py [--runs 7] [--idle 20]

A frame is usable when the composer is drawn and a typed key is shown in it. Each run is a process of its own on a
terminal of its own (80x24), in a folder that an earlier run has been in. The wall clock counts whatever else
runs on the machine; the processor time of the process itself up to that frame does not, so both are printed.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("edgemind"))
DRAWN = "Write a message"
KEY = "Z"
LIMIT = 60.0


class Terminal:
    """The command on a pseudo terminal."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.began = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            environment = {**os.environ, "EDGEMIND_HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
            environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
            os.execve(COMMAND, [COMMAND, *arguments], environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = b""

    def until(self, text: str) -> float:
        """Seconds from the start until this was drawn."""
        before = len(self.seen)
        while time.perf_counter() - self.began < LIMIT:
            if text.encode() in self.seen[max(0, before - 4096) :]:
                return time.perf_counter() - self.began
            if select.select([self.fd], [], [], 0.2)[0]:
                self.seen += os.read(self.fd, 65536)
        raise SystemExit(f"{text!r} was not drawn within {LIMIT:.0f} s")

    def usable(self) -> tuple[float, float]:
        """Seconds to the composer, and to a key that is shown in it."""
        drawn = self.until(DRAWN)
        self.seen = b""
        os.write(self.fd, KEY.encode())
        return drawn, self.until(KEY)

    def processor(self) -> float:
        """Seconds that the process has run so far, its children left out."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wake_ups(self) -> int:
        """How often its threads have been put to sleep so far."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
        return total

    def memory(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def drain(self, seconds: float) -> None:
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                self.seen += os.read(self.fd, 65536)

    def end(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        until = time.perf_counter() + 10
        while time.perf_counter() < until:
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                os.close(self.fd)
                return
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    os.read(self.fd, 65536)
                except OSError:
                    time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds without a key, after the model has loaded")
    chosen = parser.parse_args()
    drawn, usable, spent = [], [], []
    idle: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(chosen.runs + 1):
            terminal = Terminal(Path(folder))
            first, second = terminal.usable()
            processor = terminal.processor()
            if number:  # the first run compiles
                drawn.append(first)
                usable.append(second)
                spent.append(processor)
            if number == chosen.runs:
                terminal.drain(10)
                before, woken = terminal.processor(), terminal.wake_ups()
                terminal.drain(chosen.idle)
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
        "key_shown_s": summary(usable),
        "processor_s": summary(spent),
        "load_average": os.getloadavg()[0],
        "idle": idle,
    }
    print(json.dumps(found, indent=2))


def summary(values: list[float]) -> dict[str, float]:
    return {"best": round(min(values), 3), "median": round(statistics.median(values), 3)}


if __name__ == "__main__":
    main()
