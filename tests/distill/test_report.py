"""The report and the card: whole, harmless, and true to the figures."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from edgemind.distill.evaluation.result import (
    Agreement,
    Bin,
    Calibration,
    Declining,
    Evaluated,
    Evaluation,
    FamilyResult,
    Outcome,
    Share,
)
from edgemind.distill.model_card import CardFacts, Training, as_markdown, write_card
from edgemind.distill.report import charts
from edgemind.distill.report.facts import Facts, read_log
from edgemind.distill.report.html import as_html, write_report
from edgemind.distill.report.samples import samples
from edgemind.distill.traces.report import Tally, TraceReport

HOSTILE = "</pre></style><script>alert(1)</script><img src=x onerror=alert(2)> &amp; \u202e\x1b[31m \"' \ud800"
VOID = {"meta", "img", "br", "hr"}


class Tags(HTMLParser):
    """Every element and attribute, and whether all are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.broken: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.broken.append(tag)


def share(right: int, count: int) -> Share:
    return Share(right=right, count=count)


def evaluated(name: str, wrong: int, **changes: Any) -> Evaluated:
    outcomes = [
        Outcome(
            id=f"{family}{number}", family=family, level=1 + number % 2, prompt=f"{number}? {HOSTILE}", thought=HOSTILE,
            answer=HOSTILE, right=number >= wrong, declined=False, ended=number != 3, confidence=0.9,
        )
        for family in ("addition", "clock")
        for number in range(40)
    ]  # fmt: skip
    levels = {
        level: Share(right=sum(one.right for one in outcomes[:40] if one.level == level), count=20) for level in (1, 2)
    }
    one = Bin(low=0.9, high=1, count=80, right=70, confidence=0.95)
    values: dict[str, Any] = {
        "model": name, "kind": "gguf", "parameters": 4_000_000, "size_bytes": 4_800_000, "quantization": "Q8_0",
        "families": {family: FamilyResult(description="sums | <b>", levels=levels) for family in ("addition", "clock")},
        "declining": Declining(facts=share(96, 100), invented=share(9, 10), mistaken=share(0, 9)),
        "calibration": Calibration(bins=(one,), error=0.07, brier=0.1),
        "agreement": Agreement(teacher="teacher", tokens=100, same=97, divergence=0.0123, divergence_error=0.001),
        "tokens": 100, "seconds": 2.0, "thought_tokens": 5, "answer_tokens": 6, "unfinished": 1, "max_tokens": 99,
        "sequences": 8, "edgemind": "0", "machine": "m",
    }  # fmt: skip
    return Evaluated(result=Evaluation(**{**values, **changes}), outcomes=tuple(outcomes))


