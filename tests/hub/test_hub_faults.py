"""Each fault of the local hub does what it says."""

from __future__ import annotations

import gzip
import os
import time

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from localhub import MISSING, Fault, Faults, Hub, faults
from localhub.asking import ask, fetch, resolve

MODEL = os.urandom(200_000)


@pytest.fixture(params=["memory", "disk"])
def hub(request, tmp_path):
    source = MODEL
    if request.param == "disk":
        source = tmp_path / "model"
        source.write_bytes(MODEL)
    with Hub() as hub:
        hub.add("o/n", {"model.gguf": source, "README.md": b"read me"})
        yield hub


def get(hub, headers=None, **how):
    return fetch(hub, "o/n", "model.gguf", headers, **how)


@pytest.mark.parametrize("reset", [False, True])
def test_cut(hub, reset):
    hub.faults = Fault(cut=50_000, reset=reset, times=1)
    cut = get(hub)
    assert cut.error is not None
    assert isinstance(cut.error, ConnectionResetError) == reset
    assert len(cut.body) == 50_000 or reset
    assert MODEL.startswith(cut.body)
    assert hub.log.served() == 50_000
    assert get(hub).body == MODEL


def test_flip(hub):
    hub.faults = Fault(flip=100_000)
    spoiled = get(hub).body
    assert [n for n in range(len(MODEL)) if MODEL[n] != spoiled[n]] == [100_000]
    assert get(hub, {"Range": "bytes=100001-"}).body == MODEL[100_001:]


def test_slow(hub):
    hub.faults = Fault(rate=400_000)
    began = time.monotonic()
    assert get(hub).body == MODEL
    assert time.monotonic() - began > 0.3


def test_stall(hub):
    hub.faults = Fault(stall=1000)
    stalled = get(hub, patience_s=0.2)
    assert isinstance(stalled.error, TimeoutError)
    assert stalled.body == MODEL[:1000]


@pytest.mark.parametrize("wrong", [-500, 500])
def test_wrong_length(hub, wrong):
    hub.faults = Fault(length=wrong)
    reply = get(hub)
    assert reply.headers["content-length"] == str(len(MODEL) + wrong)
    assert reply.body == MODEL[: len(MODEL) + wrong]
    assert (reply.error is not None) == (wrong > 0)


def test_longer_than_it_should_be(hub):
    hub.faults = Fault(extra=70_000)
    reply = get(hub)
    assert reply.headers["content-length"] == str(len(MODEL) + 70_000)
    assert reply.body == MODEL + b"\0" * 70_000


def test_endless(hub):
    hub.faults = Fault(endless=True)
    reply = get(hub, most=10_000_000)
    assert "content-length" not in reply.headers
    assert len(reply.body) >= 10_000_000


def test_changing_etag(hub):
    hub.faults = Fault(changing_etag=True)
    first = get(hub).headers["etag"]
    again = get(hub, {"Range": "bytes=5-", "If-Range": first})
    assert again.headers["etag"] != first
    assert again.status == 200


def test_no_ranges(hub):
    hub.faults = Fault(no_ranges=True)
    reply = get(hub, {"Range": "bytes=5-"})
    assert (reply.status, reply.body) == (200, MODEL)


def test_wrong_content_range(hub):
    hub.faults = Fault(content_range="bytes 0-9/10")
    reply = get(hub, {"Range": "bytes=5-"})
    assert (reply.status, reply.headers["content-range"], reply.body) == (206, "bytes 0-9/10", MODEL[5:])


def test_shifted(hub):
    hub.faults = Fault(shift=3)
    reply = get(hub, {"Range": "bytes=5-100"})
    assert (reply.headers["content-range"], reply.body) == (f"bytes 5-100/{len(MODEL)}", MODEL[8:104])


def test_gzip(hub):
    hub.faults = Fault(gzip=True)
    reply = get(hub)
    assert reply.headers["content-encoding"] == "gzip"
    assert gzip.decompress(reply.body) == MODEL


