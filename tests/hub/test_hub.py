"""The real huggingface_hub against the local hub, and the manners of both of its origins."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from localhub import Hub
from localhub.asking import ask, fetch, resolve

MODEL = os.urandom(300_000)
README = b"# A model\n"


@pytest.fixture
def hub():
    with Hub() as hub:
        hub.add("owner/name", {"model.gguf": MODEL, "README.md": README, "sub dir/a b.json": b"{}"})
        yield hub


def download(hub: Hub, folder: Path, path: str, **how: str) -> bytes:
    how.setdefault("repo_id", "owner/name")
    return Path(hf_hub_download(filename=path, endpoint=hub.endpoint, local_dir=folder, **how)).read_bytes()


def test_model_info(hub):
    info = HfApi(endpoint=hub.endpoint).model_info("owner/name", files_metadata=True)
    files = {file.rfilename: file for file in info.siblings}
    assert info.sha == hub.repo("owner/name").sha
    assert info.card_data.license == "apache-2.0"
    assert (info.gated, info.private) == (False, False)
    assert "license:apache-2.0" in info.tags
    assert files["model.gguf"].lfs.sha256 == hashlib.sha256(MODEL).hexdigest()
    assert files["model.gguf"].size == files["model.gguf"].lfs.size == len(MODEL)
    assert files["README.md"].lfs is None
    assert files["README.md"].blob_id == hashlib.sha1(b"blob %d\0" % len(README) + README).hexdigest()


def test_no_sizes_unless_asked(hub):
    info = HfApi(endpoint=hub.endpoint).model_info("owner/name")
    assert {file.size for file in info.siblings} == {None}


def test_gguf_facts(hub):
    hub.add("owner/facts", {"m.gguf": b"1"}, gguf={"architecture": "qwen3", "context_length": 4096})
    assert HfApi(endpoint=hub.endpoint).model_info("owner/facts").gguf["architecture"] == "qwen3"


def test_tree_and_paths(hub):
    api = HfApi(endpoint=hub.endpoint)
    tree = {file.path: file for file in api.list_repo_tree("owner/name", recursive=True)}
    assert tree["model.gguf"].lfs.sha256 == hashlib.sha256(MODEL).hexdigest()
    assert [file.path for file in api.get_paths_info("owner/name", ["README.md", "none"])] == ["README.md"]


def test_tree_comes_in_pages(hub):
    hub.add("owner/many", {f"{n:04}.txt": b"x" for n in range(2345)})
    found = [file.path for file in HfApi(endpoint=hub.endpoint).list_repo_tree("owner/many", recursive=True)]
    assert found == [f"{n:04}.txt" for n in range(2345)]
    assert len(hub.log.of("tree")) == 3


@pytest.mark.parametrize("resolve_cache", [True, False])
def test_download(hub, tmp_path, resolve_cache):
    hub.resolve_cache = resolve_cache
    assert download(hub, tmp_path, "model.gguf") == MODEL
    assert download(hub, tmp_path, "README.md") == README
    assert download(hub, tmp_path, "sub dir/a b.json") == b"{}"
    assert {r.file for r in hub.log.of("file", origin="cdn")} == {"model.gguf"}
    assert hub.log.served("model.gguf") == len(MODEL)


def test_metadata(hub):
    for path, content in (("model.gguf", MODEL), ("README.md", README)):
        said = get_hf_file_metadata(hf_hub_url("owner/name", path, endpoint=hub.endpoint), endpoint=hub.endpoint)
        assert (said.size, said.commit_hash) == (len(content), hub.repo("owner/name").sha)
    linked = resolve(hub, "owner/name", "model.gguf").headers
    assert linked["x-linked-etag"] == f'"{hashlib.sha256(MODEL).hexdigest()}"'
    assert linked["x-linked-size"] == str(len(MODEL))


def test_older_commits_stay(hub, tmp_path):
    repo = hub.repo("owner/name")
    first = repo.tag("v1")
    second = repo.commit({"model.gguf": b"new", "README.md": None})
    assert first != second == repo.sha
    api = HfApi(endpoint=hub.endpoint)
    assert api.model_info("owner/name", revision="v1").sha == first
    assert [f.rfilename for f in api.model_info("owner/name").siblings] == ["sub dir/a b.json", "model.gguf"]
    assert download(hub, tmp_path, "model.gguf", revision=first) == MODEL
    assert download(hub, tmp_path, "model.gguf") == b"new"


def test_what_is_not_there(hub, tmp_path):
    api = HfApi(endpoint=hub.endpoint)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("owner/none")
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("owner/none", token="hf_good")
    with pytest.raises(RevisionNotFoundError):
        api.model_info("owner/name", revision="none")
    with pytest.raises(EntryNotFoundError):
        download(hub, tmp_path, "none.gguf")


def test_gated(hub, tmp_path):
    hub.add("owner/gated", {"model.gguf": MODEL}, gated="manual", token="hf_member")
    assert HfApi(endpoint=hub.endpoint).model_info("owner/gated").gated == "manual"
    for token, status in ((False, 401), ("hf_good", 403)):
        with pytest.raises(GatedRepoError) as refused:
            download(hub, tmp_path, "model.gguf", repo_id="owner/gated", token=token)
        assert refused.value.response.status_code == status
    assert download(hub, tmp_path, "model.gguf", repo_id="owner/gated", token="hf_member") == MODEL


def test_private_and_disabled(hub):
    api = HfApi(endpoint=hub.endpoint)
    hub.add("owner/secret", {"m.gguf": b"1"}, private=True)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("owner/secret", token=False)
    assert api.model_info("owner/secret", token="hf_good").private
    hub.repo("owner/secret").disabled = True
    with pytest.raises(DisabledRepoError):
        api.model_info("owner/secret", token="hf_good")


def test_wrong_token(hub):
    hub.token = "hf_other"
    with pytest.raises(HfHubHTTPError) as refused:
        HfApi(endpoint=hub.endpoint).model_info("owner/name", token="hf_good")
    assert refused.value.response.headers["X-Error-Message"] == "Invalid credentials in Authorization header"
    assert HfApi(endpoint=hub.endpoint).whoami(token="hf_other")["name"] == "tester"


def test_renamed(hub, tmp_path):
    hub.moved["old/name"] = "owner/name"
    assert HfApi(endpoint=hub.endpoint).model_info("old/name").id == "owner/name"
    assert download(hub, tmp_path, "README.md", repo_id="old/name") == README


def test_no_token_reaches_the_cdn(hub, tmp_path):
    assert download(hub, tmp_path, "model.gguf", token="hf_good") == MODEL
    assert hub.log.leaks() == []
    place = resolve(hub, "owner/name", "model.gguf").headers["location"]
    assert ask(place, {"Authorization": "Bearer hf_good"}).status == 400
    assert len(hub.log.leaks()) == 1


def test_ranges(hub):
    whole = fetch(hub, "owner/name", "model.gguf")
    etag = whole.headers["etag"]
    assert (whole.status, whole.body, whole.headers["accept-ranges"]) == (200, MODEL, "bytes")
    for asked, part in (("0-0", (0, 1)), ("1000-", (1000, None)), ("-7", (-7, None)), ("5-9999999", (5, None))):
        reply = fetch(hub, "owner/name", "model.gguf", {"Range": f"bytes={asked}", "If-Range": etag})
        assert (reply.status, reply.body) == (206, MODEL[slice(*part)])
        start, stop = slice(*part).indices(len(MODEL))[:2]
        assert reply.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(MODEL)}"
    changed = fetch(hub, "owner/name", "model.gguf", {"Range": "bytes=5-", "If-Range": '"other"'})
    assert (changed.status, changed.body) == (200, MODEL)
    beyond = fetch(hub, "owner/name", "model.gguf", {"Range": f"bytes={len(MODEL)}-"})
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(MODEL)}")


def test_an_address_must_be_signed(hub):
    place = resolve(hub, "owner/name", "model.gguf").headers["location"]
    assert ask(place[:-1] + ("0" if place[-1] != "0" else "1")).status == 403
    assert ask(place.split("?")[0]).status == 403


def test_large_files_leave_from_the_disk(hub, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(MODEL * 70)
    hub.add("owner/big", {"model.gguf": big})
    assert fetch(hub, "owner/big", "model.gguf").body == MODEL * 70
    assert fetch(hub, "owner/big", "model.gguf", {"Range": "bytes=20000000-"}).body == (MODEL * 70)[20_000_000:]
    assert hub.log.served("model.gguf") == len(MODEL) * 140 - 20_000_000


def test_closing_leaves_no_thread(hub):
    before = threading.active_count()
    with Hub() as another:
        another.add("owner/name", {"m.gguf": b"1"})
        assert fetch(another, "owner/name", "m.gguf").body == b"1"
    assert threading.active_count() <= before + 1
    with pytest.raises(OSError, match="refused"):
        ask(another.endpoint)


def test_as_a_process(tmp_path):
    (tmp_path / "owner/name").mkdir(parents=True)
    (tmp_path / "owner/name/model.gguf").write_bytes(MODEL)
    command = [sys.executable, str(Path(__file__).with_name("serve.py")), "--root", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        endpoint = json.loads(child.stdout.readline())["endpoint"]
        assert download_from(endpoint, tmp_path / "got") == MODEL
        child.stdin.close()
        assert child.wait(10) == 0


def download_from(endpoint: str, folder: Path) -> bytes:
    return Path(hf_hub_download("owner/name", "model.gguf", endpoint=endpoint, local_dir=folder)).read_bytes()
