"""One file over bad connections: it arrives whole and proven or not at all, and nothing comes twice for nothing."""

from __future__ import annotations

import errno
import json
import os
import random
from pathlib import Path

import pytest
from hub_fixtures import QUICK, Watching, sha256
from localhub import Fault, Faults, Hub

from edgemind.errors import Damaged, NetworkProblem, StoreProblem
from edgemind.models import transfer
from edgemind.models.download import HubClient
from edgemind.models.remote import Body, RemoteFile, RemoteRepository
from edgemind.models.store.store import Store
from edgemind.models.transfer import Patience, fetch, state_file

DATA = random.Random(1).randbytes(3_000_000)
NAME = "model.gguf"


class Pulling:
    """One file of one repository, and where it goes."""

    def __init__(self, hub: Hub, client: HubClient, store: Store, watching: Watching) -> None:
        self.repo = hub.add("owner/repo", {NAME: DATA, "README.md": b"plain"})
        self.hub = hub
        self.client = client
        self.watching = watching
        self.repository: RemoteRepository = client.repository("owner/repo")
        self.file: RemoteFile = next(file for file in self.repository.files if file.path == NAME)
        self.part: Path = store.partial(self.file.key)
        self.waits: list[float] = []

    def __call__(self, patience: Patience = QUICK, file: RemoteFile | None = None) -> str:
        def opener(one: RemoteFile, start: int, validator: str | None) -> Body:
            return self.client.open(self.repository, one, start, validator)

        return fetch(file or self.file, self.part, opener, self.watching, patience, self.waits.append)

    @property
    def served(self) -> int:
        return sum(answer.sent_bytes for answer in self.hub.log.of("file", NAME) if answer.status in (200, 206))


@pytest.fixture
def pulling(hub: Hub, client: HubClient, store: Store, watching: Watching) -> Pulling:
    return Pulling(hub, client, store, watching)


def test_a_file_arrives_with_its_hash(pulling: Pulling) -> None:
    assert pulling() == sha256(DATA)
    assert pulling.part.read_bytes() == DATA
    assert pulling.part.stat().st_mode & 0o777 == 0o600
    assert pulling.watching.most == len(DATA)


def test_a_small_file_is_proven_by_gits_hash(pulling: Pulling) -> None:
    readme = next(file for file in pulling.repository.files if file.path == "README.md")
    assert readme.sha256 is None
    assert pulling(file=readme) == sha256(b"plain")
    pulling.part.unlink()
    wrong = RemoteFile(readme.path, readme.size, None, "0" * 40)
    with pytest.raises(Damaged):
        pulling(file=wrong)


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_that_breaks_again_and_again_goes_on_where_it_was(pulling: Pulling, reset: bool) -> None:
    pulling.hub.faults = Faults(cut=400_000, reset=reset)
    assert pulling(Patience(tries=20)) == sha256(DATA)
    assert pulling.served < len(DATA) * 1.05 or reset
    ranges = [request.range for request in pulling.hub.log.of("file", NAME) if request.range]
    assert len(ranges) >= 7
    assert all(
        "if-range" in {name.lower() for name in request.headers} for request in pulling.hub.log.of("file", NAME)[1:]
    )


def test_waiting_grows_and_ends_and_what_is_there_is_kept(pulling: Pulling) -> None:
    pulling.hub.faults = Faults(Fault(cut=1_500_000, times=1), Fault(status=503))
    with pytest.raises(NetworkProblem, match=r"1.5 MB of 3.0 MB are kept") as caught:
        pulling(Patience(tries=5, first_wait=1.0, longest_wait=4.0))
    assert "same command again" in caught.value.hint
    assert pulling.waits == [1.0, 2.0, 4.0, 4.0]
    pulling.hub.faults = Faults()
    before = pulling.served
    assert pulling() == sha256(DATA)
    assert pulling.served - before == len(DATA) - 1_500_000
    assert pulling.watching.said("rehashing") == ["rehashing: 1500000"]


def test_a_hub_that_asks_to_wait_is_waited_for(pulling: Pulling) -> None:
    pulling.hub.faults = Faults(status=429, headers={"Retry-After": "7"}, times=2)
    assert pulling(Patience()) == sha256(DATA)
    assert pulling.waits == [7.0, 7.0]
    pulling.part.unlink()
    pulling.hub.faults = Faults(status=429, headers={"Retry-After": "4000"})
    with pytest.raises(NetworkProblem) as caught:
        pulling(Patience())
    assert "4000 s" in caught.value.hint


def test_a_flipped_byte_is_seen_and_the_file_fetched_again(pulling: Pulling) -> None:
    pulling.hub.faults = Faults(flip=1_234_567, times=1)
    assert pulling() == sha256(DATA)
    assert len(pulling.watching.said("restarted")) == 1


