"""The door to the network: what is asked, with which headers, what is believed, and where a token goes."""

from __future__ import annotations

import gzip
import random
import socket
from collections.abc import Iterator

import pytest
from localhub import Fault, Faults, Hub, Proxy
from localhub.faults import HOSTILE_NAMES, captive_portal, deep_json, huge_json, many, not_json, replaced

from edgemind import __version__
from edgemind.errors import AccessDenied, EdgemindError, ModelNotFound, NetworkProblem, UsageError
from edgemind.models import download, hubs
from edgemind.models.download import HubClient
from edgemind.models.remote import Transient
from edgemind.models.store.manifest import is_file_path

DATA = random.Random(2).randbytes(200_000)


@pytest.fixture
def repo(hub: Hub) -> str:
    hub.add(
        "owner/repo", {"model.gguf": DATA, "README.md": b"words"}, licence="apache-2.0", gguf={"context_length": 4096}
    )
    return "owner/repo"


def body_of(client: HubClient, name: str, path: str) -> bytes:
    repository = client.repository(name)
    file = next(file for file in repository.files if file.path == path)
    body = client.open(repository, file, 0, None)
    try:
        return b"".join(body)
    finally:
        body.close()


def test_a_repository_is_listed_at_its_commit(hub: Hub, client: HubClient, repo: str) -> None:
    found = client.repository(repo)
    assert found.commit == hub.repo(repo).sha  # type: ignore[union-attr]
    assert {file.path: file.size for file in found.files} == {"model.gguf": len(DATA), "README.md": 5}
    model = next(file for file in found.files if file.path == "model.gguf")
    assert len(model.sha256 or "") == 64
    assert (found.licence, found.context, found.gated) == ("apache-2.0", 4096, False)


def test_a_file_is_read_at_the_commit_that_was_listed(hub: Hub, client: HubClient, repo: str) -> None:
    repository = client.repository(repo)
    hub.repo(repo).commit({"model.gguf": b"other bytes"})  # type: ignore[union-attr]
    body = client.open(repository, next(f for f in repository.files if f.path == "model.gguf"), 0, None)
    assert b"".join(body) == DATA


def test_headers_name_the_product_and_nothing_else(hub: Hub, client: HubClient, repo: str) -> None:
    assert body_of(client, repo, "model.gguf") == DATA
    assert len(hub.log) >= 3
    for request in hub.log:
        names = {name.lower() for name in request.headers}
        assert {value for name, value in request.headers.items() if name.lower() == "user-agent"} == {
            f"edgemind/{__version__}"
        }
        assert names <= {"host", "user-agent", "accept", "accept-encoding", "connection", "range", "if-range"}


def test_a_token_goes_to_the_hub_and_nowhere_else(hub: Hub, repo: str) -> None:
    with HubClient(hub.endpoint, "hf_good") as client:
        assert body_of(client, repo, "model.gguf") == DATA
    hub_requests = [request for request in hub.log if request.origin == "hub"]
    assert hub_requests
    assert all(request.headers.get("authorization") == "Bearer hf_good" for request in hub_requests)
    assert [request for request in hub.log if request.origin != "hub"]
    assert hub.log.leaks() == []


