"""Quantizing in the real jailed worker: every type planned, some made, and each thing that can be in the way."""

from __future__ import annotations

import os
import resource
import threading
import time
from pathlib import Path

import gguf
import numpy as np
import pytest
from splitting import split
from tiny import tiny_model

from edgemind.engine import production, quantize
from edgemind.engine.llama.bindings import C
from edgemind.engine.quantize import PLANNED, Quantizer, Wish, check_result, choose
from edgemind.errors import ModelUnusable, NoRoom, OutOfMemory, StoreProblem, UsageError, WorkerDied
from edgemind.models import imatrix
from edgemind.models.gguf import read_header, read_headers
from edgemind.models.imatrix import Entry, Matrix
from edgemind.models.names import ModelFile
from edgemind.models.quantizations import ALIASES, ALL, COPY, TENSOR_TYPES, Quantization, named, tensor_type
from edgemind.models.sizes import human_bytes
from edgemind.models.splits import parts_of
from edgemind.models.unfinished import Unfinished, UnfinishedParts


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of 256, so that every type's blocks fit; f32."""
    return tiny_model(tmp_path_factory.mktemp("source") / "tiny.gguf", embd=256, layers=1)


@pytest.fixture(scope="module")
def matrix_file(source: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Random importance for every matrix of the layer."""
    rng = np.random.default_rng(1)
    entries = {
        tensor.name: Entry(rng.exponential(size=(1, tensor.shape[0])).astype(np.float32), np.ones(1, np.float32))
        for tensor in read_header(source).tensors
        if tensor.name.startswith("blk.") and len(tensor.shape) > 1
    }
    path = tmp_path_factory.mktemp("matrix") / "matrix.gguf"
    imatrix.write(Matrix(entries, ("made up",), 1, 512), path, "qwen3")
    return str(path)


def wish(kind: str, **more: object) -> Wish:
    return Wish(named(kind), threads=1, **more)  # type: ignore[arg-type]


def make(source: Path, target: Path, what: Wish, matrix: str | None = None, *, runs: bool = False) -> dict[str, str]:
    """Quantize, and with ``runs`` try the result; the types of the tensors in the new file."""
    with Unfinished(target) as output, Quantizer([source], output, matrix) as quantizer:
        quantizer.make(what)
        if runs:
            check_result(quantizer.header, output.files, output.descriptors)
        output.publish()
    return {tensor.name: tensor.type for tensor in read_header(target).tensors}


def test_the_types_are_those_of_this_llama_cpp() -> None:
    theirs = {name: getattr(C, name) for name in dir(C) if name.startswith("LLAMA_FTYPE_") and "GUESSED" not in name}
    ours = {("LLAMA_FTYPE_ALL_" if entry.name == "F32" else "LLAMA_FTYPE_MOSTLY_") + entry.name for entry in ALL}
    assert {f"{name}": theirs[name] for name in ours} == {
        ("LLAMA_FTYPE_ALL_" if entry.name == "F32" else "LLAMA_FTYPE_MOSTLY_") + entry.name: entry.number
        for entry in ALL
    }
    assert set(theirs) - ours == {"LLAMA_FTYPE_MOSTLY_NVFP4"}, "which llama.cpp's tool does not offer either"


def test_names_are_found_however_they_are_typed() -> None:
    assert named("q4_k_m") is named("15") is named(" Q4_K ")
    assert {named(alias).name for alias in ALIASES} == {"Q3_K_M", "Q4_K_M", "Q5_K_M"}
    with pytest.raises(UsageError, match="Did you mean Q4_K_M") as problem:
        named("Q4_KM")
    assert "edgemind quantize --list" in problem.value.hint
    assert tensor_type("Q6_K") == "q6_k"
    with pytest.raises(UsageError, match="cannot be quantized to 'i32'"):
        tensor_type("i32")


def test_each_type_is_planned_as_llama_cpp_would_make_it(source: Path) -> None:
    with Quantizer([source], matrix=PLANNED) as quantizer:
        plans = {entry.name: quantizer.plan(wish(entry.name)) for entry in ALL}
    sizes = [plans[entry.name].size for entry in ALL]
    assert len(plans) == 35
    assert sizes[0] > 6 * sizes[-1]
    assert all(plan.fallbacks == 0 for plan in plans.values())
    assert plans["Q8_0"].header.by_name["blk.0.attn_q.weight"].type == "Q8_0"
    assert plans["Q8_0"].header.by_name["blk.0.attn_norm.weight"].type == "F32"


def test_types_that_need_a_matrix_are_marked(source: Path) -> None:
    """What the table says, against llama.cpp's own word."""
    with Quantizer([source]) as quantizer:
        for entry in ALL:
            reply = quantizer._ask(quantizer._command(wish(entry.name), dry_run=True))
            assert reply.needs_matrix == entry.needs_matrix, entry.name


@pytest.mark.parametrize("kind", ["Q4_K_M", "Q8_0", "TQ2_0", "Q1_0", "Q2_0", "BF16"])
def test_what_is_made_is_what_was_planned(source: Path, tmp_path: Path, kind: str) -> None:
    with Unfinished(tmp_path / "made.gguf") as output, Quantizer([source], output) as quantizer:
        plan = quantizer.plan(wish(kind))
        quantizer.make(wish(kind))
        check_result(quantizer.header, output.files, output.descriptors)
        output.publish()
    types = {tensor.name: tensor.type for tensor in read_header(tmp_path / "made.gguf").tensors}
    assert types == {tensor.name: tensor.type for tensor in plan.header.tensors}
    assert abs((tmp_path / "made.gguf").stat().st_size - plan.size) < 4096
    assert read_header(tmp_path / "made.gguf").number("general.file_type") == named(kind).number
    assert os.listdir(tmp_path) == ["made.gguf"]


def test_q8_0_has_the_bytes_of_the_gguf_package(source: Path, tmp_path: Path) -> None:
    make(source, tmp_path / "made.gguf", wish("Q8_0"))
    before = {tensor.name: tensor for tensor in gguf.GGUFReader(source).tensors}
    checked = 0
    for tensor in gguf.GGUFReader(tmp_path / "made.gguf").tensors:
        if tensor.tensor_type.name == "Q8_0":
            wanted = gguf.quants.quantize(before[tensor.name].data, tensor.tensor_type)
            assert np.array_equal(tensor.data, wanted), tensor.name
            checked += 1
    assert checked == 9


def test_threads_change_nothing(source: Path, tmp_path: Path) -> None:
    make(source, tmp_path / "one.gguf", wish("Q4_K_M"))
    make(source, tmp_path / "three.gguf", Wish(named("Q4_K_M"), threads=3))
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "three.gguf").read_bytes()


