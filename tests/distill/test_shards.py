"""Shards: what is stored comes back, costs what it says, and a damaged file is one sentence that names it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from edgemind.distill.targets import layout, shards
from edgemind.distill.targets.example_set import ExampleSet
from edgemind.distill.targets.shards import Example, Shard, ShardHeader, ShardWriter, Spans
from edgemind.distill.targets.top import TopK
from edgemind.errors import Damaged, EdgemindError, NoRoom, UsageError


def header(k: int = 8, size: int = 2048, **more: object) -> ShardHeader:
    return ShardHeader(k=k, vocabulary="a" * 64, vocabulary_size=size, teacher="t", **more)


def example(number: int, size: int, rng: np.random.Generator) -> Example:
    tokens = int(rng.integers(6, 40))
    ids = rng.integers(0, size, tokens).astype(np.int32)
    return Example(f"{number:016x}", f"family{number % 3}", 1 + number % 4, ids, int(rng.integers(1, tokens)))


def target(rows: int, k: int, size: int, rng: np.random.Generator) -> TopK:
    """Random ids, with the largest among them, and random probabilities."""
    ids = rng.integers(0, size, (rows, k)).astype(np.int32)
    if rows and k:
        ids[0, 0] = size - 1
    logp = -np.sort(rng.exponential(3.0, (rows, k)), axis=1).astype(np.float32)
    return TopK(ids, logp, -rng.exponential(2.0, rows).astype(np.float32))


def write(path: Path, head: ShardHeader, count: int = 20, seed: int = 0) -> list[tuple[Example, TopK]]:
    rng = np.random.default_rng(seed)
    made = []
    with ShardWriter(path, head) as writer:
        for number in range(count):
            one = example(number, head.vocabulary_size, rng)
            top = target(one.learned, head.k, head.vocabulary_size, rng)
            writer.add(one, top)
            made.append((one, top))
    return made


@pytest.mark.parametrize(
    ("k", "size", "each"),
    [(8, 2048, 36), (64, 65_536, 260), (64, 151_669, 276), (64, 262_144, 276), (5, 262_144, 26), (3, 500_000, 18)],
)
def test_what_is_stored_comes_back(tmp_path: Path, k: int, size: int, each: int) -> None:
    head = header(k, size, temperature=2.0, inputs="x")
    made = write(tmp_path / "a.shard", head)
    shard = Shard(tmp_path / "a.shard")
    shard.verify()
    assert shard.header == head
    assert head.bytes_per_token == each
    assert len(shard) == len(made)
    for number, (one, top) in enumerate(made):
        found, back = shard.example(number), shard.top(number)
        assert (found.problem, found.family, found.level, found.start) == (
            one.problem,
            one.family,
            one.level,
            one.start,
        )
        assert np.array_equal(found.ids, one.ids)
        assert np.array_equal(back.ids, top.ids)
        assert np.array_equal(back.tail, top.tail)
        assert np.allclose(back.logp, top.logp, rtol=2**-11, atol=1e-7)


def test_64_targets_of_a_large_vocabulary_cost_under_300_bytes_a_token_on_the_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    head = header(64, 262_144)
    with ShardWriter(tmp_path / "a.shard", head) as writer:
        for number in range(8):
            ids = rng.integers(0, 262_144, 400).astype(np.int32)
            writer.add(Example(str(number), "f", 1, ids, 1), target(399, 64, 262_144, rng))
    assert (tmp_path / "a.shard").stat().st_size / (8 * 399) < 300
    assert json.loads(header_text(tmp_path / "a.shard"))["bytes_per_token"] == 276


def header_text(path: Path) -> bytes:
    data = path.read_bytes()
    size = layout.PROLOGUE.unpack_from(data)[2]
    return data[layout.HEADER_AT : layout.HEADER_AT + size]


def test_no_mass_and_very_improbable_tokens(tmp_path: Path) -> None:
    top = TopK(np.array([[1, 0]], np.int32), np.array([[0.0, -1e9]], np.float32), np.array([-np.inf], np.float32))
    with ShardWriter(tmp_path / "a.shard", header(2, 2)) as writer:
        writer.add(Example("p", "f", 1, np.array([0, 1], np.int32), 1), top)
    back = Shard(tmp_path / "a.shard").top(0)
    assert back.tail[0] == -np.inf
    assert np.isfinite(back.logp).all()


def test_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "BLOCK_BYTES", 2000)
    made = write(tmp_path / "a.shard", header(8, 100_000), 50)
    shard = Shard(tmp_path / "a.shard")
    for number in np.random.default_rng(1).permutation(50):
        assert np.array_equal(shard.top(number).ids, made[number][1].ids)
        assert np.array_equal(shard.example(number).ids, made[number][0].ids)


def test_examples_without_targets_and_shards_without_examples(tmp_path: Path) -> None:
    made = write(tmp_path / "a.shard", header(0))
    shard = Shard(tmp_path / "a.shard")
    assert shard.top(3).ids.shape == (made[3][0].learned, 0)
    assert header(0).bytes_per_token == 0
    with ShardWriter(tmp_path / "b.shard", header(4)):
        pass
    assert len(Shard(tmp_path / "b.shard")) == 0


def test_spans_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    made = []
    with ShardWriter(tmp_path / "a.shard", header(0, spans=True)) as writer:
        for number in range(10):
            one = example(number, 2048, rng)
            ends = np.arange(1, one.learned + 1, 2, dtype=np.int32)
            made.append(Spans(ends, -rng.exponential(1.0, len(ends)).astype(np.float32)))
            writer.add(one, None, made[-1])
    shard = Shard(tmp_path / "a.shard")
    for number, spans in enumerate(made):
        assert np.array_equal(shard.spans(number).ends, spans.ends)
        assert np.array_equal(shard.spans(number).logp, spans.logp)


def test_nothing_is_left_of_a_shard_that_was_not_finished(tmp_path: Path) -> None:
    def fail() -> None:
        with ShardWriter(tmp_path / "a.shard", header(0)) as writer:
            writer.add(Example("p", "f", 1, np.arange(4, dtype=np.int32), 1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_at_the_end_gets_its_room_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    writer = ShardWriter(tmp_path / "a.shard", header(0))
    writer.add(Example("p", "f", 1, np.arange(4, dtype=np.int32), 1))
    monkeypatch.setattr(writer, "_put", full)
    with pytest.raises(NoRoom), writer:
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(writer._unfinished._fd)


def test_targets_that_are_not_those_of_the_example_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    one = example(0, 2048, rng)
    with pytest.raises(ValueError, match="one row"), ShardWriter(tmp_path / "a.shard", header(8)) as writer:
        writer.add(one, target(one.learned + 1, 8, 2048, rng))


def test_any_flipped_byte_is_seen_and_the_file_named(tmp_path: Path) -> None:
    path = tmp_path / "examples-00003.shard"
    write(path, header(4, 100_000), 5)
    whole = path.read_bytes()
    inert = range(layout.PROLOGUE.size + layout.CHECKSUM.size, layout.HEADER_AT)
    head_end = layout.HEADER_AT + len(header_text(path))
    for at in range(0, len(whole), 7):
        if at in inert or head_end <= at < layout.aligned(head_end):
            continue
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with pytest.raises(Damaged, match=r"examples-00003\.shard is damaged: .+\.$"):
            Shard(path).verify()


def test_a_damaged_block_is_seen_when_it_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "BLOCK_BYTES", 1)
    path = tmp_path / "a.shard"
    made = write(path, header(4), 6)
    data = bytearray(path.read_bytes())
    at = data.index(made[4][0].ids.tobytes())
    data[at] ^= 1
    path.write_bytes(data)
    shard = Shard(path)
    assert np.array_equal(shard.example(3).ids, made[3][0].ids)
    with pytest.raises(Damaged, match="block 5 of 6"):
        shard.top(4)


@pytest.mark.parametrize("length", [0, 1, 63, 64, 100, 500, -1])
def test_cut_files(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.shard"
    write(path, header(4), 5)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(Damaged, match=r"a\.shard is damaged"):
        Shard(path)


def test_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "a.shard").write_bytes(b"GGUF" + bytes(500))
    (tmp_path / "b.shard").mkdir()
    for name, why in (("a", "no shard"), ("b", "no file|cannot be"), ("c", "cannot be opened")):
        with pytest.raises(Damaged, match=why):
            Shard(tmp_path / f"{name}.shard")


def reseal(data: bytearray) -> bytes:
    """Make the checksums of header, table and first bytes right again."""
    magic, version, head, table, whole, _, _ = layout.PROLOGUE.unpack_from(data)
    head_crc = zlib.crc32(bytes(data[layout.HEADER_AT : layout.HEADER_AT + head]))
    prologue = layout.PROLOGUE.pack(magic, version, head, table, whole, head_crc, zlib.crc32(bytes(data[table:])))
    data[: len(prologue)] = prologue
    data[len(prologue) : len(prologue) + 4] = layout.CHECKSUM.pack(zlib.crc32(prologue))
    return bytes(data)


def hostile(whole: bytes) -> list[bytes]:
    """Files with right checksums whose numbers make no sense."""
    table = layout.PROLOGUE.unpack_from(whole)[3]
    found = []
    for at, code, value in (
        (8, "<I", 2),
        (12, "<I", 2**32 - 1),
        (16, "<Q", 2**63),
        (16, "<Q", 0),
        (24, "<Q", 2**62),
        (table, "<I", 2**32 - 1),
        (table + 4, "<I", 2**32 - 1),
        (table + 8, "<I", 2**32 - 1),
        (table + 12, "<Q", 2**63),
        (table + 20, "<I", 2**31),
        *((table + 12 + 16 + 4 * field, "<I", value) for field in range(5) for value in (2**31 - 1, 2**32 - 1)),
    ):
        data = bytearray(whole)
        struct.pack_into(code, data, at, value)
        try:
            found.append(reseal(data))
        except struct.error:
            found.append(bytes(data))
    return found


def complaint(path: Path, data: bytes) -> str:
    """What is said of a shard with these bytes."""
    path.write_bytes(data)
    try:
        Shard(path).verify()
    except EdgemindError as problem:
        return problem.message
    return ""


def test_numbers_that_make_no_sense_are_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.shard"
    write(path, header(4), 5)
    said = [message for data in hostile(path.read_bytes()) if (message := complaint(path, data))]
    assert len(said) >= 17  # a level may be any number
    assert all("a.shard is damaged" in message for message in said)


@pytest.mark.parametrize(
    "change",
    [{"k": 10**9}, {"k": -1}, {"vocabulary_size": 2**40}, {"vocabulary_size": 3}, {"temperature": "hot"}, {"other": 1}],
)
def test_headers_that_make_no_sense_are_a_sentence(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "a.shard"
    write(path, header(4), 5)
    whole = path.read_bytes()
    old = header_text(path)
    new = json.dumps({**json.loads(old), **change}).encode()
    data = bytearray(whole[: layout.HEADER_AT] + new.ljust(len(old)) + whole[layout.HEADER_AT + len(old) :])
    path.write_bytes(reseal(data))
    with pytest.raises(Damaged, match=r"a\.shard"):
        Shard(path).verify()


def test_a_set_is_all_shards_in_order(tmp_path: Path) -> None:
    made = write(tmp_path / "e-0.shard", header(), 7, seed=1) + write(tmp_path / "e-1.shard", header(), 9, seed=2)
    found = ExampleSet(tmp_path)
    assert len(found) == 16
    assert found.lengths.tolist() == [len(one.ids) for one, _ in made]
    assert found.families == tuple(one.family for one, _ in made)
    assert found.by_level[2].tolist() == [index for index, (one, _) in enumerate(made) if one.level == 2]
    assert found.by_family["family1"].tolist() == [i for i, (one, _) in enumerate(made) if one.family == "family1"]
    chosen = [12, 3, 8]
    together = found.tops(chosen)
    assert np.array_equal(together.ids, np.concatenate([made[index][1].ids for index in chosen]))
    assert np.array_equal(together.logp, np.concatenate([found.top(index).logp for index in chosen]))
    assert np.array_equal(found.example(8).ids, made[8][0].ids)
    with pytest.raises(IndexError):
        found.example(16)


def test_a_damaged_shard_of_a_set_is_mended_alone(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(3):
        write(folder / f"e-{number}.shard", header(), 5, seed=number)
    shutil.copytree(folder, tmp_path / "good")
    bad = folder / "e-1.shard"
    data = bytearray(bad.read_bytes())
    data[600] ^= 1
    bad.write_bytes(data)
    with pytest.raises(Damaged, match=r"e-1\.shard"):
        ExampleSet(folder).tops(range(15))
    asked: list[Path] = []

    def rebuild(path: Path) -> None:
        asked.append(path)
        shutil.copy(tmp_path / "good" / path.name, path)

    found = ExampleSet(folder, rebuild)
    assert np.array_equal(found.tops(range(15)).ids, ExampleSet(tmp_path / "good").tops(range(15)).ids)
    assert asked == [bad]


def test_shards_that_do_not_belong_together(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no shards"):
        ExampleSet(tmp_path)
    write(tmp_path / "a.shard", header(8))
    write(tmp_path / "b.shard", header(4))
    with pytest.raises(UsageError, match=r"b\.shard does not belong to the others: its k is 4"):
        ExampleSet(tmp_path)
