"""Entries of the catalog against what a hub says; the hub is real on loopback in ``tests/cli/test_catalog.py``."""

from __future__ import annotations

import pytest

from edgemind.models.catalog_online import Difference, compare, same_licence
from edgemind.models.catalog_schema import CatalogEntry
from edgemind.models.remote import RemoteFile, RemoteRepository

OLD, NEW = "a" * 40, "b" * 40
ONE, TWO = "1" * 64, "2" * 64


def entry(**more: object) -> CatalogEntry:
    return CatalogEntry.model_validate(
        {
            "name": "mine",
            "description": "My model",
            "repository": "me/mine",
            "parameters": 1000,
            "context": 2048,
            "licence": "Apache-2.0",
            **more,
        }
    )


def repository(commit: str, *files: RemoteFile, licence: str | None = "apache-2.0") -> RemoteRepository:
    return RemoteRepository("me/mine", commit, files, "https://hub", licence=licence)


def asked(entry: CatalogEntry, **by_commit: RemoteRepository) -> tuple[list[Difference], list[str | None]]:
    commits: list[str | None] = []

    def ask(repo: str, commit: str | None) -> RemoteRepository:
        assert repo == "me/mine"
        commits.append(commit)
        return by_commit["newest" if commit is None else commit]

    return compare(entry, ask), commits


def test_what_agrees() -> None:
    files = {
        "Q8_0": {"name": "a.gguf", "size": 10, "sha256": ONE},
        "Q6_K": {"parts": ["b-1.gguf", "b-2.gguf"], "size": 5},
    }
    there = (
        RemoteFile("a.gguf", 10, ONE, None),
        RemoteFile("b-1.gguf", 2, TWO, None),
        RemoteFile("b-2.gguf", 3, TWO, None),
    )
    assert asked(entry(files=files, revision=NEW), newest=repository(NEW, *there)) == ([], [None])
    assert compare(entry(repository=None), lambda repo, commit: pytest.fail("nothing to ask")) == []


def test_what_the_catalog_has_wrong_or_does_not_say() -> None:
    files = {"A": {"name": "a.gguf", "size": 9, "sha256": TWO}, "B": "b.gguf", "C": "c.gguf"}
    there = (RemoteFile("a.gguf", 10, ONE, None), RemoteFile("b.gguf", 11, TWO, None))
    found, _ = asked(entry(files=files), newest=repository(NEW, *there, licence="mit"))
    assert {(one.field, one.catalog, one.hub, one.kind) for one in found} == {
        ("files.A.size", "9", "10", "wrong"),
        ("files.A.sha256", TWO, ONE, "wrong"),
        ("files.B.size", None, "11", "unknown"),
        ("files.B.sha256", None, TWO, "unknown"),
        ("files.C", "c.gguf", None, "wrong"),
        ("revision", None, NEW, "unknown"),
        ("licence", "Apache-2.0", "mit", "wrong"),
    }


def test_a_pinned_commit_is_what_is_compared() -> None:
    pinned = repository(OLD, RemoteFile("a.gguf", 10, ONE, None))
    moved_on = repository(NEW, RemoteFile("a.gguf", 99, TWO, None))
    wanted = entry(files={"A": {"name": "a.gguf", "size": 10, "sha256": ONE}}, revision=OLD)
    found, commits = asked(wanted, newest=moved_on, **{OLD: pinned})
    assert found == [Difference("mine", "revision", OLD, NEW, "newer")]
    assert commits == [None, OLD]


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("Apache-2.0", "apache-2.0", True),
        ("MIT", "mit", True),
        ("Gemma Terms of Use", "gemma", True),
        ("Llama 3.2 Community License", "llama3.2", True),
        ("LFM Open License v1.0", "lfm1.0", True),
        ("Qwen Research License (not for commercial use)", "qwen-research", True),
        ("MIT, and the Llama 3.1 Community License of its base", "mit", True),
        ("MIT", "apache-2.0", False),
        ("Llama 3.2 Community License", "llama3.1", False),
        ("MIT", "license", False),
    ],
)
def test_licences(ours: str, theirs: str, same: bool) -> None:
    assert same_licence(ours, theirs) == same