def test_a_matrix_serves_the_columns_that_matter(source: Path, matrix_file: str, tmp_path: Path) -> None:
    """The weighted error goes down, against the same type without a matrix."""
    make(source, tmp_path / "with.gguf", wish("Q2_K"), matrix_file)
    make(source, tmp_path / "without.gguf", wish("Q2_K"))
    importance = imatrix.read(matrix_file).entries
    before = {tensor.name: tensor.data for tensor in gguf.GGUFReader(source).tensors}
    errors = {}
    for name in ("with", "without"):
        errors[name] = 0.0
        for tensor in gguf.GGUFReader(tmp_path / f"{name}.gguf").tensors:
            if tensor.name in importance and tensor.tensor_type.name == "Q2_K":
                off = gguf.quants.dequantize(tensor.data, tensor.tensor_type) - before[tensor.name]
                errors[name] += float((off**2 * importance[tensor.name].mean()).sum())
    assert 0 < errors["with"] < errors["without"]


def test_the_smallest_types_run_with_a_matrix(source: Path, matrix_file: str, tmp_path: Path) -> None:
    types = make(source, tmp_path / "made.gguf", wish("IQ2_XXS"), matrix_file, runs=True)
    assert types["blk.0.ffn_up.weight"] == "IQ2_XXS"


def test_single_tensors_get_what_was_asked(source: Path, tmp_path: Path) -> None:
    asked = wish(
        "Q4_K_M",
        tensor_types=(("ATTN_(q|k)\\.", "q5_1"), ("ffn", "q6_k")),
        output_type="f16",
        embedding_type="iq4_nl",
    )
    types = make(source, tmp_path / "made.gguf", asked)
    assert types["blk.0.attn_q.weight"] == types["blk.0.attn_k.weight"] == "Q5_1"
    assert types["blk.0.ffn_down.weight"] == "Q6_K"
    assert (types["output.weight"], types["token_embd.weight"]) == ("F16", "IQ4_NL")
    assert types["blk.0.attn_output.weight"] == "Q4_K"
    pure = make(source, tmp_path / "pure.gguf", wish("Q4_K_M", pure=True, leave_output=True))
    assert {pure["blk.0.ffn_down.weight"], pure["blk.0.attn_v.weight"]} == {"Q4_K"}
    assert pure["output.weight"] == "F32"


