"""reasoning-gym's datasets as sources of problems: ``gym:NAME``, answers checked by its own rule.

They come with an answer but without a worked solution, so only a teacher can write the thought. Not for: running
reasoning-gym itself, which happens in a child process (``gym_worker``).
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import json
import os
import random
import re
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO, Any

from edgemind.distill.problems.answers import candidates
from edgemind.distill.problems.base import NoProblem, Problem, Split, split_of
from edgemind.errors import Damaged, UsageError

SECONDS = 60.0
"""The longest that one question or one check may take; the first request also waits for the start."""
START_SECONDS = 300.0
LONGEST = 20_000
"""Characters of an answer that are scored, from its end."""
TRIES = 600
"""Draws for a problem of the wanted split."""
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


class GymSource:
    """One dataset of reasoning-gym; difficulty by its own curriculum, where it has one.

    Args:
        dataset: its name there.
        seed: questions are a function of it.
        within: the only levels to draw, from and to; a dataset that ends before has its highest one.

    Raises:
        UsageError: there is no such dataset (with the nearest known one), it cannot be used, or reasoning-gym is
            not installed.
    """

    written = False
    held_out = True

    def __init__(self, dataset: str, seed: int, within: tuple[int, int] | None = None) -> None:
        from edgemind.distill.problems.sources import GYM, levels_within, unknown_name

        if importlib.util.find_spec("reasoning_gym") is None:
            sentence = f"{GYM}{dataset} needs reasoning-gym, which is not installed."
            raise UsageError(sentence, "Run `pip install 'edgemind[gym]'`.")
        self.name = GYM + dataset
        self.description = f"{dataset.replace('_', ' ')}, of reasoning-gym"
        self._dataset, self._seed = dataset, seed
        found = _worker.ask({"do": "open", "name": dataset}, START_SECONDS) or {"refused": "it takes too long"}
        if "known" in found:
            known = [GYM + name for name in found["known"]]
            raise unknown_name(self.name, known, "problems.families names", "reasoning-gym has no such dataset")
        if "refused" in found:
            raise UsageError(f"{self.name} cannot be used: {found['refused']}.", "Name another dataset.")
        self._places: list[int] = found["places"]
        self.levels = len(self._places)
        self._space: int = found["space"]
        self._range = levels_within(self.levels, within)

    def levels_of(self, split: Split) -> Sequence[int]:
        """The same for both splits."""
        return self._range

    def draw(self, rng: random.Random, level: int, split: Split) -> Problem:
        """By drawing until a question of the split comes up; the split is by the question's text.

        Raises:
            NoProblem: none came up, or making one takes too long.
        """
        seed = (self._seed * 1_000_003 + level * 7919) % 2**31
        place = self._places[level - 1]
        for _ in range(TRIES):
            index = rng.randrange(self._space)
            made = _worker.ask({"do": "draw", "name": self._dataset, "place": place, "seed": seed, "index": index})
            if made is None:
                raise NoProblem(f"{self.name} made no problem of level {level} in {SECONDS:.0f} seconds.")
            if "question" not in made:
                continue
            key = text_key(made["question"])
            if split_of(key) == split:
                where = json.dumps({"level": level, "seed": seed, "index": index})
                return Problem(self.name, key, made["question"], "", made["answer"], where, level)
        raise NoProblem(f"{self.name} gave no {split} problem at level {level} in {TRIES} draws.")

    def check(self, problem: Problem, answer: str) -> bool:
        """Whether reasoning-gym gives the answer, or what it marks as its result, full marks.

        Raises:
            Damaged: the problem is not one that the installed reasoning-gym makes.
        """
        try:
            level, seed, index = (int(json.loads(problem.result)[key]) for key in ("level", "seed", "index"))
            where = {"place": self._places[level - 1], "seed": seed, "index": index}
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise Damaged(f"A problem of {self.name} does not say which one it is.", REMAKE) from error
        answer = answer[-LONGEST:]
        tagged = _ANSWER.findall(answer)
        texts = [tagged[-1]] if tagged else candidates(answer) if answer.strip() else []
        # without answers, too: whether it is the same problem is worth knowing at once
        answers = list(dict.fromkeys(form for text in texts for form in (text, text.strip(), text.strip(" .*`$"))))
        reply = _worker.ask({"do": "score", "name": self._dataset, **where, "answers": answers})
        if reply is None:
            return False
        if reply["question"] != problem.prompt:
            raise Damaged(f"The installed reasoning-gym makes another problem of {self.name} than this one.", REMAKE)
        return bool(reply["right"])


REMAKE = "Run `edgemind distill` again with a new run directory."


def text_key(text: str) -> str:
    """The key of a problem that is known by its text alone: the same for all that differ in case and spaces only."""
    return "text:" + hashlib.sha256(" ".join(text.casefold().split()).encode("utf-8", "replace")).hexdigest()[:32]


class _Worker:
    """The child process, started when first asked and again after it was stopped for taking too long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._buffer = b""

    def ask(self, request: dict[str, Any], seconds: float | None = None) -> dict[str, Any] | None:
        """The reply, or ``None`` when it takes longer than ``seconds`` (``SECONDS``) or the child ends over it."""
        with self._lock:
            limit = SECONDS if seconds is None else seconds
            if self._process is None or self._process.poll() is not None or self._owner != os.getpid():
                self._start()
                limit = START_SECONDS
            reply = self._exchange(json.dumps(request).encode() + b"\n", limit)
            if reply is None:
                self._stop()
                return None
            return dict(json.loads(reply))

    def _start(self) -> None:
        from edgemind.privacy import jail

        extra = {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._buffer = b""
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            jail.sandbox_command([sys.executable, "-m", "edgemind.distill.problems.gym_worker"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=jail.scrubbed_environment(extra),
            cwd=sys.prefix,
            start_new_session=True,
        )

    def _exchange(self, request: bytes, seconds: float) -> bytes | None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(request)
            process.stdin.flush()
        except OSError:
            return None
        return self._line(process.stdout, time.monotonic() + seconds)

    def _line(self, stream: IO[bytes], until: float) -> bytes | None:
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, until - time.monotonic())):
                    return None
                piece = os.read(stream.fileno(), 1 << 16)
                if not piece:
                    return None
                self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _stop(self) -> None:
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
        self._process = None

    def close(self) -> None:
        """Ends the child."""
        with self._lock:
            self._stop()


_worker = _Worker()
atexit.register(_worker.close)
