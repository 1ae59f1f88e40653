"""The report: one HTML file with everything in it."""

from __future__ import annotations

from pathlib import Path

from edgemind.distill.report.facts import Facts


def write_report(path: Path, facts: Facts) -> Path:
    """Write the report, whole or not at all.

    Raises:
        NoRoom, StoreProblem: the disk does not take it.
    """
    raise NotImplementedError