def everything(tmp_path: Path) -> Facts:
    log = tmp_path / "log.jsonl"
    lines: list[str] = []
    for step in range(1, 601):
        figures = {
            "step": step,
            "tokens": 100 * step,
            "cross_entropy": 3 / step,
            "divergence": None if step < 9 else 1 / step,
        }
        lines.append(json.dumps(figures))
        if step % 100 == 0:
            level = min(2, step // 200 + 1)
            accuracy = {"1": [step // 10, 60], "2": [step // 20, 60]}
            lines.append(json.dumps({"step": step, "tokens": 100 * step, "level": level, "accuracy": accuracy}))
    log.write_text("\n".join([*lines, "half a li", "[]", '{"accuracy": 3, "tokens": 1}']) + "\n")
    curve = read_log(log)
    return Facts(
        name=HOSTILE,
        description=HOSTILE,
        recipe=HOSTILE,
        curves={"full": curve, "no-teacher": curve, HOSTILE: curve},
        evaluations={
            "teacher": evaluated("teacher", 1, parameters=26_000_000, agreement=None),
            "full": evaluated("full", 3),
            "shipped": evaluated("shipped", 3),
            "no-teacher": evaluated("no-teacher", 12),
            HOSTILE: evaluated(HOSTILE, 20, calibration=None, declining=None, agreement=None),
        },
        trainings={"full": {"steps": 600, "tokens": 60_000, "learned": 30_000, "seconds": 12.5}},
        traces=TraceReport(
            HOSTILE, {(HOSTILE, 1): Tally(problems=5, samples=10, right=7, wrong=2, cut=1, kept=5)}, 1234, 5.0
        ),
        stages=[("train full", 12.5), (HOSTILE, 6000.0)],
        provenance=[(HOSTILE, HOSTILE)],
        machine=HOSTILE,
    )


def test_a_page_that_asks_for_nothing_and_runs_nothing(tmp_path: Path) -> None:
    path = write_report(tmp_path / "out" / "report.html", everything(tmp_path))
    page = path.read_text("utf-8")
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.broken == []
    assert not {"script", "img", "iframe", "link", "object", "a", "form"} & {tag for tag, _ in tags.seen}
    attributes = [(name, value or "") for _, found in tags.seen for name, value in found.items()]
    assert not [
        name for name, _ in attributes if name.startswith("on") or name in ("src", "href", "action", "xlink:href")
    ]
    policies = [found["content"] for tag, found in tags.seen if found.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert str(policies[0]).startswith("default-src 'none'")
    assert "script-src" not in str(policies[0])
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme:dark" in style
    assert "@media print" in style
    assert not re.search("[\u202e\x1b\ud800]", page)


def test_the_page_shows_what_was_found(tmp_path: Path) -> None:
    page = as_html(everything(tmp_path))
    for text in (
        "92.5 %", "student without a teacher", "Held-out accuracy by level", "to level 2", "97.00 %", "0.0123",
        "96 of 100", "70.0 %", "1 h 40 min", "1/6.5 of its parameters", "Q8_0", "✗ wrong", "(cut)",
    ):  # fmt: skip
        assert text in page, text


def test_drawings_are_sound_and_have_words(tmp_path: Path) -> None:
    page = as_html(everything(tmp_path))
    drawings = re.findall(r'<svg class="chart".*?</svg>', page, re.DOTALL)
    assert len(drawings) >= 7
    ids = []
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        title, about = root[0], root[1]
        assert (title.tag, about.tag) == ("title", "desc")
        assert title.text
        assert about.text
        assert root.get("aria-labelledby") == f"{title.get('id')} {about.get('id')}"
        ids.append(title.get("id"))
        assert not re.search(r"nan|inf", " ".join(each.get("points", "") for each in root.iter()))
    assert len(set(ids)) == len(ids)


def test_a_page_of_nothing_is_a_page() -> None:
    page = as_html(Facts("empty"))
    assert "<h1>empty</h1>" in page
    assert "<h2>" not in page


def test_a_log_is_shortened_and_strange_lines_passed_over(tmp_path: Path) -> None:
    facts = everything(tmp_path)
    curve = facts.curves["full"]
    assert len(curve.points) == 200
    assert curve.points[0].cross_entropy == pytest.approx((3 + 1.5 + 1) / 3)
    assert curve.points[0].divergence is None
    assert curve.moves == [(20_000, 2)]
    assert len(curve.checks) == 6
    assert read_log(tmp_path / "none.jsonl").points == ()


def test_lines_survive_what_is_no_number() -> None:
    strange = charts.Line("<&>", [(0.0, float("nan")), (1.0, 0.0), (2.0, 1.0), (float("inf"), 1.0)], 9)
    drawn = charts.lines(1, "t", [strange], y_label="y", logarithmic=True)
    ElementTree.fromstring(drawn)
    assert charts.lines(1, "t", [charts.Line("a", [], 0)], y_label="y") == ""
    assert charts.nice_ticks(0, 1, 5) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert charts.short(20_000_000) == "20M"


def test_samples_show_what_a_teacher_taught() -> None:
    found = samples({"teacher": evaluated("t", 1), "full": evaluated("f", 3), "no-teacher": evaluated("n", 12)}, most=6)
    assert len(found) == 6
    first = found[0].written
    assert first["full"].right
    assert not first["no-teacher"].right
    assert {sample.family for sample in found[:2]} == {"addition", "clock"}
    assert any(not sample.written["full"].right for sample in found)


def test_the_card_has_every_figure(tmp_path: Path) -> None:
    made = {
        "teacher": evaluated("teacher", 1, parameters=26_000_000, agreement=None),
        "full": evaluated("full", 3),
        "no-teacher": evaluated("no-teacher", 12),
        "shipped": evaluated("shipped", 3),
        "no-targets": evaluated("no-targets", 6),
    }
    facts = CardFacts(
        "little", ["What it is.", "What it is not."], {"full": Training(600, 60_000_000, 1200.0)}, "2 CPUs", 7200, 1,
        1024, "2026-01-01", "`make` repeats it.",
    )  # fmt: skip
    card = as_markdown(facts, made)
    assert "| **average** |  | **97.5** (" in card
    assert "+22.5 points (" in card
    assert "94.9% of the teacher's accuracy with 15.4% of its parameters" in card
    assert "changed the average by +0.0 points" in card
    assert "| soft targets (the teacher's traces, plain cross-entropy) |" in card
    assert "sums \\| <b>" in card
    assert "60.0 million | 20 min | 50,000 |" in card
    assert "2.0 hours on 2 CPUs" in card
    assert max(len(line) for line in card.splitlines() if not line.startswith("|")) <= 120
    write_card(tmp_path / "card.md", facts, made)
    assert (tmp_path / "card.md").read_text("utf-8") == card
