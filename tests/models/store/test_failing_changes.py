"""A disk that fails at any change of any operation: one clear error, other models as they were, and then it goes on."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from failing import Disk, failing
from making import add, blobs, manifest, put, tree

from edgemind.errors import EdgemindError, NoRoom, StoreProblem
from edgemind.models.store.collect import collect
from edgemind.models.store.manifest import Manifest
from edgemind.models.store.moving import export, import_folder, import_gguf
from edgemind.models.store.repair import repair
from edgemind.models.store.store import Store
from edgemind.models.store.verifying import verify
from tests.engine.tiny import tiny_model

MOST = 200
"""More changes than any operation makes."""

FULL = """
import sys
from pathlib import Path
from edgemind.errors import EdgemindError
from edgemind.models.store.store import Store
from edgemind.models.store.moving import export, import_gguf
from edgemind.models.store.verifying import verify
store = Store(Path(sys.argv[1]) / "models")
import_gguf(store, [sys.argv[2]], "small")
said = []
for attempt in (
    lambda: import_gguf(store, [sys.argv[3]], "large"),
    lambda: export(store, store.get("small"), sys.argv[1] + "/out"),
):
    try:
        attempt()
        said.append("went through")
    except EdgemindError as problem:
        said.append(type(problem).__name__)
verify(store, store.get("small"))
print(*said, store.names(), len(list((store.root / "partial").iterdir())))
"""
LIMITED = """
import resource, sys
from pathlib import Path
from edgemind.errors import NoRoom
from edgemind.models.store.store import Store
from edgemind.models.store.moving import import_gguf
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
store = Store(Path(sys.argv[1]))
try:
    import_gguf(store, [sys.argv[2]], "large")
except NoRoom as problem:
    print(problem.message, store.names(), len(list((store.root / "partial").iterdir())))
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture
def exported(store: Store, tiny: Path, tmp_path: Path) -> Path:
    other = Store(tmp_path / "elsewhere" / "models")
    return export(other, import_gguf(other, [tiny], "exported"), tmp_path / "stick")


OPERATIONS: dict[str, Callable[[Store, Path, Path], object]] = {
    "import": lambda store, tiny, _: import_gguf(store, [tiny], "new"),
    "import folder": lambda store, _, folder: import_folder(store, folder, "new"),
    "replace": lambda store, tiny, _: store.add(_replacement(store), replace=True),
    "remove": lambda store, tiny, _: store.remove("changing"),
    "collect": lambda store, tiny, _: collect(store, 0),
    "repair": lambda store, tiny, _: repair(store),
    "lease": lambda store, tiny, _: (store.lease("new", ["0" * 64]), store.release("new")),
    "verify": lambda store, tiny, _: _verify_touched(store),
    "export": lambda store, tiny, folder: export(store, store.manifests()[0], folder.parent),
}


FEWEST = {
    "import": 12,
    "import folder": 12,
    "replace": 12,
    "remove": 5,
    "collect": 5,
    "repair": 6,
    "lease": 5,
    "verify": 5,
    "export": 8,
}
"""Changes that each operation makes at the least."""


def _replacement(store: Store) -> Manifest:
    return manifest("changing", put(store, b"the new bytes"))


def _verify_touched(store: Store) -> None:
    made = store.get("changing")
    assert made is not None
    os.utime(store.blob(made.files[0].sha256), ns=(1, 1))
    verify(store, made)


def prepared(store: Store, tiny: Path) -> tuple[Manifest, bytes]:
    kept = add(store, "kept", b"the other model")
    add(store, "changing", b"the old bytes")
    store.partial("download").write_bytes(b"half of it")
    put(store, b"an orphan")
    put(store, tiny.read_bytes() + b"a model without a manifest")
    return kept, b"the other model"


