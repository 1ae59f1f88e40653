"""The ranking, on machines that are made up: what comes first, what is left out, and the reason given."""

from __future__ import annotations

import pytest

from edgemind.models.bandwidth import Bandwidth
from edgemind.models.catalog import CatalogEntry, load
from edgemind.models.graphics import Device
from edgemind.models.hardware import Machine
from edgemind.models.recommend import (
    READING,
    THINKING,
    Choice,
    Verdict,
    installed_name,
    quality,
    rank,
    thinks,
)

GB = 10**9


def machine(total: float, free: float, cores: int = 4, flag: str = "avx2") -> Machine:
    return Machine(int(total * GB), int(free * GB), cores, cores, None, "A processor", (flag,), "linux-x86_64")


TABLET = machine(2, 1.2, 4, "asimddp"), Bandwidth(8e9, 4)
LAPTOP = machine(8, 5), Bandwidth(30e9, 4)
LARGER = machine(16, 12, 8), Bandwidth(60e9, 8)
WORKSTATION = machine(64, 58, 16, "avx512_vnni"), Bandwidth(80e9, 16)
CARD = Device("RTX 4090", "nvidia", 24 * GB, 23 * GB)


def entry(name: str, billions: float, *, size: float | None = None, **more: object) -> CatalogEntry:
    q4 = {"name": f"{name}.gguf", "size": round((size or billions * 0.62) * GB)}
    q8 = {"name": f"{name}-q8.gguf", "size": round((size or billions * 0.62) * 1.75 * GB)}
    fields = {
        "name": name,
        "description": name,
        "parameters": round(billions * GB),
        "context": 32768,
        "licence": "MIT",
        "files": {"Q4_K_M": q4, "Q8_0": q8},
        "default_quantization": "Q4_K_M",
        "use": ["chat"],
        "thinking": "off",
        "released": "2025-06",
        **more,
    }
    return CatalogEntry.model_validate(fields)


FAMILY = [entry(f"m-{size}b", size) for size in (0.6, 1.7, 4.0, 8.0, 32.0)]


def ranked(here: tuple[Machine, Bandwidth], entries: list[CatalogEntry] = FAMILY, **more: object) -> list[Choice]:
    return rank(entries, *here, **more)  # type: ignore[arg-type]


def named(choices: list[Choice], verdict: Verdict = Verdict.FITS) -> list[str]:
    return [choice.entry.name for choice in choices if choice.verdict is verdict]


def test_a_larger_machine_gets_a_larger_model() -> None:
    best = [ranked(here)[0].entry.name for here in (TABLET, LAPTOP, LARGER)]
    assert best == ["m-0.6b", "m-4.0b", "m-8.0b"]
    assert ranked(WORKSTATION, device=CARD)[0].entry.name == "m-32.0b"


def test_nothing_first_that_does_not_fit_or_is_too_slow() -> None:
    for here in (TABLET, LAPTOP, LARGER, WORKSTATION):
        for choice in ranked(here):
            if choice.verdict is Verdict.FITS:
                assert choice.prediction.host_bytes < here[0].available_ram
                assert (choice.prediction.tokens_per_second or 0) >= READING
        verdicts = [choice.verdict for choice in ranked(here)]
        assert verdicts == sorted(verdicts)


def test_each_has_its_reason() -> None:
    reasons = {choice.entry.name: choice.reason for choice in ranked(LAPTOP)}
    assert reasons["m-4.0b"].startswith("fits with ")
    assert "GB to spare, about " in reasons["m-4.0b"]
    assert "this machine has 8.0 GB" in reasons["m-32.0b"]
    slow = ranked((machine(16, 14), Bandwidth(6e9, 4)))
    assert "too slow here: about 1.1 tokens/s" in next(c.reason for c in slow if c.entry.name == "m-8.0b")


def test_closing_programs_is_said_where_it_helps() -> None:
    busy = ranked((machine(8, 2), Bandwidth(30e9, 4)))
    assert named(busy) == ["m-1.7b", "m-0.6b"]
    assert named(busy, Verdict.AFTER_CLOSING) == ["m-4.0b"]
    reason = next(choice.reason for choice in busy if choice.entry.name == "m-4.0b")
    assert "2.0 GB is free: close other programs" in reason
    cramped = ranked((machine(7, 2), Bandwidth(60e9, 8)))
    tight = next(choice.reason for choice in cramped if choice.entry.name == "m-8.0b")
    assert tight == "needs about 6.0 GB, 2.0 GB is free and at most 5.2 GB could be"


def test_a_containers_limit_is_the_machine() -> None:
    limited = ranked((machine(3, 2.8, 16, "avx512_vnni"), Bandwidth(80e9, 16)))
    assert named(limited) == ["m-1.7b", "m-0.6b"]
    assert "this machine has 3.0 GB" in next(c.reason for c in limited if c.entry.name == "m-8.0b")


def test_a_model_that_thinks_needs_more_speed() -> None:
    here = machine(16, 12), Bandwidth(24e9, 4)
    plain = ranked(here, [entry("plain", 4.0)])[0]
    rate = plain.prediction.tokens_per_second or 0
    assert READING < rate < THINKING
    always = ranked(here, [entry("always", 4.0, thinking="on")])[0]
    assert (plain.verdict, always.verdict) == (Verdict.FITS, Verdict.SLOW)
    assert "it thinks before it answers" in always.reason
    able = entry("able", 4.0, thinking="auto", use=["chat", "reasoning"])
    assert thinks(able, "chat")
    assert not thinks(entry("plain", 4.0, thinking="auto"), "chat")


