"""llama.cpp through our layer: models, text, contexts, aborts, adapters, errors; the same tokens as its own wrapper."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import CHATML, tiny_adapter, tiny_model

from edgemind.engine import llama
from edgemind.errors import EdgemindError, ModelUnusable, UsageError

GREEDY = llama.ResolvedSampling(temperature=0)
PROMPT = "Once there was a small model and it said: "


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="module")
def model(path: Path) -> Iterator[llama.Model]:
    with llama.Model.open(str(path)) as opened:
        yield opened


def context(model: llama.Model, **options: object) -> llama.Context:
    chosen: dict[str, object] = {"n_ctx": 512, "threads": 1, "flash_attention": False} | options
    return llama.Context(model, **chosen)  # type: ignore[arg-type]


def prefill(ctx: llama.Context, tokens: Sequence[int], seq: int = 0, start: int = 0) -> int:
    """Decode tokens and return the batch index of the last one's logits."""
    batch = llama.Batch(512, ctx.n_seq_max)
    index = batch.extend(tokens, start, seq, True)
    assert ctx.decode(batch) is llama.DecodeResult.OK
    return index


def generate(
    ctx: llama.Context, tokens: Sequence[int], count: int, params: llama.ResolvedSampling = GREEDY
) -> list[int]:
    """Prefill and write ``count`` tokens."""
    with llama.Sampler.build(ctx.model, params) as sampler:
        for token in tokens:
            sampler.accept(token)
        index, written = prefill(ctx, tokens), []
        for position in range(len(tokens), len(tokens) + count):
            written.append(sampler.sample(ctx, index))
            index = prefill(ctx, written[-1:], start=position)
    return written


def tokens_of(model: llama.Model, text: str = PROMPT) -> list[int]:
    return model.vocab.tokenize(text, add_special=True, parse_special=True)


def test_what_a_model_says_about_itself(model: llama.Model) -> None:
    assert model.architecture == "qwen3"
    assert (model.n_layer, model.n_embd, model.n_ctx_train) == (2, 64, 4096)
    assert model.n_vocab == len(model.vocab)
    assert 50_000 < model.parameters < 200_000
    assert model.size_bytes == 4 * model.parameters
    assert model.has_decoder
    assert not any((model.has_encoder, model.is_recurrent, model.is_hybrid, model.n_swa))
    assert model.chat_template() == CHATML
    assert model.metadata("general.name") == "tiny"
    assert model.metadata("no.such.key") is None
    assert model.all_metadata()["qwen3.block_count"] == "2"
    assert model.all_metadata()["tokenizer.chat_template"] == CHATML


def test_the_machine_has_a_cpu_device() -> None:
    found = llama.system()
    assert found.version
    assert "CPU" in found.features
    assert [device.kind for device in found.devices].count("cpu") == 1
    assert all(device.total_bytes >= device.free_bytes >= 0 for device in found.devices)


