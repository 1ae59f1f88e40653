"""Problems and traces that need no torch: for tests of capturing, and for the process that one of them kills."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from edgemind.distill.chat_format import ChatFormat
from edgemind.distill.problems.base import Problem
from edgemind.distill.targets.capture import CaptureStep, capture
from edgemind.distill.traces.trace import Trace

PER_SHARD = 10
MANY = 200
PAUSE = 0.05


def problems(count: int = 25) -> list[Problem]:
    return [_problem(number) for number in range(count)]


def _problem(number: int) -> Problem:
    thought = f"{number} and {number}\n" * (1 + number % 4)
    answer, result = f"It is {2 * number}.", str(2 * number)
    return Problem("sum", f"sum:{number}", f"What is {number} + {number}?", thought, answer, result, 1 + number % 3)


def traces(given: Sequence[Problem]) -> list[Trace]:
    return [Trace(one.id, one.family, one.level, one.thought, one.answer, "written", 0, 0, True) for one in given]


def slowly(step: CaptureStep) -> None:
    print(step.done, flush=True)
    time.sleep(PAUSE)


if __name__ == "__main__":
    directory, student = map(Path, sys.argv[1:])
    given = problems(MANY)
    capture(given, traces(given), ChatFormat.of_folder(student), None, directory, 0, 1.0, PER_SHARD, slowly)