def test_the_finest_quantization_that_is_still_fast() -> None:
    slow, fast = ranked(LAPTOP, [entry("m", 4.0)])[0], ranked(WORKSTATION, [entry("m", 1.0)])[0]
    assert (slow.quantization, slow.reference) == ("Q4_K_M", "m")
    assert (fast.quantization, fast.reference) == ("Q8_0", "m:Q8_0")
    with_f16 = entry(
        "m", 1.0, files={"Q8_0": {"name": "a.gguf", "size": GB}, "F16": {"name": "b.gguf", "size": 2 * GB}}
    )
    assert ranked(WORKSTATION, [with_f16], device=CARD)[0].quantization == "Q8_0", "twice the bits buy nothing"


def test_a_device_makes_large_models_usable() -> None:
    alone, with_card = ranked(WORKSTATION), ranked(WORKSTATION, device=CARD)
    assert "m-32.0b" not in named(alone)
    first = with_card[0]
    assert first.prediction.all_on_device
    assert "all of it on RTX 4090" in first.reason
    assert "not measured" in first.reason
    assert first.prediction.tokens_per_second is None
    partly = ranked(LARGER, [entry("m", 8.0)], device=Device("GTX", "nvidia", 4 * GB, 4 * GB))[0]
    assert "layers on GTX: more than " in partly.reason


def test_newer_and_made_for_the_use_counts() -> None:
    old, new = entry("old", 4.0, released="2024-06"), entry("new", 4.0, released="2026-01")
    assert [choice.entry.name for choice in ranked(LARGER, [old, new])] == ["new", "old"]
    general = entry("general", 3.0, use=["chat", "code"])
    coder = entry("coder", 3.0, use=["code"])
    assert [c.entry.name for c in ranked(LARGER, [general, coder], use="code")] == ["coder", "general"]
    mixture = entry("mixture", 8.0, active_parameters=2 * GB)
    assert quality(mixture, "Q4_K_M", "chat") < quality(entry("dense", 8.0), "Q4_K_M", "chat")
    assert quality(mixture, "Q4_K_M", "chat") > quality(entry("dense", 2.0), "Q4_K_M", "chat")
    assert quality(old, "Q4_K_M", "chat") > quality(old, "Q2_K", "chat")


def test_only_models_for_the_use_asked() -> None:
    embedding = entry("e", 0.3, use=["embedding", "tiny"], context=2048)
    demo = entry("d", 0.01, use=["demo", "tiny"])
    everything = [*FAMILY, embedding, demo, entry("t", 0.2, use=["chat", "tiny"])]
    assert named(ranked(LAPTOP, everything, use="tiny")) == ["t"]
    found = ranked(LAPTOP, everything, use="embedding")
    assert named(found) == ["e"], "though it was trained for less than the context asked"
    assert found[0].prediction.tokens_per_second is None
    assert ranked(LAPTOP, everything, use="math") == []


def test_a_context_beyond_what_it_was_trained_for() -> None:
    found = ranked(WORKSTATION, [entry("short", 1.0, context=8192), entry("long", 1.0)], context=16384)
    assert [(c.entry.name, c.verdict) for c in found] == [("long", Verdict.FITS), ("short", Verdict.SHORT)]
    assert "trained for 8,192 tokens, not 16,384" in found[1].reason


def test_a_long_context_takes_its_memory() -> None:
    fits = {context: named(ranked(LAPTOP, context=context)) for context in (4096, 32768)}
    assert "m-4.0b" in fits[4096]
    assert "m-4.0b" not in fits[32768]


def test_disk_counts_unless_it_is_here() -> None:
    found = ranked(LARGER, [entry("m", 4.0)], free_disk=2 * GB)[0]
    assert found.verdict is Verdict.NO_DISK
    assert "2.5 GB of disk, 2.0 GB is free" in found.reason
    here = ranked(LARGER, [entry("m", 4.0)], free_disk=2 * GB, installed={"m"})[0]
    assert (here.verdict, here.installed) == (Verdict.FITS, True)


def test_what_is_installed_is_taken_in_its_quantization() -> None:
    model = entry("m", 1.0)
    assert (installed_name(model, "Q4_K_M"), installed_name(model, "Q8_0")) == ("m", "m-q8_0")
    choices = [ranked(WORKSTATION, [model], installed=names)[0] for names in ((), {"m"}, {"m-q8_0"}, {"other"})]
    assert [(c.quantization, c.installed) for c in choices] == [
        ("Q8_0", False), ("Q4_K_M", True), ("Q8_0", True), ("Q8_0", False)
    ]  # fmt: skip


def test_without_a_probe_speed_decides_nothing() -> None:
    found = rank(FAMILY, machine(64, 60), None)
    assert named(found)[0] == "m-32.0b"
    assert all(choice.prediction.tokens_per_second is None for choice in found)


@pytest.mark.parametrize("use", ["chat", "reasoning", "code", "infill", "math", "multilingual", "tiny", "embedding"])
@pytest.mark.parametrize("here", [LAPTOP, LARGER, WORKSTATION])
def test_the_catalog_has_something_for_every_use(here: tuple[Machine, Bandwidth], use: str) -> None:
    found = rank(load().values(), *here, use=use)
    assert found[0].verdict is Verdict.FITS, [choice.reason for choice in found[:3]]
    assert all(choice.reason for choice in found)


def test_even_a_tablet_gets_something_to_talk_to() -> None:
    assert rank(load().values(), *TABLET)[0].verdict is Verdict.FITS
