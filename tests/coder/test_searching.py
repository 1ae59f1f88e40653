"""Full-text search finds passages by words, parts of identifiers and other forms of a word, in any text."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from small_repositories import workspace

from edgemind.coder.listing import Listing
from edgemind.coder.searching import PASSAGE, Hit, mentions
from edgemind.coder.searching import search as search_in
from edgemind.coder.workspace import Workspace

ROOT = Path(__file__).parent.parent.parent


def search(
    place: Workspace, listing: Listing, question: str, limit: int = 10, exclude: tuple[str, ...] = ()
) -> list[Hit]:
    return search_in(place, mentions(place, listing, question), limit, exclude=exclude)


def lines(count: int, special: dict[int, str]) -> str:
    return "".join(f"{special.get(number, f'nothing {number}')}\n" for number in range(1, count + 1))


def test_the_passage_with_the_words_is_found(tmp_path: Path) -> None:
    place, listing = workspace(
        tmp_path,
        {
            "a.txt": lines(300, {150: "the retry logic of a download"}),
            "b.txt": lines(300, {3: "retry"}),
            "c.py": "x = 1\n",
        },
    )
    hits = search(place, listing, "where is the retry logic of downloads?")
    assert hits[0].path == "a.txt"
    assert hits[0].first <= 150 <= hits[0].last
    assert "retry logic" in hits[0].excerpt
    assert hits[0].excerpt.count("\n") == hits[0].last - hits[0].first
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert "c.py" not in {hit.path for hit in hits}


@pytest.mark.parametrize("question", ["connection pool", "ConnectionPool", "connection_pool", "pooling connections"])
def test_identifiers_are_found_by_their_parts(tmp_path: Path, question: str) -> None:
    place, listing = workspace(
        tmp_path, {"a.py": "class HTTPConnectionPool:\n    pass\n", "b.py": "def other():\n    pass\n"}
    )
    assert search(place, listing, question)[0].path == "a.py"


def test_a_name_of_a_file_counts(tmp_path: Path) -> None:
    place, listing = workspace(tmp_path, {"scheduler.py": "x = 1\n", "other.py": "y = 1\n"})
    assert [hit.path for hit in search(place, listing, "the scheduler")] == ["scheduler.py"]


def test_passages_of_a_file_do_not_overlap_and_do_not_fill_the_results(tmp_path: Path) -> None:
    place, listing = workspace(tmp_path, {"a.txt": "needle here\n" * 500, "b.txt": "a needle\n"})
    hits = search(place, listing, "needle", 10)
    spans = sorted((hit.first, hit.last) for hit in hits if hit.path == "a.txt")
    assert 1 < len(spans) <= 3
    assert all(last - first < PASSAGE for first, last in spans)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))
    assert "b.txt" in {hit.path for hit in hits}


@pytest.mark.parametrize(
    "question",
    [
        "",
        "???",
        "the of and",
        '"',
        "' OR 1=1 --",
        "NEAR(a b)",
        "a* AND (",
        "\x00\x1b",
        "🙂",
        "x" * 100_000,
        "-" * 10_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_any_question_is_only_words(tmp_path: Path, question: str) -> None:
    place, listing = workspace(tmp_path, {"a.txt": "one two\n"})
    assert search(place, listing, question) == []


def test_other_scripts_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    place, listing = workspace(
        tmp_path,
        {"de.txt": "Die Größe der Datei\n", "bad.txt": b"caf\xe9 needle \xff\n", "min.js": b"needle;" * 50_000},
    )
    assert [hit.path for hit in search(place, listing, "welche Größe")] == ["de.txt"]
    hits = {hit.path: hit for hit in search(place, listing, "needle")}
    assert hits["bad.txt"].excerpt == "caf\N{REPLACEMENT CHARACTER} needle \N{REPLACEMENT CHARACTER}"
    assert len(hits["min.js"].excerpt) <= 500


def test_excluded_and_vanished_files(tmp_path: Path) -> None:
    place, listing = workspace(tmp_path, {"a.txt": "needle\n", "b.txt": "needle\n", "c.txt": "needle\n"})
    os.unlink(tmp_path / "c.txt")
    assert [hit.path for hit in search(place, listing, "needle", exclude=("a.txt",))] == ["b.txt"]


def test_what_was_not_reached_is_counted(tmp_path: Path) -> None:
    place, listing = workspace(tmp_path, {"a.txt": "needle\n", "b.txt": "needle\n"})
    found = mentions(place, listing, "needle", most_seconds=-1)
    assert (found.worth, found.unread) == ({}, 2)
    assert search_in(place, found) == []


def test_this_repository_says_where_downloads_resume() -> None:
    place, listing = workspace(ROOT, {})
    paths = [hit.path for hit in search(place, listing, "where is an interrupted transfer resumed?", 8)]
    assert "edgemind/models/transfer.py" in paths
