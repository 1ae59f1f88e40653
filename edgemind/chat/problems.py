"""What can be wrong with the history's files. Not for: the family these belong to (``errors``)."""

from __future__ import annotations

from edgemind.errors import HistoryProblem


class NoHistory(HistoryProblem):
    """There is no history yet."""


class HistoryLocked(HistoryProblem):
    """Its key is not in this process any more."""


class HistoryNotSaving(HistoryProblem):
    """The history cannot be written: a read-only or full disk. Chats can go on, unsaved."""


class HistoryDamaged(HistoryProblem):
    """The database is not what was written; ``recovery`` can mend it."""


class HistoryInUse(HistoryProblem):
    """Another EdgeMind has it open, and what was asked needs it alone."""