def test_redirects(hub):
    hub.faults = Fault(at="resolve", redirect="loop")
    loop = resolve(hub, "o/n", "model.gguf")
    assert loop.headers["location"] == f"{hub.endpoint}/o/n/resolve/main/model.gguf"
    hub.faults = Fault(at="resolve", redirect="file:///etc/passwd")
    assert resolve(hub, "o/n", "model.gguf").headers["location"] == "file:///etc/passwd"
    hub.faults = Fault(at="file", redirect="loop")
    place = resolve(hub, "o/n", "model.gguf").headers["location"]
    assert ask(place).headers["location"] == place


def test_status_for_the_first_requests(hub):
    hub.faults = Faults(Fault(status=503, times=2), Fault(at="info", status=500, after=1, times=1))
    assert [get(hub).status for _ in range(3)] == [503, 503, 200]
    statuses = [ask(f"{hub.endpoint}/api/models/o/n").status for _ in range(3)]
    assert statuses == [200, 500, 200]


def test_only_that_path(hub):
    hub.faults = Fault(path="*.gguf", status=500)
    assert get(hub).status == 500
    assert fetch(hub, "o/n", "README.md").body == b"read me"


def test_too_many_requests(hub):
    hub.faults = faults.too_many_requests(7, at="info")
    with pytest.raises(HfHubHTTPError, match="Retry after 7 seconds") as refused:
        HfApi(endpoint=hub.endpoint).model_info("o/n")
    assert refused.value.response.headers["Retry-After"] == "7"


def test_addresses_expire(hub):
    hub.faults = Fault(at="resolve", url_uses=2)
    place = resolve(hub, "o/n", "model.gguf").headers["location"]
    assert [ask(place).status for _ in range(3)] == [200, 200, 403]
    hub.faults = Fault(at="resolve", url_seconds=-1)
    assert get(hub).status == 403


def test_lies_of_the_listing(hub):
    hub.repo("o/n").lie("model.gguf", sha256="../..", size=MISSING, etag="x", linked_size=-1)
    hub.repo("o/n").lie("README.md", size=2**70)
    info = ask(f"{hub.endpoint}/api/models/o/n?blobs=true").body
    assert b'"lfs": {"sha256": "../..", "pointerSize"' in info
    assert b"1180591620717411303424" in info
    said = resolve(hub, "o/n", "model.gguf").headers
    assert (said["x-linked-etag"], said["x-linked-size"]) == ('"x"', "-1")
    assert get(hub).body == MODEL


@pytest.mark.parametrize("name", [n for n in faults.HOSTILE_NAMES if n.isprintable()], ids=lambda n: n[:20])
def test_hostile_names(name):
    with Hub() as hub:
        hub.add("o/n", {name: b"evil"})
        assert HfApi(endpoint=hub.endpoint).model_info("o/n").siblings[0].rfilename == name


def test_hostile_files_can_be_fetched():
    with Hub() as hub:
        hub.add("o/n", {"../../x.gguf": b"evil", "a\\b.gguf": b"worse", "模型.gguf": b"fine"})
        for name, content in (("../../x.gguf", b"evil"), ("a\\b.gguf", b"worse"), ("模型.gguf", b"fine")):
            assert fetch(hub, "o/n", name).body == content


def test_a_long_listing(hub):
    hub.faults = Fault(at="info", tamper=faults.many(20_000))
    assert len(HfApi(endpoint=hub.endpoint).model_info("o/n", files_metadata=True).siblings) == 20_002


@pytest.mark.parametrize(
    "fault", [faults.captive_portal(), faults.not_json(), faults.huge_json(3_000_000), faults.deep_json(100_000)]
)
def test_no_listing(hub, fault):
    hub.faults = fault
    reply = ask(f"{hub.endpoint}/api/models/o/n?blobs=true")
    assert (reply.status, reply.body) == (200, fault.body)


def test_a_commit_in_between(hub):
    repo = hub.repo("o/n")
    first = repo.sha
    hub.faults = Fault(at="info", times=1, then=lambda: repo.commit({"model.gguf": b"new"}))
    assert HfApi(endpoint=hub.endpoint).model_info("o/n").sha == first
    assert get(hub).body == b"new"
    assert fetch_at(hub, first) == MODEL


def fetch_at(hub, revision):
    return ask(resolve(hub, "o/n", "model.gguf", revision=revision).headers["location"]).body