def test_a_file_that_is_wrong_twice_is_thrown_away(pulling: Pulling) -> None:
    pulling.hub.faults = Faults(flip=5)
    with pytest.raises(Damaged, match="came twice"):
        pulling()
    assert pulling.part.stat().st_size == 0
    pulling.hub.faults = Faults()
    assert pulling() == sha256(DATA)


def test_a_server_without_ranges_is_not_made_to_send_what_was_kept_twice_into_the_file(pulling: Pulling) -> None:
    pulling.hub.faults = Faults(Fault(cut=1_000_000, times=1), Fault(no_ranges=True))
    assert pulling() == sha256(DATA)
    assert pulling.part.read_bytes() == DATA


def test_a_tag_that_changes_with_every_answer_does_not_begin_anew(pulling: Pulling) -> None:
    pulling.hub.faults = Faults(changing_etag=True, cut=1_100_000)
    assert pulling(Patience(tries=12)) == sha256(DATA)
    assert pulling.served < 2 * len(DATA)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(content_range="bytes 0-5/3000000", times=1, after=1),
        Fault(content_range="nonsense", times=1, after=1),
        Fault(shift=1, times=1, after=1),
        Fault(status=416, times=1, after=1),
        Fault(length=-1000, times=1),
        Fault(length=1000, times=1),
        Fault(extra=1000, times=1),
        Fault(status=500, times=2),
        Fault(url_uses=0, times=1, at="resolve"),
        Fault(endless=True, times=1),
    ],
    ids=lambda fault: next(f"{k}={v}" for k, v in vars(fault).items() if v != getattr(Fault(), k) and k != "times"),
)
def test_an_answer_that_is_wrong_once_costs_a_try(pulling: Pulling, fault: Fault) -> None:
    pulling.hub.faults = Faults(Fault(cut=700_000, times=1), fault) if fault.after else Faults(fault)
    fault.after = 0
    assert pulling(Patience(tries=6, first_wait=0, longest_wait=0)) == sha256(DATA)
    assert pulling.part.read_bytes() == DATA


@pytest.mark.parametrize("fault", [Fault(length=-1000), Fault(extra=5), Fault(stall=0), Fault(status=404)])
def test_an_answer_that_stays_wrong_ends_with_a_sentence(pulling: Pulling, fault: Fault) -> None:
    if fault.stall is not None:
        pulling.client._client.timeout = 0.2
    pulling.hub.faults = Faults(fault)
    with pytest.raises((NetworkProblem, Damaged)):
        pulling(Patience(tries=3, first_wait=0, longest_wait=0))


def test_bytes_beyond_the_end_of_the_file_are_dropped(pulling: Pulling) -> None:
    pulling.hub.faults = Faults(endless=True)
    assert pulling() == sha256(DATA)
    assert pulling.part.read_bytes() == DATA


def test_compressed_bytes_are_refused(pulling: Pulling) -> None:
    pulling.hub.faults = Faults(gzip=True)
    with pytest.raises(NetworkProblem, match="compressed"):
        pulling()


def _interrupted(pulling: Pulling, after: int) -> None:
    pulling.hub.faults = Faults(Fault(cut=after, times=1), Fault(status=503))
    with pytest.raises(NetworkProblem):
        pulling(Patience(tries=2, first_wait=0, longest_wait=0))
    pulling.hub.faults = Faults()


def test_after_a_crash_of_the_machine_only_synced_bytes_are_believed(pulling: Pulling) -> None:
    _interrupted(pulling, 2_000_000)
    state = json.loads(state_file(pulling.part).read_text())
    assert state["synced"] == 2_000_000
    state_file(pulling.part).write_text(json.dumps({**state, "boot": "another", "synced": 500_000}))
    before = pulling.served
    assert pulling() == sha256(DATA)
    assert pulling.watching.said("rehashing") == ["rehashing: 500000"]
    assert pulling.served - before == len(DATA) - 500_000


@pytest.mark.parametrize(
    "state",
    [
        *("", "{}", "[]", "null", "not json", "[" * 5000, '{"size": 3000000}', '{"size": "3000000", "synced": 1e99}'),
        *(
            '{"size": 1, "validator": null, "synced": 2000000, "boot": ""}',
            '{"size": 3000000, "synced": -1, "boot": ""}',
        ),
        '{"size": 3000000, "validator": "\\u0000\\n", "synced": 5, "boot": "x"}',
        '{"size": 3000000, "validator": "\\u00e9", "synced": 2000000, "boot": "BOOT"}',
    ],
)
def test_a_state_that_makes_no_sense_costs_only_bytes(pulling: Pulling, state: str) -> None:
    _interrupted(pulling, 2_000_000)
    state_file(pulling.part).write_text(state.replace("BOOT", transfer._boot()))
    assert pulling() == sha256(DATA)