def test_every_tensor_type_is_one_that_llama_cpp_makes(source: Path) -> None:
    with Quantizer([source], matrix=PLANNED) as quantizer:
        for kind in TENSOR_TYPES:
            plan = quantizer.plan(wish("Q4_0", tensor_types=(("ffn_up", kind),)))
            assert plan.header.by_name["blk.0.ffn_up.weight"].type == kind.upper()


def test_a_pattern_that_is_no_expression(source: Path) -> None:
    with Quantizer([source]) as quantizer, pytest.raises(UsageError, match="no regular expression"):
        quantizer.plan(wish("Q4_0", tensor_types=(("attn_(", "q8_0"),)))


def test_a_pattern_that_no_tensor_has_is_no_silent_nothing(source: Path) -> None:
    with Quantizer([source]) as quantizer:
        with pytest.raises(UsageError, match="No matrix of this model has 'atn_v' in its name") as problem:
            quantizer.plan(wish("Q4_0", tensor_types=(("atn_v", "q8_0"),)))
        assert "blk.0.attn_v, " in problem.value.hint
        assert quantizer.plan(wish("Q4_0", tensor_types=(("^BLK\\.[0-9]+\\.attn_v", "q8_0"),)))


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"output_type": "iq1_s"}, r"output\.weight would become IQ1_S"),
        ({"embedding_type": "iq2_xs"}, r"token_embd\.weight would become IQ2_XS"),
        ({"output_type": "q8_0", "leave_output": True}, "cannot both stay"),
    ],
)
def test_what_llama_cpp_would_die_of_is_said_before(
    source: Path, matrix_file: str, tmp_path: Path, more: dict[str, object], match: str
) -> None:
    """Embeddings and output have no numbers in a matrix, and llama.cpp ends the process when it misses them."""
    for matrix in (None, PLANNED):
        with Quantizer([source], matrix=matrix) as quantizer, pytest.raises(UsageError, match=match) as problem:
            quantizer.plan(wish("Q4_0", **more))
        assert "--" in problem.value.hint
    with pytest.raises(UsageError, match=match):
        make(source, tmp_path / "made.gguf", wish("Q4_0", **more), matrix_file)
    assert not os.listdir(tmp_path)


def test_a_copy_is_a_copy(source: Path) -> None:
    with Quantizer([source]) as quantizer, pytest.raises(UsageError, match="COPY changes no tensor's type"):
        quantizer.plan(wish(COPY, tensor_types=(("ffn", "q8_0"),)))


def test_it_is_known_which_types_heed_a_matrix(source: Path, matrix_file: str, tmp_path: Path) -> None:
    for kind, heeds in (("Q8_0", False), ("Q4_0", True)):
        with Quantizer([source], matrix=PLANNED) as quantizer:
            assert quantizer.plan(wish(kind, leave_output=True, embedding_type="f32")).heeds_matrix == heeds
        asked = wish(kind, leave_output=True, embedding_type="f32")
        make(source, tmp_path / f"{kind}-with", asked, matrix_file)
        make(source, tmp_path / f"{kind}-without", asked)
        same = (tmp_path / f"{kind}-with").read_bytes() == (tmp_path / f"{kind}-without").read_bytes()
        assert same != heeds, kind


def test_rows_that_do_not_fit_fall_back_and_that_is_counted(tmp_path: Path) -> None:
    narrow = tiny_model(tmp_path / "narrow.gguf", embd=64)
    with Quantizer([narrow]) as quantizer:
        plan = quantizer.plan(wish("Q4_K_M"))
    assert plan.fallbacks == 15, "seven of each layer, and the embeddings"
    assert plan.header.by_name["blk.0.attn_q.weight"].type == "Q5_0"


