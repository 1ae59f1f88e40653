"""Quality of quantized models: the figures against plain NumPy, several models in step, what cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_model

from edgemind.engine import calibration, quality, scoring
from edgemind.engine.client import Engine
from edgemind.engine.quality import Model, Tally, log_probabilities, measure
from edgemind.engine.quantize import Quantizer, Wish
from edgemind.errors import BadInput, ModelUnusable, OutOfMemory, UsageError
from edgemind.models.gguf import read_header
from edgemind.models.quantizations import named
from edgemind.models.summary import summary
from edgemind.models.unfinished import Unfinished

TEXT = "the ones plus the tens equals the sum. So then: 12 + 30 = 42. " * 30
CONTEXT = 256


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and what becomes of it with ever fewer bits."""
    made = tmp_path_factory.mktemp("models")
    source = tiny_model(made / "f32.gguf", embd=256, layers=1)
    for kind in ("Q8_0", "Q4_K_M", "Q2_K"):
        with Unfinished(made / f"{kind}.gguf") as output, Quantizer([source], output) as quantizer:
            quantizer.make(Wish(named(kind), threads=1))
            output.publish()
    return made


def model(folder: Path, name: str) -> Model:
    return Model(name, (folder / f"{name}.gguf",))


def rows_of(one: Model, pieces: Sequence[Sequence[int]]) -> np.ndarray:
    with Engine(one.options.model_copy(update={"threads": 1, "context": CONTEXT})) as engine:
        rows = [np.concatenate(list(scoring.logits(engine, piece[:-1]))) for piece in pieces]
    return np.concatenate([part[CONTEXT // 2 :] for part in rows]).astype(np.float64)


def test_the_figures_are_those_of_numpy(folder: Path) -> None:
    source, small = model(folder, "f32"), model(folder, "Q4_K_M")
    report = measure(source, [small], TEXT, context=CONTEXT, tokens=3 * CONTEXT, threads=1)
    with Engine(source.options) as engine:
        pieces = calibration.pieces(engine, TEXT, CONTEXT, 3)
    logs = []
    for one in (source, small):
        rows = rows_of(one, pieces)
        logs.append(rows - np.log(np.exp(rows).sum(axis=1, keepdims=True)))
    targets = np.concatenate([piece[CONTEXT // 2 + 1 :] for piece in pieces])
    at = np.arange(len(targets))
    each = (np.exp(logs[0]) * (logs[0] - logs[1])).sum(axis=1)
    found = report.models[0]
    assert (report.tokens, report.chunks) == (len(targets), 3)
    assert report.source.perplexity == pytest.approx(np.exp(-logs[0][at, targets].mean()), rel=1e-4)
    assert found.perplexity == pytest.approx(np.exp(-logs[1][at, targets].mean()), rel=1e-4)
    assert found.perplexity_error == pytest.approx(
        found.perplexity * logs[1][at, targets].std() / np.sqrt(len(at) - 1), rel=1e-3
    )
    assert found.divergence == pytest.approx(each.mean(), rel=1e-3)
    assert found.divergence_error == pytest.approx(each.std() / np.sqrt(len(at) - 1), rel=1e-3)
    assert found.worst == pytest.approx(each.max(), rel=1e-3)
    assert found.agreement == (logs[0].argmax(axis=1) == logs[1].argmax(axis=1)).mean()


def test_fewer_bits_are_farther_away(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = measure(
        model(folder, "f32"),
        [model(folder, name) for name in ("Q8_0", "Q4_K_M", "Q2_K")],
        TEXT,
        context=CONTEXT,
        threads=1,
        progress=lambda done, total: seen.append((done, total)),
    )
    divergences = [one.divergence for one in report.models]
    assert divergences == sorted(divergences)
    assert 0 < divergences[0] < 0.01 < divergences[-1]
    assert [one.quantization for one in report.models] == ["Q8_0", "Q4_K_M", "Q2_K"]
    assert [one.size_bytes for one in report.models] == [
        (folder / f"{one.name}.gguf").stat().st_size for one in report.models
    ]
    assert seen[0] == (0, report.chunks)
    assert seen[-1] == (report.chunks, report.chunks)


def test_a_model_is_no_distance_from_itself(folder: Path) -> None:
    one = Model("same", (folder / "f32.gguf",))
    found = measure(model(folder, "f32"), [one], TEXT, context=CONTEXT, tokens=1, threads=1)
    assert found.chunks == 1
    assert found.models[0].divergence == pytest.approx(0, abs=1e-9)
    assert found.models[0].agreement == 1
    assert found.models[0].perplexity == found.source.perplexity


def test_models_that_do_not_fit_together_come_one_after_the_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [model(folder, "Q8_0"), model(folder, "Q2_K")]
    together = measure(model(folder, "f32"), both, TEXT, context=CONTEXT, tokens=512, threads=1)
    monkeypatch.setattr(quality, "_groups", lambda source, models, context: [[one] for one in models])
    said: list[str] = []
    apart = measure(model(folder, "f32"), both, TEXT, context=CONTEXT, tokens=512, threads=1, tell=said.append)
    assert apart == together
    assert "runs 2 times" in said[0]


def test_grouping_by_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [model(folder, name) for name in ("Q8_0", "Q4_K_M", "Q2_K")]
    needs = {"f32": 10, "Q8_0": 5, "Q4_K_M": 3, "Q2_K": 3}

    class Machine:
        available_ram = 20

    monkeypatch.setattr(quality, "_memory", lambda one, context: needs[one.name])
    monkeypatch.setattr(quality.hardware, "machine", Machine)
    groups = quality._groups(model(folder, "f32"), models, CONTEXT)
    assert [[one.name for one in group] for group in groups] == [["Q8_0", "Q4_K_M"], ["Q2_K"]]
    Machine.available_ram = 15
    with pytest.raises(OutOfMemory, match="f32 and Q8_0 need 15 bytes together, and 13 bytes"):
        quality._groups(model(folder, "f32"), models, CONTEXT)


def test_another_vocabulary_is_refused(folder: Path, tmp_path: Path) -> None:
    other = Model("other", (tiny_model(tmp_path / "other.gguf", words=(" b", " c")),))
    longer = Model("longer", (tiny_model(tmp_path / "longer.gguf", vocab=600),))
    for one in (other, longer):
        with pytest.raises(UsageError, match="different vocabularies"):
            measure(model(folder, "f32"), [one], TEXT, context=CONTEXT, threads=1)


def test_weights_that_are_no_numbers_are_no_figures(folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / "f32.gguf").read_bytes())
    norm = read_header(folder / "f32.gguf").by_name["output_norm.weight"]
    data[norm.offset : norm.offset + norm.size] = np.full(norm.elements, 1e38, "<f4").tobytes()
    (tmp_path / "large.gguf").write_bytes(data)
    large = Model("large", (tmp_path / "large.gguf",))
    with pytest.raises(ModelUnusable, match="large computes numbers that are not finite"):
        measure(model(folder, "f32"), [large], TEXT, context=CONTEXT, tokens=1, threads=1)


def test_models_of_one_name_are_not_added_up_and_a_long_context_is_told(folder: Path) -> None:
    both = [Model("x", model(folder, name).files) for name in ("Q8_0", "Q2_K")]
    said: list[str] = []
    context = 2 * (summary(read_header(folder / "f32.gguf")).context_trained or 0)
    report = measure(model(folder, "f32"), both, TEXT * (context // 256), tokens=1, context=CONTEXT, threads=1)
    assert report.models[0].divergence < report.models[1].divergence
    with pytest.raises(BadInput, match="one piece takes") as problem:
        measure(model(folder, "f32"), both, TEXT, context=context, threads=1, tell=said.append)
    assert "a smaller --context" in problem.value.hint
    assert "was trained for" in said[0]


def test_a_text_that_is_too_short(folder: Path) -> None:
    with pytest.raises(BadInput, match="one piece takes 256"):
        measure(model(folder, "f32"), [model(folder, "Q2_K")], "short", context=CONTEXT, threads=1)


def test_large_logits_are_no_trouble() -> None:
    rows = np.array([[1e4, 0, -1e4], [3, 3, 3]], np.float32)
    logs = log_probabilities(rows)
    assert np.isfinite(logs).all()
    assert logs[1] == pytest.approx([-np.log(3)] * 3)
    tally = Tally()
    tally.add(logs, logs, [0, 1])
    assert tally.quality("x", "", 0, 0).divergence == 0