@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_any_change_may_fail(
    store: Store, tiny: Path, exported: Path, operation: str, number: int, for_good: bool
) -> None:
    run = OPERATIONS[operation]
    kept, data = prepared(store, tiny)
    pristine = store.root.with_name("pristine")
    shutil.copytree(store.root, pristine)
    for fails_at in range(1, MOST):
        shutil.rmtree(store.root)
        shutil.copytree(pristine, store.root)
        shutil.rmtree(exported.parent / "changing", ignore_errors=True)
        with failing(Disk(fails_at, number, for_good=for_good)) as disk:
            said = _sentence(lambda: run(store, tiny, exported))
        if not disk.failed:
            assert said is None
            break
        _check(store, kept, data, said, number)
        if operation != "remove" or "changing" in store.names():
            run(store, tiny, exported)
        collect(store, 0)
        needed = {f"sha256-{file.sha256}" for one in store.manifests() for file in one.files}
        assert blobs(store) == needed
        assert [path.name for path in (store.root / "partial").iterdir()] == []
    else:
        pytest.fail("it never came through")
    assert fails_at > FEWEST[operation], "fewer changes than there must be: the faults do not reach them"


def _sentence(attempt: Callable[[], object]) -> EdgemindError | None:
    """The error, which must be one of ours."""
    try:
        attempt()
    except EdgemindError as problem:
        return problem
    return None


def _check(store: Store, kept: Manifest, data: bytes, said: EdgemindError | None, number: int) -> None:
    """Whatever failed: the other model is whole, nothing half-written is visible, and the user was told."""
    if said is not None:
        assert isinstance(said, NoRoom if number == errno.ENOSPC else StoreProblem)
        assert said.message.endswith(".")
        assert said.hint
    assert store.get("kept") == kept
    assert store.files(kept)[0].read_bytes() == data
    assert store.damaged() == []
    for found in store.manifests():
        for file in found.files:
            assert store.has(file.sha256, file.size)
    for name in tree(store.root / "manifests"):
        assert name.endswith(".json") or name.startswith(".new-")


def test_memory_file_system_that_is_full(tiny: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.gguf"
    tiny_model(large, layers=8, embd=128)
    disk = tmp_path / "disk"
    disk.mkdir()
    size = tiny.stat().st_size + 200_000
    command = f'mount -t tmpfs -o size={size} none "$0" && exec "$1" -c "$2" "$0" "$3" "$4"'
    arguments = [str(disk), sys.executable, FULL, str(tiny), str(large)]
    done = subprocess.run(["unshare", "-rm", "sh", "-c", command, *arguments], capture_output=True, text=True)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("no mount namespaces for this user here")
    assert done.stdout == "NoRoom NoRoom ['small'] 0\n", done.stderr


def test_a_disk_that_fills_up_while_it_is_written(tiny: Path, tmp_path: Path) -> None:
    """As above, but the room seems to be there at first: a sparse answer of ``statvfs`` cannot be trusted."""
    large = tiny_model(tmp_path / "large.gguf", layers=8, embd=128)
    script = "from edgemind.models.store import incoming\nincoming.Incoming._check_room = lambda *_: None\n" + FULL
    disk = tmp_path / "disk"
    disk.mkdir()
    command = 'mount -t tmpfs -o size=700000 none "$0" && exec "$1" -c "$2" "$0" "$3" "$4"'
    arguments = [str(disk), sys.executable, script, str(tiny), str(large)]
    done = subprocess.run(["unshare", "-rm", "sh", "-c", command, *arguments], capture_output=True, text=True)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("no mount namespaces for this user here")
    assert done.stdout.startswith("NoRoom "), done.stderr
    assert done.stdout.endswith("['small'] 0\n")


def test_files_may_not_grow(tiny: Path, tmp_path: Path) -> None:
    assert tiny.stat().st_size > 100_000
    arguments = [str(tmp_path / "models"), str(tiny)]
    done = subprocess.run([sys.executable, "-c", LIMITED, *arguments], capture_output=True, text=True)
    assert "does not take a file of that size" in done.stdout, done.stderr
    assert done.stdout.endswith(" [] 0\n")


def test_reading_goes_on_where_nothing_can_be_written(store: Store) -> None:
    made = add(store, "some", b"weights")
    with failing(Disk(1, errno.EROFS, for_good=True)) as disk:
        assert store.get("some") == made
        assert store.files(made)
        assert store.manifests() == [made]
        assert verify(store, made).files == 1
        assert not disk.count
        for attempt in (
            lambda: store.remove("some"),
            lambda: store.lease("some", []),
            lambda: collect(store),
            lambda: store.add(made, replace=True),
        ):
            with pytest.raises(StoreProblem, match="read-only disk"):
                attempt()
        with contextlib.suppress(EdgemindError):
            repair(store)
    assert store.files(made)
