"""The report: one HTML file with everything in it, which needs no network, no script and no other file.

Its policy (CSP) forbids every request and every script; what models and files say is escaped in ``tables``. Not for:
the numbers (``facts``), drawing (``charts``).
"""

from __future__ import annotations

from pathlib import Path

from edgemind import __version__
from edgemind.distill.report import course, findings
from edgemind.distill.report.facts import Facts
from edgemind.distill.report.style import style_sheet
from edgemind.distill.report.tables import safe
from edgemind.models.store.files import Folder, explained

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def write_report(path: Path, facts: Facts) -> Path:
    """Write the report, whole or not at all.

    Raises:
        NoRoom, StoreProblem: the disk does not take it.
    """
    page = as_html(facts).encode("utf-8", "replace")
    with explained("write the report", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with Folder.at(path.parent) as place:
            place.write(path.name, page)
    return path


def as_html(facts: Facts) -> str:
    """The page."""
    parts = (
        findings.accuracy(facts, 1),
        findings.differences(facts),
        course.training(facts, 10),
        findings.certainty(facts, 2),
        findings.side_by_side(facts),
        course.traces(facts),
        course.provenance(facts),
    )
    lead = f'<p class="lead">{safe(facts.description)}</p>' if facts.description else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{safe(facts.name)}: distillation report</title><style>{style_sheet()}</style></head><body>"
        f'<header><p class="kicker">Distillation report</p><h1>{safe(facts.name)}</h1>{lead}'
        f"{findings.cards(facts)}</header>"
        f"<main>{''.join(parts)}</main>"
        f"<footer>Written by EdgeMind {safe(__version__)}. This file needs no network.</footer></body></html>\n"
    )
