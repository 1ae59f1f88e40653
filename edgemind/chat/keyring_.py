"""The history's secret in the system's keyring, asked by a short-lived child process.

A child, because the keyring is reached over a socket, which the jail shuts for the process that shows the chats, and
because its library is slow to import. Start it before ``jail.arm``; the secret comes back over a pipe.
Not for: what the child does (``keyring_child``), what the secret opens (``keys``), tokens of hubs (``models.tokens``).
"""

from __future__ import annotations

import binascii
import contextlib
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Literal

from edgemind.chat.keys import wipe
from edgemind.errors import HistoryProblem

Order = Literal["get", "make", "forget"]
WAIT = 10.0
"""Seconds for a keyring to answer; one that is locked asks its owner, who may be away."""

Refusal = Literal["none", "missing", "failed", "late"]
WORDS: dict[Refusal, str] = {
    "none": "this system has no keyring that EdgeMind can use",
    "missing": "the keyring does not have the history's secret",
    "failed": "the keyring refuses",
    "late": "the keyring does not answer",
}


@dataclass
class Answer:
    """What the keyring said: a secret, or why not."""

    secret: bytearray | None = field(default=None, repr=False)
    refusal: Refusal | None = None

    @property
    def reason(self) -> str:
        """Why there is no secret, as a half sentence."""
        return WORDS[self.refusal] if self.refusal else ""

    def wipe(self) -> None:
        if self.secret is not None:
            wipe(self.secret)
            self.secret = None


class Asking:
    """A question to the keyring that is on its way."""

    def __init__(self, order: Order, key_id: str) -> None:
        self.key_id = key_id
        self._answer: Answer | None = None
        self._once = threading.Lock()
        self._began = time.monotonic()
        try:
            self._child: subprocess.Popen[bytes] | None = subprocess.Popen(
                [sys.executable, "-m", "edgemind.chat.keyring_child", order, key_id],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONSAFEPATH": "1"},
                cwd=sys.prefix,  # Python 3.10 knows no safe path, and would import what lies in this folder
            )
        except OSError:
            self._child = None

        if order != "forget":
            self.go()

    def go(self) -> None:
        """Let the child do it. ``forget`` waits for this: it is started before the jail, and meant only once what
        makes the secret useless is on the disk."""
        if self._child is not None and self._child.stdin is not None:
            with contextlib.suppress(OSError):
                self._child.stdin.write(b"go\n")
                self._child.stdin.flush()
            self._began = time.monotonic()

    def ready(self) -> bool:
        """Whether ``result`` would not wait."""
        return self._answer is not None or self._child is None or self._child.poll() is not None

    def result(self, wait: float = WAIT) -> Answer:
        """The answer; ``wait`` seconds after the question was asked it counts as unanswered. Safe from any thread."""
        with self._once:
            if self._answer is None:
                self._answer = self._collected(wait - (time.monotonic() - self._began))
            return self._answer

    def _collected(self, left: float) -> Answer:
        if self._child is None:
            return Answer(refusal="failed")
        try:
            said, _ = self._child.communicate(timeout=max(left, 0.01))
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()
            return Answer(refusal="late")
        word, _, rest = said.strip().partition(b" ")
        if word == b"ok":
            with contextlib.suppress(binascii.Error):
                return Answer(secret=bytearray(binascii.unhexlify(rest)) if rest else None)
        refusal: Refusal = "none" if word == b"none" else "missing" if word == b"missing" else "failed"
        return Answer(refusal=refusal)


def ask(key_id: str) -> Asking:
    """Ask for the secret of this history."""
    return Asking("get", key_id)


def make(key_id: str) -> Asking:
    """Have a new secret kept for a history that is about to be made, and read back."""
    return Asking("make", key_id)


def forget(key_id: str) -> Asking:
    """Have the secret taken out of the keyring after ``go``; the answer has no refusal when that went well."""
    return Asking("forget", key_id)


def needed(asking: Asking, what: str = "The history cannot be opened") -> bytearray:
    """The secret.

    Raises:
        HistoryProblem: the keyring does not give it; ``what`` says what does not work then.
    """
    answer = asking.result()
    if answer.secret is None:
        raise HistoryProblem(f"{what}: {answer.reason or WORDS['failed']}.", "Unlock the keyring, and try again.")
    return answer.secret