def test_a_part_that_is_longer_than_the_file_or_holds_other_bytes_is_not_trusted(pulling: Pulling) -> None:
    _interrupted(pulling, 2_000_000)
    with pulling.part.open("r+b") as stream:
        stream.seek(100)
        stream.write(b"other bytes")
    assert pulling() == sha256(DATA)
    assert len(pulling.watching.said("restarted")) == 1
    with pulling.part.open("ab") as stream:
        stream.write(b"more")
    assert pulling() == sha256(DATA)


def test_a_part_that_is_a_link_is_not_followed(pulling: Pulling, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"do not touch")
    pulling.part.symlink_to(target)
    with pytest.raises(Exception, match="symbolic link"):
        pulling()
    assert target.read_bytes() == b"do not touch"


def test_what_the_watcher_raises_ends_it_and_the_part_stays(pulling: Pulling) -> None:
    class Stopped(Exception):
        pass

    def stop(file: RemoteFile, done: int, part: Path) -> None:
        if done > 1_000_000:
            raise Stopped

    pulling.watching.advanced = stop  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        pulling()
    kept = pulling.part.stat().st_size
    assert 1_000_000 < kept < len(DATA)
    del pulling.watching.advanced
    before = pulling.served
    assert pulling() == sha256(DATA)
    assert pulling.served - before == len(DATA) - kept


def test_a_hub_that_gives_no_ranges_after_all_costs_nothing_that_is_here(pulling: Pulling) -> None:
    _interrupted(pulling, 2_000_000)
    for faults, kept in (
        (Faults(Fault(status=416, times=1), Fault(status=503)), 2_000_000),
        (Faults(Fault(status=416, times=1), Fault(cut=2_500_000, times=1), Fault(status=503)), 2_500_000),
    ):
        pulling.hub.faults = faults
        with pytest.raises(NetworkProblem, match=f"{kept / 1e6:.1f} MB of 3"):
            pulling(Patience(tries=3, first_wait=0, longest_wait=0))
        assert pulling.part.read_bytes() == DATA[:kept]
    pulling.hub.faults = Faults()
    assert pulling() == sha256(DATA)


def test_bytes_that_could_not_be_synced_are_never_taken_for_good(
    pulling: Pulling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system reports it once, forgets those bytes, and the next sync succeeds."""
    _interrupted(pulling, 1_000_000)
    real, calls = os.fsync, []

    def fails_once(fd: int) -> None:
        calls.append(fd)
        if len(calls) == 1:
            raise OSError(errno.EIO, "Input/output error")
        real(fd)

    monkeypatch.setattr(os, "fsync", fails_once)
    with pytest.raises(StoreProblem, match="error of its own"):
        pulling()
    assert pulling.part.stat().st_size == 1_000_000
    assert json.loads(state_file(pulling.part).read_text())["synced"] == 1_000_000
    assert pulling() == sha256(DATA)
    assert pulling.watching.said("rehashing")[-1] == "rehashing: 1000000"


@pytest.mark.parametrize("how", ["hard link", "pipe", "folder"])
def test_a_part_that_is_not_a_file_of_its_own_is_left_alone(pulling: Pulling, tmp_path: Path, how: str) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"do not touch")
    if how == "hard link":
        pulling.part.hardlink_to(precious)
    elif how == "pipe":
        os.mkfifo(pulling.part)
    else:
        pulling.part.mkdir()
    with pytest.raises(StoreProblem) as caught:
        pulling()
    assert caught.value.hint
    assert precious.read_bytes() == b"do not touch"


@pytest.mark.parametrize("replaced", [False, True])
def test_a_part_that_somebody_removes_or_replaces_is_not_fetched_to_the_end(pulling: Pulling, replaced: bool) -> None:
    def remove(file: RemoteFile, done: int, part: Path) -> None:
        if done > 1_000_000 and part.exists():
            part.unlink()
            if replaced:
                part.write_bytes(DATA)

    pulling.watching.advanced = remove  # type: ignore[method-assign]
    with pytest.raises(StoreProblem, match="removed or replaced"):
        pulling()


def test_a_connection_that_brings_next_to_nothing_is_given_up(
    pulling: Pulling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "LEAST_SECONDS", 0.1)
    pulling.hub.faults = Faults(rate=1000, times=1)
    assert pulling() == sha256(DATA)
    assert "bytes in" in pulling.watching.said("retrying")[0]


@pytest.mark.parametrize("size", [0, 1, transfer.READ, 2 * transfer.READ, 65_536])
def test_sizes_at_the_edges(pulling: Pulling, size: int) -> None:
    data = random.Random(size).randbytes(size)
    pulling.hub.add("owner/edge", {"edge.gguf": data})
    pulling.repository = pulling.client.repository("owner/edge")
    [file] = pulling.repository.files
    pulling.part = pulling.part.with_name("edge.part")
    assert pulling(file=file) == sha256(data)
    assert pulling(file=file) == sha256(data), "taken up again when everything is here"
    assert pulling.part.read_bytes() == data
