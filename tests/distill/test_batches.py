"""Batches: every example once an epoch, tokens as asked, and packed examples that do not see each other."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_parts import start

from edgemind.distill.students import open_model
from edgemind.distill.targets.layout import ShardHeader
from edgemind.distill.targets.shards import Example
from edgemind.distill.targets.top import TopK
from edgemind.distill.training.batches import Piece, Planner, collate, grouped, packed
from edgemind.distill.training.feeding import Feeder, Portioning
from edgemind.distill.training.network import Network
from edgemind.errors import Damaged, UsageError


class Memory:
    """Examples that are only in memory; targets whose numbers say which token they are for."""

    def __init__(self, lengths: Sequence[int], levels: Sequence[int], k: int = 2) -> None:
        rng = np.random.default_rng(3)
        self.lengths, self.levels = np.array(lengths, np.int32), np.array(levels, np.int32)
        self.starts = self.lengths // 3
        self.families = tuple("even" if number % 2 == 0 else "odd" for number in range(len(lengths)))
        self.header = ShardHeader(k=k, vocabulary="x", vocabulary_size=2048)
        self._ids = [rng.integers(1, 2000, length).astype(np.int32) for length in lengths]
        self.broken: int | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def example(self, index: int) -> Example:
        if index == self.broken:
            raise Damaged("The shard 7 is damaged.")
        return Example(
            str(index), self.families[index], int(self.levels[index]), self._ids[index], int(self.starts[index])
        )

    def tops(self, indices: Sequence[int]) -> TopK:
        ids = np.concatenate([self._ids[index][self.starts[index] :] for index in indices])
        return TopK(np.stack((ids, ids + 1), 1), np.zeros((len(ids), 2), np.float32), np.zeros(len(ids), np.float32))


def memory(count: int = 100, seed: int = 1) -> Memory:
    rng = random.Random(seed)
    return Memory([rng.randint(4, 60) for _ in range(count)], [rng.randint(1, 3) for _ in range(count)])


def test_every_example_of_a_pool_comes_once_before_any_comes_again() -> None:
    data = memory()
    planner = Planner(data, 1, batch_tokens=150, accumulate=2)
    seen: Counter[int] = Counter()
    for _ in range(12):
        plan = planner.plan(dict.fromkeys(planner.mix, 1.0), 4)
        assert len(plan) == 4
        assert all(len(step) == 2 for step in plan)
        for index in (index for step in plan for portion in step for index in portion):
            seen[index] += 1
    for members in planner.pools.values():
        counts = [seen[index] for index in members]
        assert max(counts) - min(counts) <= 1
    assert set(seen) == set(range(len(data)))


def test_shares_decide_which_pools_come() -> None:
    data = memory(200)
    planner = Planner(data, 1, batch_tokens=400)
    plan = planner.plan({("even", 1): 0.75, ("odd", 1): 0.25}, 20)
    chosen = [index for step in plan for portion in step for index in portion]
    assert {int(data.levels[index]) for index in chosen} == {1}
    even = sum(data.families[index] == "even" for index in chosen) / len(chosen)
    assert 0.65 < even < 0.85


def test_shards_add_up_to_the_tokens_asked_for() -> None:
    data = memory()
    planner = Planner(data, 1, batch_tokens=333)
    read = 0
    for shard in range(1, 8):
        for step in planner.plan(planner.mix, 5):
            read += int(data.lengths[[index for portion in step for index in portion]].sum())
        assert 0 <= read - shard * 5 * 333 < 60


def test_a_plan_depends_on_the_seed_the_counters_and_the_shares_alone() -> None:
    data = memory()
    one, other = Planner(data, 1, 200), Planner(data, 1, 200)
    one.plan(one.mix, 3)
    other.restore(one.state())
    assert one.plan(one.mix, 3) == other.plan(other.mix, 3)
    assert Planner(data, 1, 200).plan(one.mix, 3) != Planner(data, 2, 200).plan(one.mix, 3)


def test_portions_are_of_like_length_and_none_is_empty() -> None:
    rng = random.Random(4)
    lengths = {index: rng.randint(20, 200) for index in range(200)}
    groups = grouped(list(lengths), lengths, 16)
    assert sorted(index for group in groups for index in group) == list(lengths)
    assert all(groups)
    padded = sum(len(group) * max(lengths[index] for index in group) for group in groups)
    assert padded < 1.1 * sum(lengths.values())
    assert all(grouped([0, 1, 2], {0: 500, 1: 1, 2: 1}, 3))


def test_what_is_too_long_is_left_out() -> None:
    data = Memory([10, 500, 20], [1, 1, 1])
    planner = Planner(data, 1, 64, context=100)
    assert planner.left_out == 1
    assert {index for step in planner.plan(planner.mix, 4) for portion in step for index in portion} == {0, 2}
    with pytest.raises(UsageError, match="nothing to train on"):
        Planner(data, 1, 64, context=5)


@pytest.mark.parametrize("row_tokens", [None, 64])
def test_labels_and_targets_stand_at_the_tokens_before_them(row_tokens: int | None) -> None:
    data = memory(20)
    batch = Portioning(pad=0, row_tokens=row_tokens).make(data, [3, 8, 1, 15, 9])
    assert batch.read == sum(int(data.lengths[index]) for index in (3, 8, 1, 15, 9))
    assert batch.ids is not None
    assert batch.learned == len(batch.ids) == len(batch.where)
    assert torch.equal(batch.ids[:, 0].long(), batch.labels)
    flat = batch.tokens.flatten()
    row = 0
    for index in (3, 8, 1, 15, 9):
        example = data.example(index)
        learned = example.learned
        assert batch.labels[row : row + learned].tolist() == example.ids[example.start :].tolist()
        assert flat[batch.where[row : row + learned]].tolist() == example.ids[example.start - 1 : -1].tolist()
        row += learned


def test_an_example_learned_from_its_first_token_on() -> None:
    """Nothing comes before that one, so it is not learned, and its target goes with it."""
    top = TopK(np.arange(8, dtype=np.int32).reshape(4, 2), np.zeros((4, 2), np.float32), np.zeros(4, np.float32))
    batch = collate([Piece(np.array([5, 6, 7, 8], np.int32), 0)], top, 0)
    assert batch.labels.tolist() == [6, 7, 8]
    assert batch.ids is not None
    assert batch.ids[:, 0].tolist() == [2, 4, 6]


def test_packing_fills_rows() -> None:
    sizes = [60, 10, 30, 30, 20, 50, 40]
    places = packed(sizes, 60)
    filled: dict[int, list[tuple[int, int]]] = {}
    for (row, at), size in zip(places, sizes, strict=True):
        filled.setdefault(row, []).append((at, at + size))
    assert len(filled) == 4
    for spans in filled.values():
        ends = [0, *sorted(end for _, end in spans)]
        assert sorted(begin for begin, _ in spans) == ends[:-1]
        assert ends[-1] <= 60


def test_a_packed_example_has_the_states_that_it_has_alone(tmp_path: Path) -> None:
    """No attention across examples, and positions that begin anew with each."""
    data = memory(12)
    network = Network(open_model(start(tmp_path / "start"))).eval()
    together = Portioning(pad=0, row_tokens=100).make(data, list(range(12)))
    assert len(together.tokens) < 6
    with torch.no_grad():
        states = network(together.tokens, together.mask(), together.positions, together.where)
        row = 0
        for index in range(12):
            alone = Portioning(pad=0).make(data, [index])
            expected = network(alone.tokens, alone.mask(), alone.positions, alone.where)
            torch.testing.assert_close(states[row : row + len(expected)], expected, rtol=1e-5, atol=1e-5)
            row += len(expected)
    assert row == len(states)


def test_padding_changes_nothing(tmp_path: Path) -> None:
    data = memory(12)
    network = Network(open_model(start(tmp_path / "start"))).eval()
    together = Portioning(pad=0).make(data, list(range(12)))
    with torch.no_grad():
        states = network(together.tokens, None, None, together.where)
        row = 0
        for index in range(12):
            alone = Portioning(pad=0).make(data, [index])
            expected = network(alone.tokens, None, None, alone.where)
            torch.testing.assert_close(states[row : row + len(expected)], expected, rtol=1e-5, atol=1e-5)
            row += len(expected)


def test_processes_share_every_portion() -> None:
    data = memory()
    plan = Planner(data, 1, 300).plan(Planner(data, 1, 300).mix, 3)
    one = [Feeder(data, Portioning(0)).make(step) for step in plan]
    two = [[Feeder(data, Portioning(0, None, rank, 2)).make(step) for step in plan] for rank in range(2)]
    for step in range(3):
        assert one[step].learned == two[0][step].learned == two[1][step].learned
        parts = [two[rank][step].portions[0] for rank in range(2)]
        assert sum(part.learned for part in parts) == one[step].portions[0].learned == one[step].learned
    lonely = Feeder(data, Portioning(0, None, 1, 2)).make([[4]])
    assert lonely.portions[0].learned == 0
    assert lonely.portions[0].tokens.numel() > 0


def test_batches_come_in_order_from_a_thread_that_ends(tmp_path: Path) -> None:
    data: Any = memory()
    planner = Planner(data, 1, 200)
    plan = planner.plan(planner.mix, 10)
    feeder = Feeder(data, Portioning(0))
    found = list(feeder.steps(plan))
    expected = [feeder.make(step) for step in plan]
    assert [step.read for step in found] == [step.read for step in expected]
    assert all(torch.equal(a.portions[0].tokens, b.portions[0].tokens) for a, b in zip(found, expected, strict=True))
    steps = feeder.steps(plan)
    next(steps)
    steps.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "batches"]
    data.broken = plan[2][0][0]
    with pytest.raises(Damaged, match="shard 7"):
        list(feeder.steps(plan))