def test_a_quantized_source_is_refused_unless_it_is_wanted(source: Path, tmp_path: Path) -> None:
    make(source, tmp_path / "q8.gguf", wish("Q8_0"))
    with pytest.raises(UsageError, match=r"q8\.gguf is quantized already \(Q8_0\)") as problem:
        make(tmp_path / "q8.gguf", tmp_path / "made.gguf", wish("Q4_0"))
    assert "--allow-requantize" in problem.value.hint
    assert make(tmp_path / "q8.gguf", tmp_path / "made.gguf", wish("Q4_0", allow_requantize=True))
    copied = make(tmp_path / "q8.gguf", tmp_path / "copy.gguf", Wish(named(COPY)))
    assert copied["blk.0.attn_q.weight"] == "Q8_0"


def test_without_a_matrix_the_smallest_types_say_what_they_need(source: Path, tmp_path: Path) -> None:
    for asked in (wish("IQ2_XXS"), wish("Q4_0", tensor_types=(("ffn_up", "iq1_s"),))):
        with pytest.raises(UsageError, match="needs an importance matrix") as problem:
            make(source, tmp_path / "made.gguf", asked)
        assert "--imatrix auto" in problem.value.hint
    assert not os.listdir(tmp_path)


def test_another_models_matrix_makes_no_file(matrix_file: str, tmp_path: Path) -> None:
    other = tiny_model(tmp_path / "other.gguf", embd=128)
    with pytest.raises(UsageError, match="another model's"):
        make(other, tmp_path / "made.gguf", wish("Q4_0"), matrix_file)
    assert os.listdir(tmp_path) == ["other.gguf"]