def test_greedy_tokens_are_those_of_llama_cpp_pythons_own_wrapper(path: Path, model: llama.Model) -> None:
    code = (
        "import json; from llama_cpp import Llama\n"
        f"model = Llama({str(path)!r}, n_ctx=512, n_threads=1, flash_attn=False, verbose=False)\n"
        f"prompt = model.tokenize({PROMPT.encode()!r}, add_bos=True, special=True)\n"
        "written = model.generate(prompt, temp=0.0, repeat_penalty=1.0)\n"
        "print(json.dumps([prompt, [next(written) for _ in range(40)]]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    prompt, expected = json.loads(result.stdout)
    assert tokens_of(model) == prompt
    with context(model) as ctx:
        assert generate(ctx, prompt, 40) == expected


@pytest.mark.parametrize(
    ("arch", "options"),
    [("llama", {}), ("gemma3", {"layers": 7}), ("llama", {"tokenizer": "spm"}), ("qwen3", {"weights": "q8_0"})],
)
def test_other_architectures_load_and_decode(tmp_path: Path, arch: str, options: dict[str, object]) -> None:
    file = tiny_model(tmp_path / "other.gguf", arch, **options)  # type: ignore[arg-type]
    with llama.Model.open(str(file)) as other, context(other) as ctx:
        assert other.architecture == arch
        assert other.n_swa == (64 if arch == "gemma3" else 0)
        text = "Hello wörld, the 🎉"
        assert other.vocab.detokenize(tokens_of(other, text)).decode() == text
        assert len(generate(ctx, tokens_of(other), 5)) == 5


@given(st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=200, deadline=None)
def test_text_comes_back_from_tokens(model: llama.Model, text: str) -> None:
    vocab = model.vocab
    tokens = vocab.tokenize(text, add_special=False, parse_special=False)
    assert vocab.detokenize(tokens).decode() == text
    assert b"".join(vocab.piece(token) for token in tokens).decode() == text
    assert not any(vocab.is_control(token) for token in tokens)


def test_control_tokens_are_read_only_when_asked(model: llama.Model) -> None:
    vocab = model.vocab
    text = "<|im_start|>user\nhi<|im_end|>"
    parsed = vocab.tokenize(text, add_special=False, parse_special=True)
    plain = vocab.tokenize(text, add_special=False, parse_special=False)
    assert parsed[0] == vocab.find("<|im_start|>")
    assert parsed[-1] == vocab.find("<|im_end|>") == vocab.eos
    assert vocab.find("<|im_start|>") not in plain
    assert vocab.detokenize(parsed) == b"user\nhi"
    assert vocab.detokenize(parsed, special=True) == vocab.detokenize(plain) == text.encode()


def test_finding_tokens_by_their_spelling(model: llama.Model) -> None:
    vocab = model.vocab
    think = vocab.find("<think>")
    assert think is not None
    assert vocab.text(think) == "<think>"
    assert not vocab.is_control(think)
    assert vocab.piece(think) == b"<think>"
    assert vocab.find("the") is None
    assert vocab.find("a") is None
    assert vocab.find("<nothing>") is None
    assert vocab.find("") is None


def test_ends_of_generation(model: llama.Model) -> None:
    vocab = model.vocab
    assert vocab.eos in vocab.eog
    assert vocab.bos is None
    assert all(vocab.is_eog(token) == (token in vocab.eog) for token in range(len(vocab)))
    assert vocab.piece(vocab.eos or 0) == b""
    assert vocab.piece(vocab.eos or 0, special=True) == b"<|im_end|>"


@pytest.mark.parametrize("token", [-1, 10**6])
def test_an_unknown_token_is_an_error_and_not_the_end_of_the_process(model: llama.Model, token: int) -> None:
    vocab = model.vocab
    with llama.Sampler.build(model, GREEDY) as sampler, context(model) as ctx:
        batch = llama.Batch(1)
        batch.add(token, 0, 0, True)
        for call in (vocab.piece, vocab.text, vocab.is_eog, vocab.is_control, sampler.accept):
            with pytest.raises(EdgemindError, match="token"):
                call(token)
        with pytest.raises(EdgemindError, match=r"code -1\): (invalid token|batch has neither)"):
            ctx.decode(batch)


def test_a_file_that_is_no_model(tmp_path: Path, path: Path) -> None:
    whole = path.read_bytes()
    files = {
        "text.gguf": (b"not a model", "read magic|invalid magic"),
        "empty.gguf": (b"", "read magic"),
        "half.gguf": (whole[: len(whole) // 2], "not within the file bounds"),
        "other.gguf": (whole.replace(b"qwen3", b"qwenX"), "unknown model architecture: 'qwenX'"),
    }
    for name, (data, message) in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelUnusable, match=message):
            llama.Model.open(str(tmp_path / name), mmap=False)
    with pytest.raises(ModelUnusable, match="No such file"):
        llama.Model.open(str(tmp_path / "missing.gguf"))


def test_progress_counts_up_and_can_cancel(path: Path) -> None:
    seen: list[float] = []
    llama.Model.open(str(path), progress=lambda fraction: bool(seen.append(fraction)) or True).close()
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    with pytest.raises(EdgemindError, match="cancelled"):
        llama.Model.open(str(path), progress=lambda _: False)

    def fails(_: float) -> bool:
        raise RuntimeError("from the callback")

    with pytest.raises(RuntimeError, match="from the callback"):
        llama.Model.open(str(path), progress=fails)


def test_only_the_vocabulary(path: Path) -> None:
    with llama.Model.open(str(path), vocab_only=True) as model:
        assert model.vocab.detokenize(tokens_of(model)).decode() == PROMPT


def test_the_log_goes_where_it_is_sent(path: Path) -> None:
    lines: list[tuple[int, str]] = []
    llama.set_log(lambda level, text: lines.append((level, text)))
    try:
        llama.Model.open(str(path)).close()
    finally:
        llama.set_log(None)
    assert any("qwen3" in text for _, text in lines)
    assert {level for level, _ in lines} <= {llama.LOG_DEBUG, llama.LOG_INFO, llama.LOG_WARN, llama.LOG_ERROR}
    before = len(lines)
    llama.Model.open(str(path)).close()
    assert len(lines) == before


def test_silent_by_default(path: Path) -> None:
    code = f"from edgemind.engine import llama; llama.Model.open({str(path)!r}).close()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stdout == result.stderr == b""


def test_the_lean_import_leaves_the_real_package_usable() -> None:
    code = (
        "import sys; from edgemind.engine import llama\n"
        "assert 'llama_cpp.llama' not in sys.modules and 'jinja2' not in sys.modules\n"
        "llama.schema_to_grammar({'type': 'integer'})\n"
        "import llama_cpp; assert llama_cpp.Llama and llama_cpp.__version__\n"
        "from edgemind.engine.llama.bindings import C; assert C is sys.modules['llama_cpp.llama_cpp']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_closing_a_model_closes_what_hangs_on_it(path: Path) -> None:
    model = llama.Model.open(str(path))
    ctx = context(model)
    grammar = llama.Grammar.compile(model, 'root ::= "a"')
    model.close()
    model.close()
    assert ctx.closed
    for use in (
        lambda: ctx.n_ctx,
        lambda: grammar.allows(1),
        lambda: model.vocab.piece(1_000),
        lambda: model.metadata("x"),
    ):
        with pytest.raises(EdgemindError):
            use()


def test_contexts_of_impossible_sizes(model: llama.Model) -> None:
    for options in ({"n_ctx": 300}, {"n_ctx": 0}, {"n_seq_max": 0}, {"n_seq_max": 257}, {"kv_type": "q2_k"}):
        with pytest.raises(UsageError):
            context(model, **options)
    with pytest.raises(UsageError, match="flash attention"):
        context(model, kv_type="q8_0", flash_attention=False)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces RLIMIT_AS")
def test_a_context_that_does_not_fit_is_out_of_memory(path: Path) -> None:
    code = (
        "import resource; from edgemind.engine import llama; from edgemind.errors import OutOfMemory\n"
        f"model = llama.Model.open({str(path)!r})\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "try: llama.Context(model, n_ctx=256 << 16, threads=1, flash_attention=True)\n"
        "except OutOfMemory as problem: print(problem.message)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "16,777,216 tokens does not fit" in result.stdout
    assert "allocate" in result.stdout


def test_a_batch_checks_what_it_is_given(model: llama.Model) -> None:
    batch = llama.Batch(4, 2)
    assert batch.extend([1, 2, 3], 0, 1, True) == 2
    assert batch.add(4, 0, 0, False) == 3
    assert (batch.n_tokens, batch.n_outputs) == (4, 1)
    for tokens, seq in (([5], 0), ([], 0)):
        with pytest.raises(EdgemindError):
            batch.extend(tokens, 0, seq, False)
    batch.clear()
    for seq in (-1, 2):
        with pytest.raises(EdgemindError):
            batch.add(1, 0, seq, False)
    with context(model) as ctx:
        with pytest.raises(EdgemindError, match="code -1"):
            ctx.decode(batch)
        batch.add(1, 5, 0, False)
        batch.add(1, 9, 0, False)
        with pytest.raises(EdgemindError, match="code -1"):
            ctx.decode(batch)


def test_more_than_a_context_takes_is_refused_before_llama_cpp_aborts(model: llama.Model) -> None:
    with context(model, n_batch=4, n_ubatch=4) as ctx:
        batch = llama.Batch(8)
        batch.extend(range(8), 0, 0, False)
        with pytest.raises(EdgemindError, match="more than the context takes"):
            ctx.decode(batch)
        batch.clear()
        batch.add(1, 0, 0, True)
        batch.add(1, 1, 0, True)
        with pytest.raises(EdgemindError, match="outputs"):
            ctx.decode(batch)
    with context(model, n_outputs=2) as ctx:
        assert ctx.decode(batch) is llama.DecodeResult.OK


def test_logits_exist_only_where_they_were_asked_for(model: llama.Model) -> None:
    with context(model) as ctx, llama.Sampler.build(model, GREEDY) as sampler:
        index = prefill(ctx, tokens_of(model))
        row = ctx.logits(index)
        assert row.shape == (model.n_vocab,)
        assert row.dtype == np.float32
        assert np.isfinite(row).all()
        assert sampler.sample(ctx, index) == int(row.argmax())
        for wrong in (0, index + 1, 10_000):
            with pytest.raises(EdgemindError, match="no logits"):
                ctx.logits(wrong)
            with pytest.raises(EdgemindError, match="no logits"):
                sampler.sample(ctx, wrong)


def test_no_slot_leaves_the_memory_as_it_was(model: llama.Model) -> None:
    with context(model, n_ctx=256, n_seq_max=2) as ctx:
        prefill(ctx, [1] * 200)
        batch = llama.Batch(100, 2)
        index = batch.extend([2] * 100, 0, 1, True)
        assert ctx.decode(batch) is llama.DecodeResult.NO_SLOT
        assert (ctx.seq_max_pos(0), ctx.seq_max_pos(1)) == (199, -1)
        assert ctx.seq_remove(0, 0)
        assert ctx.decode(batch) is llama.DecodeResult.OK
        assert np.isfinite(ctx.logits(index)).all()


def test_sequences_share_cells_and_are_forgotten_separately(model: llama.Model) -> None:
    tokens = tokens_of(model)
    with context(model, n_ctx=256, n_seq_max=3) as ctx:
        expected = generate(ctx, tokens, 5)
        ctx.clear()
        assert ctx.seq_max_pos(0) == -1
        prefill(ctx, tokens[:-1], seq=1)
        assert ctx.seq_copy(1, 2, 0, len(tokens) - 1)
        assert ctx.seq_remove(1, 0)
        index = prefill(ctx, tokens[-1:], seq=2, start=len(tokens) - 1)
        assert int(ctx.logits(index).argmax()) == expected[0]
        assert ctx.seq_remove(2, 3)
        assert ctx.seq_max_pos(2) == 2
        prefill(ctx, tokens, seq=0)
        ctx.seq_keep(0)
        assert [ctx.seq_max_pos(seq) for seq in range(3)] == [len(tokens) - 1, -1, -1]


@pytest.mark.parametrize("allowed", [0, 25, 80])
def test_an_abort_keeps_the_finished_pieces_and_the_sequence_can_go_on(model: llama.Model, allowed: int) -> None:
    tokens = (tokens_of(model) * 20)[:300]
    with context(model, n_ubatch=64) as ctx:
        expected = ctx.logits(prefill(ctx, tokens)).copy()
        ctx.clear()
        batch = llama.Batch(512)
        index = batch.extend(tokens, 0, 0, True)
        asked = iter(range(10**9))
        ctx.set_abort(lambda: next(asked) >= allowed)
        assert ctx.decode(batch) is llama.DecodeResult.ABORTED
        held = ctx.seq_max_pos(0) + 1
        assert held in range(0, 300, 64)
        assert (held == 0) == (allowed < 40)
        ctx.set_abort(None)
        assert ctx.seq_remove(0, 0)
        assert ctx.decode(batch) is llama.DecodeResult.OK
        np.testing.assert_array_equal(ctx.logits(index), expected)


def test_the_abort_flag_stops_a_decode_from_another_thread(tmp_path: Path) -> None:
    file = tiny_model(tmp_path / "slow.gguf", layers=12, embd=512, heads=8)
    with llama.Model.open(str(file)) as model, context(model, n_ctx=4096, n_batch=4096) as ctx:
        flag = llama.AbortFlag()
        ctx.set_abort(flag)
        batch = llama.Batch(4096)
        batch.extend([7] * 4000, 0, 0, True)
        timer = threading.Timer(0.05, flag.set)
        timer.start()
        assert ctx.decode(batch) is llama.DecodeResult.ABORTED
        timer.join()
        assert flag.is_set()
        assert ctx.decode(batch) is llama.DecodeResult.ABORTED
        flag.clear()
        batch.clear()
        ctx.seq_remove(0, 0)
        batch.add(7, 0, 0, True)
        assert ctx.decode(batch) is llama.DecodeResult.OK


def test_a_sliding_window_says_when_it_has_lost_the_past(tmp_path: Path) -> None:
    file = tiny_model(tmp_path / "window.gguf", "gemma3", layers=7, sliding_window=32)
    with llama.Model.open(str(file)) as model, context(model, n_seq_max=2) as ctx:
        tokens = (tokens_of(model) * 10)[:200]
        expected = ctx.logits(prefill(ctx, tokens[:100])).copy()
        prefill(ctx, tokens[100:], start=100)
        state = ctx.seq_state(0)
        assert ctx.seq_copy(0, 1, 0, 99)
        index = prefill(ctx, tokens[99:100], seq=1, start=99)
        np.testing.assert_allclose(ctx.logits(index), expected, atol=1e-3)
        ctx.clear()
        assert ctx.set_seq_state(0, state)
        assert ctx.seq_max_pos(0) == 199
        assert not ctx.seq_reaches(0, 99)
        assert not ctx.seq_remove(0, 99)
        assert not ctx.seq_copy(0, 1, 0, 99)
        assert ctx.seq_max_pos(1) == -1
        assert ctx.seq_remove(0, 199)
        assert ctx.seq_remove(0, 0)


def test_an_adapter_changes_the_logits_by_its_scale(tmp_path: Path, model: llama.Model) -> None:
    file = tiny_adapter(tmp_path / "lora.gguf")
    with llama.Adapter.load(model, str(file)) as adapter, context(model) as ctx:
        tokens = tokens_of(model)

        def logits(scale: float | None) -> np.ndarray:
            ctx.set_adapters([] if scale is None else [(adapter, scale)])
            ctx.clear()
            return ctx.logits(prefill(ctx, tokens)).copy()

        plain = logits(None)
        assert np.abs(logits(1.0) - plain).max() > 0.1
        assert 0 < np.abs(logits(0.01) - plain).max() < np.abs(logits(1.0) - plain).max()
        np.testing.assert_array_equal(logits(None), plain)


def test_an_adapter_for_another_model_is_refused(tmp_path: Path, path: Path, model: llama.Model) -> None:
    for file in (tiny_adapter(tmp_path / "wide.gguf", embd=128), path, tmp_path / "missing.gguf"):
        with pytest.raises(ModelUnusable, match=f"adapter {file.name}"):
            llama.Adapter.load(model, str(file))


def test_confidence_is_that_of_float64(model: llama.Model) -> None:
    rng = np.random.default_rng(5)
    rows = [rng.standard_normal(151_936, np.float32) * scale for scale in (0.01, 1, 8, 1000)]
    rows.append(np.where(np.arange(5000) % 7 == 0, -np.inf, rng.standard_normal(5000)).astype(np.float32))
    with context(model) as ctx:
        rows.append(ctx.logits(prefill(ctx, tokens_of(model))))
        for row in rows:
            before = row.copy()
            exact = np.exp(row.astype(np.float64) - row.max())
            exact /= exact.sum()
            entropy = -(exact[exact > 0] * np.log(exact[exact > 0])).sum()
            for token in (int(row.argmax()), 3, 700 % row.size):
                probability, measured, best = llama.confidence(row, token, 5)
                assert probability == pytest.approx(exact[token], rel=1e-4, abs=1e-12)
                assert measured == pytest.approx(entropy, rel=1e-4, abs=1e-5)
                order = np.argsort(-exact, kind="stable")[:5]
                assert [p for _, p in best] == pytest.approx(exact[order], rel=1e-4, abs=1e-12)
                assert best[0][0] == order[0]
            assert llama.confidence(row, 0, 0)[2] == []
            np.testing.assert_array_equal(row, before)