@pytest.mark.parametrize(
    "target", ["http://192.0.2.1/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "//192.0.2.1/x", "http://"]
)
def test_a_redirect_to_where_nobody_should_go_is_not_followed(
    hub: Hub,
    client: HubClient,
    repo: str,
    target: str,
) -> None:
    hub.faults = Faults(at="resolve", redirect=target)
    with pytest.raises((NetworkProblem, Transient)):
        body_of(client, repo, "model.gguf")


def test_a_redirect_loop_ends(hub: Hub, client: HubClient, repo: str) -> None:
    hub.faults = Faults(at="resolve", redirect="loop")
    with pytest.raises(NetworkProblem, match="without end"):
        body_of(client, repo, "model.gguf")
    assert len(hub.log.of("resolve")) < 10
    hub.faults = Faults(at="info", redirect="loop")
    with pytest.raises(EdgemindError):
        client.repository(repo)


def test_gated_private_and_missing_are_told_apart(hub: Hub, client: HubClient) -> None:
    hub.add("owner/gated", {"model.gguf": DATA}, gated="manual")
    hub.add("owner/private", {"model.gguf": DATA}, private=True)
    hub.add("owner/open", {"model.gguf": DATA})
    with pytest.raises(AccessDenied) as caught:
        body_of(client, "owner/gated", "model.gguf")
    assert f"{hub.endpoint}/owner/gated" in caught.value.hint
    assert "edgemind login" in caught.value.hint
    for name in ("owner/private", "owner/nothing"):
        with pytest.raises(ModelNotFound, match="or hides it"):
            client.repository(name)
    with pytest.raises(ModelNotFound, match="has no revision 'v9'"):
        client.repository("owner/open", "v9")


def test_a_wrong_token_is_named_as_the_reason_and_never_shown(hub: Hub, repo: str) -> None:
    with HubClient(hub.endpoint, "hf_wrong_secret") as client, pytest.raises(AccessDenied) as caught:
        client.repository(repo)
    assert "token" in caught.value.message
    assert "hf_wrong_secret" not in caught.value.message + caught.value.hint + repr(caught.value.__cause__)


def test_a_gated_repository_opens_to_the_right_token(hub: Hub) -> None:
    hub.add("owner/gated", {"model.gguf": DATA}, gated="auto")
    with HubClient(hub.endpoint, "hf_good") as client:
        assert body_of(client, "owner/gated", "model.gguf") == DATA


@pytest.mark.parametrize(
    "fault",
    [
        *(captive_portal("info"), not_json(), huge_json(100 << 20), deep_json(100_000)),
        Fault(at="info", tamper=lambda said: []),
        Fault(at="info", tamper=lambda said: None),
        Fault(at="info", tamper=lambda said: {}),
        Fault(at="info", tamper=lambda said: {**said, "siblings": 7}),
        Fault(at="info", tamper=lambda said: {**said, "siblings": [7]}),
        Fault(at="info", tamper=lambda said: {**said, "sha": "../.."}),
        Fault(at="info", tamper=lambda said: {**said, "sha": None}),
    ],
    ids=lambda fault: str(fault.tamper or fault.body)[:20],
)
def test_what_is_no_listing_gets_one_sentence(hub: Hub, client: HubClient, repo: str, fault: Fault) -> None:
    hub.faults = Faults(fault)
    with pytest.raises(NetworkProblem) as caught:
        client.repository(repo)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 400


def test_hostile_names_digests_and_sizes_are_left_out(hub: Hub, client: HubClient) -> None:
    repo = hub.add("owner/odd", {**dict.fromkeys(HOSTILE_NAMES, b"x"), "good.gguf": DATA})
    for number, lie in enumerate(
        ({"sha256": "../.."}, {"sha256": "A" * 64}, {"size": -1}, {"size": 2**70}, {"size": "9"})
    ):
        path = f"lie-{number}.gguf"
        repo.commit({path: DATA})
        repo.lie(path, **lie)
    found = client.repository("owner/odd")
    assert "good.gguf" in {file.path for file in found.files}
    assert all(is_file_path(file.path) for file in found.files)
    assert not [file.path for file in found.files if file.path.startswith("lie-")]
    assert found.left_out >= 5


def test_a_listing_of_very_many_files_is_read_or_refused(hub: Hub, client: HubClient, repo: str) -> None:
    hub.faults = Faults(at="info", tamper=many(40_000))
    assert len(client.repository(repo).files) == 40_002
    hub.faults = Faults(at="info", tamper=many(200_000))
    with pytest.raises(NetworkProblem, match="too long"):
        client.repository(repo)


def test_a_compressed_listing_is_not_unpacked(hub: Hub, client: HubClient, repo: str) -> None:
    bomb = gzip.compress(b'{"id": "' + b" " * (20 << 20) + b'"}')
    hub.faults = Faults(at="info", body=bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(NetworkProblem, match="compressed"):
        client.repository(repo)
    assert {request.headers.get("accept-encoding") for request in hub.log} == {"identity"}


def test_a_listing_that_leads_to_a_file_without_end_is_bounded(hub: Hub, client: HubClient, repo: str) -> None:
    hub.faults = Faults(
        Fault(at="info", redirect=f"{hub.endpoint}/{repo}/resolve/main/model.gguf"), Fault(at="file", endless=True)
    )
    with pytest.raises(NetworkProblem, match="too long"):
        client.repository(repo)


def test_a_listing_that_dribbles_is_given_up(
    hub: Hub, client: HubClient, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LISTING_SECONDS", 0.2)
    dribble = Fault(at="file", endless=True, rate=500)
    hub.faults = Faults(Fault(at="info", redirect=f"{hub.endpoint}/{repo}/resolve/main/model.gguf"), dribble)
    with pytest.raises(Transient, match="not complete"):
        client.repository(repo)


def test_numbers_that_are_none_are_no_numbers(hub: Hub, client: HubClient, repo: str) -> None:
    hub.faults = Faults(at="info", status=503, headers={"Retry-After": "\u00b2"})
    with pytest.raises(Transient) as caught:
        client.repository(repo)
    assert caught.value.wait is None
    hub.faults = Faults(content_range="bytes " + "9" * 6000 + "-1/5")
    repository = client.repository(repo)
    model = next(file for file in repository.files if file.path == "model.gguf")
    with pytest.raises(Transient, match="another part"):
        client.open(repository, model, 5, None)


def test_a_hub_elsewhere_cannot_make_this_machine_ask_itself(hub: Hub) -> None:
    with HubClient("https://hub.example") as client, pytest.raises(NetworkProblem, match="not encrypted"):
        client._get(f"{hub.endpoint}/owner/repo/resolve/main/model.gguf", {})
    assert len(hub.log) == 0


@pytest.mark.parametrize("same", ["https://Hub.Example", "https://hub.example:443", "https://hub.example/with/path"])
def test_a_hub_is_itself_however_it_is_written(same: str) -> None:
    with HubClient(same) as client:
        assert client._is_hub("https://hub.example/owner/repo")
        assert not client._is_hub("https://hub.example:444/owner/repo")
        assert not client._is_hub("http://hub.example/owner/repo")
        assert not client._is_hub("https://hub.example:99999/owner/repo")


def test_an_architecture_that_is_no_word_is_left_out(hub: Hub, client: HubClient, repo: str) -> None:
    hub.faults = Faults(at="info", tamper=replaced(gguf={"architecture": "evil\x1b[31m" + "x" * 100_000}))
    assert client.repository(repo).architecture is None


@pytest.mark.parametrize("proxy_address", ["ftp://user:hidden@proxy.example", "socks9://user:hidden@proxy.example:1"])
def test_a_proxy_that_is_none_is_a_sentence_without_its_password(
    proxy_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy_address)
    with pytest.raises(NetworkProblem) as caught, HubClient("https://hub.example"):
        pass
    assert "hidden" not in caught.value.message
    assert "HTTPS_PROXY" in caught.value.hint


def test_odd_licences_are_shortened_to_a_plain_line(hub: Hub, client: HubClient, repo: str) -> None:
    card = {"license": "other", "license_name": "evil\x1b[31m\n" + "x" * 500}
    hub.faults = Faults(at="info", tamper=replaced(cardData=card))
    licence = client.repository(repo).licence or ""
    assert "\x1b" not in licence
    assert "\n" not in licence
    assert len(licence) <= 80


def test_a_hub_that_is_busy_or_broken_is_worth_another_try(hub: Hub, client: HubClient, repo: str) -> None:
    for status in (429, 500, 502, 503):
        hub.faults = Faults(at="info", status=status, headers={"Retry-After": "3"}, times=1)
        with pytest.raises(Transient) as caught:
            client.repository(repo)
        assert caught.value.wait == 3.0


def test_no_network_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with HubClient(f"http://127.0.0.1:{port}") as client, pytest.raises(Transient, match="cannot be reached"):
        client.repository("owner/repo")


def test_offline_by_the_users_own_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UsageError) as caught:
        HubClient(hubs.USUAL_HUB)
    assert caught.value.hint == "unset HF_HUB_OFFLINE"


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as opened:
        yield opened


def test_a_proxy_of_the_environment_is_used(
    hub: Hub,
    repo: str,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.address)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with HubClient(hub.endpoint, "hf_good") as client:
        assert body_of(client, repo, "model.gguf") == DATA
    assert len(proxy.log) >= 3
    assert hub.log.leaks() == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, hubs.USUAL_HUB),
        ("", hubs.USUAL_HUB),
        ("https://mirror.example/", "https://mirror.example"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_hubs_address(given: str | None, kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    if given is not None:
        monkeypatch.setenv("HF_ENDPOINT", given)
    assert hubs.endpoint() == kept


@pytest.mark.parametrize(
    "given",
    [
        "http://mirror.example",
        "ftp://x",
        "mirror.example",
        "https://",
        "https://user:secret@x",
        "https://[::1",
        "https://x:99999",
        "https://x:port",
        "https://x#part",
        "https://\u0445.example",
        "http://127.0.0.1.evil.example",
    ],
)
def test_an_address_that_would_give_the_token_away_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", given)
    with pytest.raises(UsageError) as caught:
        hubs.endpoint()
    assert "HF_ENDPOINT=https://" in caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint


def test_a_proxy_that_wants_a_password_or_is_not_there_is_named(
    hub: Hub, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Proxy("user", "hidden") as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.address)
        with HubClient(hub.endpoint) as client:
            assert body_of(client, repo, "model.gguf") == DATA
        monkeypatch.setenv("HTTP_PROXY", proxy.address.replace("hidden", "wrong"))
        with HubClient(hub.endpoint) as client, pytest.raises(NetworkProblem, match="proxy wants") as caught:
            client.repository(repo)
        assert "wrong" not in caught.value.message + caught.value.hint
    with HubClient(hub.endpoint) as client, pytest.raises(Transient, match="through the proxy"):
        client.repository(repo)