def test_no_model_at_all(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_text("this is a letter")
    with pytest.raises(ModelUnusable):
        Quantizer([tmp_path / "x.gguf"])


def test_weights_that_are_no_numbers(source: Path, tmp_path: Path) -> None:
    data = bytearray(source.read_bytes())
    tensor = read_header(source).by_name["blk.0.ffn_up.weight"]
    data[tensor.offset : tensor.offset + 4] = np.float32(np.nan).tobytes()
    (tmp_path / "nan.gguf").write_bytes(data)
    with pytest.raises(ModelUnusable, match=r"nan\.gguf has weights that are no finite numbers"):
        make(tmp_path / "nan.gguf", tmp_path / "made.gguf", wish("Q4_0"))
    assert os.listdir(tmp_path) == ["nan.gguf"]


def test_a_full_disk_is_said_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    for limit in (0, 5_000, 300_000):
        with Unfinished(tmp_path / "made.gguf") as output, Quantizer([source], output) as quantizer:
            quantizer.plan(wish("Q8_0"))
            assert quantizer._worker
            resource.prlimit(quantizer._worker.pid, resource.RLIMIT_FSIZE, (limit, limit))
            with pytest.raises(NoRoom, match="Cannot write the quantized model") as problem:
                quantizer.make(wish("Q8_0"))
            assert str(tmp_path) in problem.value.message
    assert not os.listdir(tmp_path)


def test_a_worker_that_is_killed_leaves_nothing_and_the_next_one_works(
    source: Path, matrix_file: str, tmp_path: Path
) -> None:
    with Unfinished(tmp_path / "made.gguf") as output, Quantizer([source], output, matrix_file) as quantizer:
        quantizer.plan(wish("IQ2_S"))
        assert quantizer._worker
        worker = quantizer._worker
        threading.Timer(0.15, lambda: os.kill(worker.pid, 9)).start()
        with pytest.raises(WorkerDied):
            quantizer.make(wish("IQ2_S"))
        assert not os.listdir(tmp_path)
        quantizer.make(wish("Q8_0"))
        output.publish()
    assert read_header(tmp_path / "made.gguf").tensors


def test_progress_comes_in_bytes_of_the_source(source: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    with Unfinished(tmp_path / "made.gguf") as output, Quantizer([source], output) as quantizer:
        quantizer.make(wish("Q8_0"), progress=lambda done, total: seen.append((done, total)))
        total = quantizer.header.tensor_bytes
    assert seen[0] == (0, total)
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)
    assert len(seen) > 9


def test_notes_come_into_the_file(source: Path, tmp_path: Path) -> None:
    with Unfinished(tmp_path / "made.gguf") as output, Quantizer([source], output) as quantizer:
        quantizer.make(wish("Q8_0"), {"quantize.imatrix.file": "größe" * 40, "quantize.imatrix.entries_count": 7})
        output.publish()
    header = read_header(tmp_path / "made.gguf")
    assert header.number("quantize.imatrix.entries_count") == 7
    kept = header.text("quantize.imatrix.file") or ""
    assert ("größe" * 40).startswith(kept)
    assert len(kept.encode()) in (126, 127)


@pytest.mark.parametrize("keep", [True, False])
def test_a_split_model(source: Path, tmp_path: Path, keep: bool) -> None:
    """Also with the names of a store, which llama.cpp could not find by itself."""
    (tmp_path / "in").mkdir()
    parts = split(source, tmp_path / "in", 3, names=["sha256-b", "sha256-a", "sha256-c"])
    (tmp_path / "out").mkdir()
    asked = wish("Q8_0", keep_split=keep)
    place = UnfinishedParts(tmp_path / "out" / "made", 3) if keep else Unfinished(tmp_path / "out" / "made.gguf")
    with place as output, Quantizer(parts, output) as quantizer:
        quantizer.plan(asked)
        quantizer.make(asked)
        check_result(quantizer.header, output.files, output.descriptors)
        output.publish()
    first = output.targets[0]
    assert len(os.listdir(tmp_path / "out")) == (3 if keep else 1)
    made = read_headers(parts_of(first))
    whole = make(source, tmp_path / "whole.gguf", wish("Q8_0"))
    assert {tensor.name: tensor.type for tensor in made.tensors} == whole


def test_the_best_type_that_fits_is_chosen_and_it_is_said_why(source: Path) -> None:
    with Quantizer([source], matrix=PLANNED) as quantizer:
        rich = choose(quantizer, wish("Q8_0"), 1 << 40, with_matrix=True)
        needs = {}
        for name in quantize.LADDER_WITH_MATRIX:
            plan = quantizer.plan(wish(name))
            needs[name] = quantize.fit.estimate(plan.header, n_ctx=4096).total
        poor = choose(quantizer, wish("Q8_0"), int(needs["Q4_K_M"] / 0.9) + 1, with_matrix=True)
        with pytest.raises(OutOfMemory, match="Even IQ2_XXS") as problem:
            choose(quantizer, wish("Q8_0"), needs["IQ2_XXS"], with_matrix=True)
        assert human_bytes(needs["IQ2_XXS"]) in problem.value.message
        assert f"{human_bytes(int(needs['IQ2_XXS'] * 0.9))} can be used" in problem.value.message
    assert rich.plan.kind.name == "Q8_0"
    assert "would not answer better" in rich.why
    assert poor.plan.kind.name == "Q4_K_M"
    assert "Q5_K_M would need" in poor.why
    with Quantizer([source]) as quantizer, pytest.raises(OutOfMemory, match="Even Q2_K") as problem:
        choose(quantizer, wish("Q8_0"), 1000, with_matrix=False)
    assert "--imatrix auto" in problem.value.hint


def test_names_of_models_lose_what_is_no_longer_true() -> None:
    for name, wanted in (("qwen3-0.6b-f16", "qwen3-0.6b-q4_k_m"), ("nano", "nano-q4_k_m"), ("X.BF16", "x-q4_k_m")):
        assert production.model_name(ModelFile(name, Path("x")), "Q4_K_M") == wanted


def test_a_worker_may_not_write_what_it_was_not_given(source: Path, tmp_path: Path) -> None:
    """The command names another target than the file that was opened for it."""
    (tmp_path / "other").write_text("kept")
    with Unfinished(tmp_path / "made.gguf") as output, Quantizer([source], output) as quantizer:
        quantizer.plan(wish("Q8_0"))
        command = quantizer._command(wish("Q8_0"), dry_run=False)
        for target in (tmp_path / "new", tmp_path / "other"):
            with pytest.raises(StoreProblem, match="could not be written"):
                quantizer._ask(command.model_copy(update={"target": str(target)}))
    assert (tmp_path / "other").read_text() == "kept"
    assert sorted(os.listdir(tmp_path)) == ["other"]


def test_closing_in_the_middle_takes_no_time(source: Path, matrix_file: str, tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done:
            raise Enough

    began = time.monotonic()
    with (
        pytest.raises(Enough),
        Unfinished(tmp_path / "made.gguf") as output,
        Quantizer([source], output, matrix_file) as quantizer,
    ):
        quantizer.make(wish("IQ2_S"), progress=stop)
    assert time.monotonic() - began < 60
    assert not os.listdir(tmp_path)


def test_the_table_is_sorted_and_whole() -> None:
    assert all(isinstance(entry, Quantization) for entry in ALL)
    assert [entry.bits for entry in ALL] == sorted((entry.bits for entry in ALL), reverse=True)
