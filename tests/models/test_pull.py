"""From a reference to a model in the store, against a hub on loopback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hub_fixtures import QUICK, Watching, sha256
from localhub import Fault, Faults, Hub
from splitting import split
from tiny import tiny_model

from edgemind.errors import (
    Damaged,
    ModelNotFound,
    ModelUnusable,
    NetworkProblem,
    NoRoom,
    OutOfMemory,
    StoreProblem,
    UsageError,
)
from edgemind.models import pull as pull_module
from edgemind.models.download import HubClient
from edgemind.models.header import Header
from edgemind.models.pull import carry_out, peek
from edgemind.models.pull_plan import Plan, make_plan
from edgemind.models.store.manifest import Manifest
from edgemind.models.store.store import Store


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model") / "Tiny-F32.gguf")


class Pull:
    def __init__(self, hub: Hub, client: HubClient, store: Store, watching: Watching) -> None:
        self.hub, self.client, self.store, self.watching = hub, client, store, watching

    def plan(self, wanted: str, **how: object) -> Plan:
        return make_plan(self.client, wanted, self.store, patience=QUICK, **how)  # type: ignore[arg-type]

    def __call__(self, wanted: str, *, look: object = None, **how: object) -> Manifest:
        plan = self.plan(wanted, **how)
        return carry_out(
            plan,
            self.client,
            self.store,
            self.watching,
            look=look,
            patience=QUICK,  # type: ignore[arg-type]
        )

    def config(self, home: Path, text: str) -> None:
        (home / "config").mkdir(parents=True, exist_ok=True)
        (home / "config" / "models.toml").write_text(text)


@pytest.fixture
def pull(hub: Hub, client: HubClient, store: Store, watching: Watching) -> Pull:
    return Pull(hub, client, store, watching)


def test_a_repository_becomes_a_model(pull: Pull, model: Path) -> None:
    repo = pull.hub.add("owner/Tiny-GGUF", {"Tiny-F32.gguf": model}, licence="mit")
    manifest = pull("owner/Tiny-GGUF")
    assert manifest == pull.store.get("tiny-f32")
    assert (manifest.source.revision, manifest.licence, manifest.kind) == (repo.sha, "mit", "gguf")
    assert manifest.facts.architecture == "qwen3"
    [path] = pull.store.files(manifest)
    assert path.read_bytes() == model.read_bytes()
    assert list((pull.store.root / "partial").iterdir()) == []
    assert list((pull.store.root / "pending").iterdir()) == []


def test_what_is_here_is_not_fetched_again(pull: Pull, model: Path) -> None:
    pull.hub.add("owner/Tiny-GGUF", {"Tiny-F32.gguf": model})
    pull("owner/Tiny-GGUF")
    served = pull.hub.log.served("Tiny-F32.gguf")
    assert pull.plan("owner/Tiny-GGUF").to_fetch == 0
    pull("owner/Tiny-GGUF")
    pull("owner/Tiny-GGUF", name="second-name")
    assert pull.hub.log.served("Tiny-F32.gguf") == served
    assert pull.store.names() == ["second-name", "tiny-f32"]


def test_a_new_commit_replaces_the_model_and_frees_the_old_bytes(pull: Pull, model: Path, tmp_path: Path) -> None:
    repo = pull.hub.add("owner/Tiny-GGUF", {"Tiny-F32.gguf": model})
    old = pull("owner/Tiny-GGUF")
    repo.commit({"Tiny-F32.gguf": tiny_model(tmp_path / "other.gguf", seed=5)})
    new = pull("tiny-f32")
    assert new.source.revision != old.source.revision
    assert not pull.store.blob(old.files[0].sha256).exists()
    pinned = pull(f"owner/Tiny-GGUF@{old.source.revision}", name="old")
    assert pinned.files == old.files


def test_a_damaged_model_is_mended_by_pulling_it(pull: Pull, model: Path) -> None:
    pull.hub.add("owner/Tiny-GGUF", {"Tiny-F32.gguf": model})
    manifest = pull("owner/Tiny-GGUF")
    blob = pull.store.blob(manifest.files[0].sha256)
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    with pytest.raises(Damaged):
        pull.store.files(manifest)
    pull("tiny-f32")
    assert sha256(pull.store.files(manifest)[0].read_bytes()) == manifest.files[0].sha256


def test_the_parts_of_a_split_model_are_one_model(pull: Pull, model: Path, tmp_path: Path) -> None:
    parts = split(model, tmp_path, 3)
    pull.hub.add("owner/Tiny-GGUF", {f"F32/{part.name}": part for part in parts})
    manifest = pull("owner/Tiny-GGUF")
    assert [Path(file.path).name for file in manifest.files] == [part.name for part in parts]
    assert manifest.facts.parameters > 0
    assert len(pull.store.files(manifest)) == 3


def test_a_checkpoint_can_be_pulled_but_no_pickle(pull: Pull) -> None:
    pull.hub.add(
        "owner/base",
        {"model.safetensors": b"\x02" + bytes(7) + b"{}", "config.json": b"{}", "pytorch_model.bin": b"\x80\x04evil"},
    )
    manifest = pull("owner/base", safetensors=True)
    assert (manifest.name, manifest.kind) == ("base-safetensors", "safetensors")
    assert sorted(file.path for file in manifest.files) == ["config.json", "model.safetensors"]
    assert pull.hub.log.of("*", "pytorch_model.bin") == []


def test_catalog_names_pull_the_file_that_the_catalog_names(pull: Pull, model: Path, home: Path) -> None:
    pull.config(
        home,
        '[[model]]\nname = "my-tiny"\ndescription = "d"\nrepository = "owner/Tiny-GGUF"\nparameters = 1000\n'
        'context = 4096\nlicence = "MIT"\nfiles = { Q8_0 = "sub/odd.gguf", F32 = "Tiny-F32.gguf" }\n'
        'default_quantization = "Q8_0"\n',
    )
    repo = pull.hub.add("owner/Tiny-GGUF", {"sub/odd.gguf": model, "Tiny-F32.gguf": model}, licence="apache-2.0")
    assert any("licence" in note for note in pull.plan("my-tiny").notes)
    manifest = pull("my-tiny")
    assert (manifest.name, manifest.files[0].path, manifest.licence) == ("my-tiny", "sub/odd.gguf", "MIT")
    assert pull("my-tiny:f32").name == "my-tiny-f32"
    assert pull("my-tin", name="by-prefix").files[0].path == "sub/odd.gguf"
    repo.commit({"sub/odd.gguf": None})
    assert not any("changed since the catalog" in note for note in pull.plan("my-tiny:F32").notes)
    with pytest.raises(ModelNotFound, match="has no Q8_0"):
        pull.plan("my-tiny:Q8_0", name="y")


@pytest.mark.parametrize(
    ("wanted", "error", "says"),
    [
        ("qwen3-0.7b", ModelNotFound, "qwen3-0.6b"),
        ("nothing-like-it-at-all", ModelNotFound, "no model"),
        ("edgemind-nano", UsageError, "comes with EdgeMind"),
        ("owner/missing", ModelNotFound, "no repository"),
        ("owner/Tiny-GGUF:Q2_K", ModelNotFound, "has no Q2_K; it has F32"),
        ("owner/Tiny-GGUF:other.gguf", ModelNotFound, "other.gguf"),
        ("owner/Tiny-GGUF@v7", ModelNotFound, "no revision"),
    ],
)
def test_what_cannot_be_pulled_says_why(pull: Pull, model: Path, wanted: str, error: type, says: str) -> None:
    pull.hub.add("owner/Tiny-GGUF", {"Tiny-F32.gguf": model})
    with pytest.raises(error) as caught:
        pull.plan(wanted)
    assert says in caught.value.message
    assert caught.value.hint


def test_a_name_that_is_taken_by_another_model_is_not_replaced(pull: Pull, model: Path, tmp_path: Path) -> None:
    pull.hub.add("owner/Tiny-GGUF", {"Tiny-F32.gguf": model})
    pull.hub.add("other/Tiny-GGUF", {"Tiny-F32.gguf": tiny_model(tmp_path / "o.gguf", seed=9)})
    pull("owner/Tiny-GGUF")
    with pytest.raises(StoreProblem, match="from owner/Tiny-GGUF") as caught:
        pull.plan("other/Tiny-GGUF")
    assert "--name" in caught.value.hint


def test_a_file_that_is_no_gguf_is_refused_after_its_first_bytes(pull: Pull) -> None:
    pull.hub.add("owner/bad-GGUF", {"bad-Q8_0.gguf": b"GGUF" + b"\x03\0\0\0" + b"\xff" * 40_000_000})
    with pytest.raises(ModelUnusable, match=r"bad-Q8_0\.gguf"):
        pull("owner/bad-GGUF")
    assert pull.hub.log.served("bad-Q8_0.gguf") < 20_000_000
    assert pull.store.names() == []
    assert list((pull.store.root / "partial").glob("*.part")) == []


def test_a_model_that_does_not_fit_is_refused_when_its_header_is_there(pull: Pull, tmp_path: Path) -> None:
    large = tiny_model(tmp_path / "large-F32.gguf", layers=2, embd=256, vocab=30_000)
    pull.hub.add("owner/large-GGUF", {"large-F32.gguf": large})
    pull.hub.faults = Faults(rate=30e6)

    def look(header: Header) -> None:
        raise OutOfMemory("too large")

    with pytest.raises(OutOfMemory):
        pull("owner/large-GGUF", look=look)
    kept = sum(part.stat().st_size for part in (pull.store.root / "partial").glob("*.part"))
    assert 0 < kept < large.stat().st_size / 2
    pull.hub.faults = Faults()
    assert pull("owner/large-GGUF").facts.architecture == "qwen3"


def test_a_disk_without_room_is_refused_before_the_first_byte(
    pull: Pull, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull.hub.add("owner/Tiny-GGUF", {"Tiny-F32.gguf": model})
    monkeypatch.setattr(pull_module, "free_disk", lambda folder: 1000)
    with pytest.raises(NoRoom, match=r"1\.0 kB is free"):
        pull("owner/Tiny-GGUF")
    assert pull.hub.log.of("file") == []


def test_a_dry_look_reads_the_header_and_keeps_nothing(pull: Pull, tmp_path: Path) -> None:
    large = tiny_model(tmp_path / "large-F32.gguf", layers=2, embd=512, vocab=40_000)
    pull.hub.add("owner/large-GGUF", {"large-F32.gguf": large})
    plan = pull.plan("owner/large-GGUF")
    header = peek(pull.client, plan)
    assert header is not None
    assert header.architecture == "qwen3"
    assert header.size_bytes == large.stat().st_size
    assert list((pull.store.root / "partial").iterdir()) == []
    assert pull.store.names() == []


def test_a_hub_that_stays_busy_ends_with_a_sentence(pull: Pull) -> None:
    pull.hub.add("owner/Tiny-GGUF", {"x.gguf": b"x"})
    pull.hub.faults = Faults(at="info", status=503)
    with pytest.raises(NetworkProblem) as caught:
        pull.plan("owner/Tiny-GGUF")
    assert "edgemind list" in caught.value.hint
    assert len(pull.hub.log.of("info")) == QUICK.tries


def test_a_commit_between_list_and_file_changes_nothing(pull: Pull, model: Path, tmp_path: Path) -> None:
    repo = pull.hub.add("owner/Tiny-GGUF", {"Tiny-F32.gguf": model})
    other = tiny_model(tmp_path / "other.gguf", seed=5)
    pull.hub.faults = Faults(Fault(at="info", times=1, then=lambda: repo.commit({"Tiny-F32.gguf": other})))
    manifest = pull("owner/Tiny-GGUF")
    assert pull.store.files(manifest)[0].read_bytes() == model.read_bytes()
    assert manifest.source.revision != repo.sha


def test_another_process_that_fetches_the_same_is_waited_for(pull: Pull, model: Path, tmp_path: Path) -> None:
    pull.hub.add("owner/Tiny-GGUF", {"Tiny-F32.gguf": model})
    plan = pull.plan("owner/Tiny-GGUF")
    pid = os.fork()
    if pid == 0:
        import time

        with pull.store.partial_lock(plan.choice.files[0].key):
            (tmp_path / "held").touch()
            time.sleep(1.5)
        os._exit(0)
    while not (tmp_path / "held").exists():
        pass
    carry_out(plan, pull.client, pull.store, pull.watching, patience=QUICK)
    os.waitpid(pid, 0)
    assert pull.watching.said("waiting")
    assert pull.store.names() == ["tiny-f32"]


CHECKPOINT = {"model.safetensors": b"\x02" + bytes(7) + b"{}", "config.json": b"{}"}


def test_a_checkpoint_and_a_gguf_model_of_one_repository_never_replace_each_other(pull: Pull, model: Path) -> None:
    pull.hub.add("owner/both-GGUF", {"both-F32.gguf": model, **CHECKPOINT})
    assert pull("owner/both-GGUF").name == "both-f32"
    assert pull("both-f32", safetensors=True).name == "both-safetensors"
    assert pull("both-safetensors").kind == "safetensors"
    assert {one.name: one.kind for one in pull.store.manifests()} == {
        "both-f32": "gguf",
        "both-safetensors": "safetensors",
    }
    with pytest.raises(StoreProblem, match="already"):
        pull.plan("owner/both-GGUF", safetensors=True, name="both-f32")


def test_two_models_of_one_repository_never_replace_each_other(pull: Pull, model: Path, tmp_path: Path) -> None:
    files = {"one-F32.gguf": model, "two-F32.gguf": tiny_model(tmp_path / "two.gguf", seed=8)}
    pull.hub.add("owner/several", files)
    assert pull("owner/several:one-F32.gguf").name == "one-f32"
    assert pull("owner/several:two-F32.gguf").name == "two-f32"
    with pytest.raises(StoreProblem, match=r"of one-F32\.gguf in owner/several") as caught:
        pull.plan("owner/several:two-F32.gguf", name="one-f32")
    assert caught.value.hint == "edgemind pull owner/several:two-F32.gguf --name OTHER-NAME"


def test_a_name_that_means_something_else_already_is_not_taken(pull: Pull, model: Path, home: Path) -> None:
    pull.hub.add("someone/edgemind-nano", {"model.gguf": model})
    pull.hub.add("someone/qwen3-0.6b", {"model.gguf": model})
    assert pull("someone/edgemind-nano").name == "someone-edgemind-nano"
    assert pull("someone/qwen3-0.6b").name == "someone-qwen3-0.6b"
    with pytest.raises(UsageError, match="comes with EdgeMind"):
        pull.plan("someone/qwen3-0.6b", name="edgemind-nano")
    (home / "config").mkdir(parents=True, exist_ok=True)
    (home / "config" / "config.toml").write_text('aliases = {short = "someone-qwen3-0.6b"}\n')
    with pytest.raises(UsageError, match="short is an alias"):
        pull.plan("someone/qwen3-0.6b", name="short")


def test_a_catalog_model_stays_at_its_pinned_revision(pull: Pull, model: Path, home: Path, tmp_path: Path) -> None:
    repo = pull.hub.add("owner/Tiny-GGUF", {"Tiny-F32.gguf": model})
    pinned = repo.sha
    pull.config(
        home,
        f'[[model]]\nname = "my-tiny"\ndescription = "d"\nrepository = "owner/Tiny-GGUF"\nparameters = 1000\n'
        f'context = 4096\nlicence = "MIT"\nrevision = "{pinned}"\nfiles = {{ F32 = "Tiny-F32.gguf" }}\n'
        f'default_quantization = "F32"\n',
    )
    pull("my-tiny")
    repo.commit({"Tiny-F32.gguf": tiny_model(tmp_path / "other.gguf", seed=5)})
    assert pull("my-tiny").source.revision == pinned
    assert pull("my-tiny@main").source.revision == repo.sha


def test_a_header_that_was_spoiled_on_the_way_is_fetched_again(pull: Pull, model: Path) -> None:
    pull.hub.add("owner/Tiny-GGUF", {"Tiny-F32.gguf": model})
    pull.hub.faults = Faults(flip=1, times=1)
    assert pull("owner/Tiny-GGUF").facts.architecture == "qwen3"
    assert len(pull.watching.said("restarted")) == 1


def test_a_dry_look_without_a_place_for_it_is_a_sentence(
    pull: Pull, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import tempfile

    pull.hub.add("owner/Tiny-GGUF", {"Tiny-F32.gguf": model})
    plan = pull.plan("owner/Tiny-GGUF")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(StoreProblem, match="header"):
        peek(pull.client, plan)


def test_a_busy_hub_is_not_called_a_missing_network(pull: Pull) -> None:
    pull.hub.faults = Faults(at="info", status=429, headers={"Retry-After": "45"})
    with pytest.raises(NetworkProblem) as caught:
        pull.plan("owner/Tiny-GGUF")
    assert caught.value.hint.startswith("Try again in 45 s")
