"""What may stand after ``edgemind pull``."""

from __future__ import annotations

import pytest

from edgemind.errors import UsageError
from edgemind.models.references import Reference, parse


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("qwen3-0.6b", Reference(name="qwen3-0.6b")),
        ("  qwen3-0.6b\n", Reference(name="qwen3-0.6b")),
        ("qwen3-4b:Q8_0", Reference(name="qwen3-4b", quantization="Q8_0")),
        ("Qwen/Qwen3-0.6B-GGUF", Reference(repository="Qwen/Qwen3-0.6B-GGUF")),
        ("a/b:q4_k_m", Reference(repository="a/b", quantization="q4_k_m")),
        ("a/b:UD-Q4_K_XL@v1.0", Reference(repository="a/b", quantization="UD-Q4_K_XL", revision="v1.0")),
        ("a/b:sub/x-Q8_0.gguf", Reference(repository="a/b", file="sub/x-Q8_0.gguf")),
        ("a/b@refs/pr/3", Reference(repository="a/b", revision="refs/pr/3")),
        ("hf.co/a/b:Q4_K_M", Reference(repository="a/b", quantization="Q4_K_M")),
        ("https://huggingface.co/a/b", Reference(repository="a/b")),
        ("https://www.hf.co/a/b", Reference(repository="a/b")),
        ("https://Hub.example:443/a/b#readme", Reference(repository="a/b")),
        ("https://hub.example/a/b", Reference(repository="a/b")),
        ("https://hub.example/a/b/tree/main", Reference(repository="a/b")),
        ("https://hub.example/a/b/blob/main/c%20d.gguf", Reference(repository="a/b", file="c d.gguf")),
        (
            "https://hub.example/a/b/resolve/v2/c.gguf?download=true",
            Reference(repository="a/b", file="c.gguf", revision="v2"),
        ),
    ],
)
def test_what_people_write_is_understood(text: str, meant: Reference) -> None:
    assert parse(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "/", "a/", "/b", "a/b/c", "../x", "a/..", "a/b:", "a/b@", "a/b:..", "a/b:../x.gguf", "a/b@../main"),
        *("a b", "a/b c", "-x", "a/-b", "a/b:x y", "a/b.git", "a--b/c", "https://hub.example/", "a/b:/etc/x.gguf"),
        *("file:///etc/passwd", "a\x00b", "é/b", "https://hub.example/a/b/blob/main/../x.gguf", "x" * 300),
        *("https://[hub/a/b", "https://hub.example:99999/a/b", f"{'a' * 50}/{'b' * 50}"),
    ],
)
def test_what_is_no_reference_gets_a_sentence_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.hint.startswith("edgemind pull")


def test_a_reference_reads_as_it_was_written() -> None:
    for text in ("qwen3-4b:Q8_0", "a/b:x.gguf@main", "a/b"):
        assert str(parse(text)) == text


def test_an_address_of_somewhere_else_is_not_taken_for_the_hubs() -> None:
    with pytest.raises(UsageError, match=r"github\.com is not the hub") as caught:
        parse("https://github.com/a/b")
    assert "HF_ENDPOINT=https://github.com" in caught.value.hint


def test_a_hub_below_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/hub")
    assert parse("https://mirror.example/hub/a/b/tree/v2") == Reference(repository="a/b", revision="v2")
    with pytest.raises(UsageError):
        parse("https://mirror.example/hubble/a/b")
