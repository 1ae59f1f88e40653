"""The error family: one sentence for the user, the next command to type, and an exit code.

Every error that can happen to a user is an ``EdgemindError``; anything else that reaches the top is a bug.
The exit codes are listed in the README and ``tests/test_errors.py`` keeps both in step.
"""

from __future__ import annotations

from typing import ClassVar


class EdgemindError(Exception):
    """An error that a user can cause or meet.

    Args:
        message: one clear sentence, without a trailing newline.
        hint: the next command to type or thing to do; may be empty.
    """

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[EdgemindError], tuple[str, str]]:
        return type(self), (self.message, self.hint)


class UsageError(EdgemindError):
    """Flags that contradict each other, an argument out of its range."""

    exit_code = 2
    kind = "usage"


class ModelNotFound(EdgemindError):
    """No installed model and no file of this name."""

    exit_code = 3
    kind = "model_not_found"


class ModelUnusable(EdgemindError):
    """A file that is no GGUF, is damaged or truncated, or whose architecture llama.cpp does not know."""

    exit_code = 4
    kind = "model_unusable"


class OutOfMemory(EdgemindError):
    """The model or the context does not fit this machine's memory; the message has the numbers."""

    exit_code = 5
    kind = "out_of_memory"


class PromptTooLong(EdgemindError):
    """A single prompt that cannot fit the context; the message has the numbers."""

    exit_code = 6
    kind = "prompt_too_long"


class WorkerDied(EdgemindError):
    """The engine's child process ended; what had been generated until then is kept."""

    exit_code = 7
    kind = "worker_died"


class NotOffline(EdgemindError):
    """``--require-offline`` was given and this system cannot enforce it."""

    exit_code = 8
    kind = "not_offline"


class BadConstraint(EdgemindError):
    """A JSON schema or GBNF grammar that cannot be used."""

    exit_code = 9
    kind = "bad_constraint"


class BadInput(EdgemindError):
    """Input that cannot be read as text: binary standard input, a missing or unreadable attachment."""

    exit_code = 10
    kind = "bad_input"


class BadConfig(EdgemindError):
    """A settings or catalog file that does not validate; the message names the file and line."""

    exit_code = 11
    kind = "bad_config"


class NetworkProblem(EdgemindError):
    """The hub cannot be reached, does not answer, or answers with an error of its own."""

    exit_code = 12
    kind = "network"


class AccessDenied(EdgemindError):
    """A model that asks for an accepted licence or a token; a token that the hub does not take."""

    exit_code = 13
    kind = "access_denied"


class Damaged(EdgemindError):
    """Bytes that are not those their hash promises, in a download, in the store or on a stick."""

    exit_code = 14
    kind = "damaged"


class NoRoom(EdgemindError):
    """The disk is full, or would be; the message has the numbers."""

    exit_code = 15
    kind = "no_room"


class StoreProblem(EdgemindError):
    """The model store cannot be used as asked: read-only, locked, written by a newer version, or a disk error."""

    exit_code = 16
    kind = "store"


class HistoryProblem(EdgemindError):
    """The history of chats cannot be used as asked: none yet, damaged, read-only, a chat that is not there."""

    exit_code = 17
    kind = "history"


class WrongPassphrase(EdgemindError):
    """A passphrase that does not open the history, one too soon after wrong ones, or none where one is needed."""

    exit_code = 18
    kind = "wrong_passphrase"


class HistoryTooNew(EdgemindError):
    """The history was written by a newer version of EdgeMind; it is left as it is."""

    exit_code = 19
    kind = "history_too_new"


class WorkspaceProblem(EdgemindError):
    """A file of the workspace cannot be written as asked, or has changed meanwhile; nothing was half written."""

    exit_code = 20
    kind = "workspace"


class ChecksFailed(EdgemindError):
    """Edits were written as asked, and the test, or the syntax check, still fails."""

    exit_code = 21
    kind = "checks_failed"


EXIT_INTERRUPTED = 130
"""Ctrl-C: 128 + SIGINT; the partial answer has been printed."""

EXIT_CLOSED_OUTPUT = 141
"""The reader of standard output went away: 128 + SIGPIPE."""


def all_kinds() -> dict[str, type[EdgemindError]]:
    """Every error class by its ``kind``, the name that crosses the pipe from the worker."""
    found: dict[str, type[EdgemindError]] = {EdgemindError.kind: EdgemindError}
    pending = list(EdgemindError.__subclasses__())
    while pending:
        cls = pending.pop()
        found.setdefault(cls.kind, cls)  # a special case that has no kind of its own does not stand for its family
        pending.extend(cls.__subclasses__())
    return found
