"""The proxy on loopback."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest
from localhub import Hub, Proxy


@pytest.fixture(autouse=True)
def no_exceptions(monkeypatch, untouched_library):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def fetch_through(proxy: str, address: str) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy}))
    try:
        with opener.open(address, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


@pytest.fixture
def hub():
    with Hub() as hub:
        hub.add("o/n", {"model.gguf": b"weights" * 50_000})
        yield hub


def test_forwards(hub):
    with Proxy() as proxy:
        assert fetch_through(proxy.address, f"{hub.endpoint}/o/n/resolve/main/model.gguf") == (200, b"weights" * 50_000)
        assert [r.status for r in proxy.log] == [302, 200]
        assert proxy.log[0].path == f"{hub.endpoint}/o/n/resolve/main/model.gguf"


def test_asks_for_a_password(hub):
    with Proxy("user", "secret") as proxy:
        status, _ = fetch_through(proxy.address, f"{hub.endpoint}/api/models/o/n")
        assert status == 200
        status, _ = fetch_through(proxy.address.replace("secret", "wrong"), f"{hub.endpoint}/api/models/o/n")
        assert status == 407
    assert all("proxy-authorization" not in request.headers for request in hub.log)


def test_loopback_only():
    with Proxy() as proxy:
        assert fetch_through(proxy.address, "http://192.0.2.1:80/")[0] == 403
