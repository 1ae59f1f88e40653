"""A hub that means harm writes nothing outside the store, and nothing inside under a name of its choice."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

import pytest
from localhub import MISSING, Fault, Faults, Hub, faults
from pulling import REPO, everything, pull, store_of, visible

from edgemind.errors import EdgemindError

PLAIN = re.compile(
    r"(blobs|manifests|partial|pending|stamps)(/((sha256|git)-[0-9a-f]{40,64}(\.part|\.json|\.lock)?"
    r"|[a-z0-9][a-z0-9._-]*(~[0-9a-f]+)?\.json))?|store\.json|lock"
)


@contextlib.contextmanager
def nothing_escapes(folder: Path, home: Path):
    """Outside the store all is as before, inside every name is one of ours; whatever is visible is sound."""
    folder.joinpath("bystander").write_text("mine")
    before = everything(folder)
    yield
    root = home / "data" / "models"
    outside = {name for name in everything(folder) if not folder.joinpath(name).is_relative_to(home)}
    assert outside == set(before)
    for path in root.rglob("*"):
        assert not path.is_symlink()
        assert PLAIN.fullmatch(path.relative_to(root).as_posix()), path
    assert {path.name for path in home.iterdir()} <= {"data"} if home.exists() else True
    assert folder.joinpath("bystander").read_text() == "mine"
    visible(home)


def absolute(name: str) -> bool:
    return name.startswith("/") and "\0" not in name and len(name) < 4000


@pytest.mark.parametrize("number", range(len(faults.HOSTILE_NAMES)))
def test_names(tmp_path, home, model, monkeypatch, number):
    name = faults.HOSTILE_NAMES[number]
    monkeypatch.chdir(tmp_path)
    with Hub() as hub, nothing_escapes(tmp_path, home):
        hub.add(REPO, {name: model})
        with contextlib.suppress(EdgemindError):
            pull(hub, home)
        hub.add(REPO, {name: model, "tiny-F32.gguf": model})
        pull(hub, home)
    assert not absolute(name) or not os.path.lexists(name)


def test_all_names_at_once(tmp_path, home, model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Hub() as hub, nothing_escapes(tmp_path, home):
        hub.add(REPO, {**dict.fromkeys(faults.HOSTILE_NAMES, model), "tiny-F32.gguf": model})
        pull(hub, home)
        assert len(visible(home)) == 1


def test_names_of_repositories(tmp_path, home, model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Hub() as hub, nothing_escapes(tmp_path, home):
        for name in ("../..", "owner/..", "../name", "owner/con", "./x", "owner/-rf", "OWNER/Name.GGUF"):
            hub.add(name, {"model.gguf": model})
            with contextlib.suppress(EdgemindError):
                pull(hub, home, name)


@pytest.mark.parametrize("number", range(len(faults.HOSTILE_DIGESTS)))
def test_digests(tmp_path, home, hub, number):
    hub.repo(REPO).lie("tiny-F32.gguf", sha256=faults.HOSTILE_DIGESTS[number])
    refused(tmp_path, home, hub)


@pytest.mark.parametrize("said", [MISSING, *faults.HOSTILE_SIZES], ids=["missing", *map(repr, faults.HOSTILE_SIZES)])
def test_sizes(tmp_path, home, hub, said):
    hub.repo(REPO).lie("tiny-F32.gguf", size=said)
    refused(tmp_path, home, hub)


@pytest.mark.parametrize("wrong", [-1, 1, -50_000, 50_000])
def test_wrong_sizes(tmp_path, home, hub, model, wrong):
    hub.repo(REPO).lie("tiny-F32.gguf", size=len(model) + wrong)
    refused(tmp_path, home, hub)


def test_another_digest(tmp_path, home, hub):
    hub.repo(REPO).lie("tiny-F32.gguf", sha256="0" * 64)
    refused(tmp_path, home, hub)


@pytest.mark.parametrize("sha", ["../../..", "x" * 40, None, 5, "A" * 40, "0" * 39, ["0" * 40]], ids=repr)
def test_commits(tmp_path, home, hub, sha):
    hub.faults = Fault(at="info", tamper=faults.replaced(sha=sha))
    refused(tmp_path, home, hub)


@pytest.mark.parametrize(
    "fault",
    [
        faults.captive_portal(),
        faults.not_json(),
        faults.huge_json(100 << 20),
        faults.deep_json(200_000),
        Fault(at="info", body=b"[]"),
        Fault(at="info", body=b"null"),
        Fault(at="info", tamper=faults.replaced(siblings="all of them")),
        Fault(at="info", tamper=faults.replaced(siblings=[None, 3, {}, {"rfilename": {}}])),
        Fault(at="info", tamper=faults.replaced(siblings=None)),
        Fault(at="info", tamper=faults.replaced(siblings={})),
        Fault(at="resolve", redirect="loop"),
        Fault(at="resolve", redirect="file:///etc/passwd"),
        Fault(at="resolve", redirect="ftp://127.0.0.1/x"),
        Fault(at="resolve", redirect="http://192.0.2.1/x"),
        Fault(at="resolve", redirect="http://[::1"),
        Fault(at="resolve", redirect=""),
        Fault(at="resolve", redirect="//"),
        Fault(at="resolve", redirect="http://127.0.0.1:99999/x"),
        Fault(at="resolve", redirect="http://127.0.0.1:port/x"),
        Fault(at="resolve", redirect="http://user:secret@127.0.0.1:1/x"),
        Fault(at="resolve", redirect="http://%00/x"),
        Fault(at="resolve", redirect="https://" + "x" * 30_000 + "/"),
        Fault(at="resolve", headers={"Location": "http://127.0.0.1:9/x"}),
        Fault(at="info", redirect="http://[::1"),
        Fault(at="info", redirect="http://127.0.0.1:99999/x"),
        Fault(status=429, headers={"Retry-After": "99999999999999"}),
        Fault(status=429, headers={"Retry-After": "-1", "RateLimit": '"api";r=0;t=x'}),
        Fault(headers={"Content-Length": "-5"}),
        Fault(headers={"Content-Length": "9" * 30}),
        Fault(headers={"X-Junk": "j" * 200_000}),
        Fault(content_range="bytes 0-" + "9" * 40 + "/" + "9" * 40, cut=1000),
        Fault(at="info", redirect="loop"),
        Fault(at="info", redirect="file:///etc/passwd"),
        Fault(status=416),
        Fault(status=500),
        Fault(status=404),
        Fault(no_ranges=True, cut=1000),
        Fault(content_range="bytes 5-9/10", cut=1000),
        Fault(length=-1000),
        Fault(length=1000),
        Fault(extra=1000),
        Fault(endless=True, flip=0),
        Fault(gzip=True),
        faults.captive_portal("file"),
    ],
    ids=lambda fault: re.sub(r"Fault\(at='|, path=.*", "", repr(fault))[:20],
)
def test_answers(tmp_path, home, hub, fault):
    hub.faults = fault
    refused(tmp_path, home, hub)


def test_facts_that_are_no_facts(tmp_path, home, model):
    """What the hub says beside the files is drawn and stored; none of it may break anything."""
    wild = {"architecture": "\x1b]0;x\x07" * 9000, "context_length": -5, "total": "many"}
    with Hub() as hub, nothing_escapes(tmp_path, home):
        hub.add(REPO, {"tiny-F32.gguf": model}, licence="\x1b[31m" + "../" * 50_000, gguf=wild)
        manifest = pull(hub, home)
        assert "\x1b" not in manifest.model_dump_json()
        assert manifest.licence is None or len(manifest.licence) < 200
        hub.faults = Fault(at="info", tamper=faults.replaced(gguf=[1], cardData="x", gated={"a": 1}, tags=7))
        store_of(home).remove(manifest.name)
        pull(hub, home)


def test_a_listing_of_200_000_files(tmp_path, home, hub):
    hub.faults = Fault(at="info", tamper=faults.many(200_000))
    with nothing_escapes(tmp_path, home), contextlib.suppress(EdgemindError):
        pull(hub, home, f"{REPO}:tiny-F32.gguf")


def test_a_commit_that_comes_in_between(tmp_path, home, hub, model):
    repo = hub.repo(REPO)
    first = repo.sha
    hub.faults = Faults(at="info", times=1, then=lambda: repo.commit({"tiny-F32.gguf": b"GGUF of another kind"}))
    with nothing_escapes(tmp_path, home):
        manifest = pull(hub, home)
        assert manifest.source.revision == first
        assert store_of(home).files(manifest)[0].read_bytes() == model


@pytest.mark.parametrize("fault", [Fault(endless=True), Fault(changing_etag=True, cut=90_000), Fault(shift=7, after=1)])
def test_good_bytes_from_a_bad_server(tmp_path, home, hub, fault):
    """Whatever the server does: when the bytes are right the model is there, when not it is not."""
    hub.faults = fault
    with nothing_escapes(tmp_path, home):
        with contextlib.suppress(EdgemindError):
            pull(hub, home)
        assert hub.log.served() < 20 << 20


def refused(folder: Path, home: Path, hub: Hub) -> None:
    """One sentence, nothing visible, nothing outside, and the next pull from an honest hub works."""
    with nothing_escapes(folder, home):
        with pytest.raises(EdgemindError) as said:
            pull(hub, home)
        assert visible(home) == {}
        assert 10 < len(said.value.message) < 600
        assert "\n" not in said.value.message
        assert "Traceback" not in said.value.message
        assert hub.log.served() < 20 << 20
