"""``quantize``, ``imatrix`` and ``quality`` as typed: into the store, into files, and what is said when not."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import tiny_model

from edgemind.cli import quality, table
from edgemind.cli.quantize import MOST_TEXT, read_text
from edgemind.engine.quality import Quality, Report
from edgemind.engine.quantize import Quantizer, Wish
from edgemind.errors import BadInput, UsageError
from edgemind.models import imatrix
from edgemind.models.gguf import read_header
from edgemind.models.imatrix import Entry, Matrix
from edgemind.models.quantizations import named
from edgemind.models.unfinished import Unfinished

from .conftest import COMMAND, Command

TEXT = "the ones plus the tens equals the sum. So then: 12 + 30 = 42. " * 40


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "tiny-f32.gguf", embd=256, layers=1)


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "sums.txt").write_text(TEXT)
    return str(tmp_path / "sums.txt")


def store_files(edgemind: Command) -> list[str]:
    """Everything in the store but its own small files."""
    return sorted(
        path.name for folder in ("blobs", "partial") for path in (edgemind.home / "data" / "models" / folder).glob("*")
    )


def object_of(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out)
    return found


def test_from_the_store_into_the_store(edgemind: Command, source: Path) -> None:
    assert edgemind("import", str(source), "--name", "mine-f32").code == 0
    done = edgemind("quantize", "mine-f32", "q4_k_m", "--threads", "1", "--json")
    assert done.code == 0, done.err
    found = object_of(done.out)
    assert (found["name"], found["type"], found["source"]) == ("mine-q4_k_m", "Q4_K_M", "mine-f32")
    assert 4.5 < found["bits_per_weight"] < 8
    manifest = json.loads((edgemind.home / "data/models/manifests/mine-q4_k_m.json").read_text())
    assert manifest["source"]["kind"] == "made"
    notes = manifest["source"]["notes"]
    original = json.loads((edgemind.home / "data/models/manifests/mine-f32.json").read_text())
    assert notes["from sha256"] == original["files"][0]["sha256"]
    assert "q4_k_m" in notes["command"]
    assert manifest["facts"]["quantization"] == "Q4_K_M"
    assert len(store_files(edgemind)) == 2
    blob = edgemind.home / "data/models/blobs" / f"sha256-{manifest['files'][0]['sha256']}"
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == manifest["files"][0]["sha256"]
    assert edgemind("run", "--model", "mine-q4_k_m", "-n", "2", "--threads", "1", "hi").code == 0
    steps = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    assert {step["event"] for step in steps} == {"step", "progress"}
    assert found["matrix_used"] is False
    again = edgemind("quantize", "mine-f32", "Q4_K_M", "--threads", "1")
    assert again.code == 16
    assert "There is a model named mine-q4_k_m already" in again.err


def test_from_a_file_into_a_file_beside_it_or_elsewhere(edgemind: Command, source: Path, tmp_path: Path) -> None:
    done = edgemind("quantize", str(source), "Q8_0", "--threads", "1")
    assert done.code == 0, done.err
    assert "Made" in done.out
    assert read_header(tmp_path / "tiny-f32-Q8_0.gguf").number("general.file_type") == 7
    there = edgemind("quantize", str(source), "Q8_0", "--threads", "1")
    assert there.code == 2
    assert "is there already" in there.err
    assert "--force" in there.err
    (tmp_path / "x.gguf").write_text("an older one")
    forced = edgemind("quantize", str(source), "Q8_0", "-o", str(tmp_path / "x.gguf"), "--force", "--threads", "1")
    assert forced.code == 0
    assert (tmp_path / "x.gguf").read_bytes() == (tmp_path / "tiny-f32-Q8_0.gguf").read_bytes()
    assert not edgemind.home.joinpath("data").exists()


def test_a_matrix_of_ones_own_text_and_the_types_that_need_it(
    edgemind: Command, source: Path, text: str, tmp_path: Path
) -> None:
    matrix = tmp_path / "m.gguf"
    done = edgemind(
        "imatrix", str(source), "-o", str(matrix), "--text", text, "--chunks", "2", "--threads", "1", "--json"
    )
    assert done.code == 0, done.err
    assert object_of(done.out) | {"file": ""} == {
        "file": "",
        "model": "tiny-f32",
        "tensors": 7,
        "chunks": 2,
        "chunk_size": 512,
        "tokens": 1024,
        "text": "sums.txt",
    }
    out = tmp_path / "small.gguf"
    given = edgemind("quantize", str(source), "IQ2_XXS", "--imatrix", str(matrix), "-o", str(out), "--threads", "1")
    assert given.code == 0, given.err
    header = read_header(out)
    assert header.text("quantize.imatrix.file") == "m.gguf"
    assert header.number("quantize.imatrix.entries_count") == 7
    auto = tmp_path / "auto.gguf"
    flags = ("--calibrate", text, "--chunks", "2", "-o", str(auto), "--threads", "1")
    assert edgemind("quantize", str(source), "IQ2_XXS", *flags).code == 0
    blocks = {tensor.name: tensor for tensor in header.tensors if tensor.type == "IQ2_XXS"}
    assert blocks
    ours, theirs = out.read_bytes(), auto.read_bytes()
    for name, tensor in blocks.items():
        other = read_header(auto).by_name[name]
        same = ours[tensor.offset : tensor.offset + tensor.size] == theirs[other.offset : other.offset + other.size]
        assert same, f"{name}: a matrix from a file and one computed on the way are the same"


def test_what_would_be_made(edgemind: Command, source: Path, tmp_path: Path) -> None:
    done = edgemind("quantize", str(source), "Q6_K", "--dry-run", "--json")
    assert done.code == 0, done.err
    planned = object_of(done.out)
    assert planned["dry_run"]
    assert sorted(os.listdir(tmp_path)) == ["tiny-f32.gguf"]
    auto = edgemind("quantize", str(source), "--auto", "--dry-run")
    assert auto.code == 0, auto.err
    assert "Q8_0: " in auto.out
    assert "would not answer better" in auto.out


def test_the_types_are_listed(edgemind: Command) -> None:
    done = edgemind("quantize", "--list")
    assert done.code == 0
    assert done.out.splitlines()[0].split() == ["TYPE", "BITS", "NOTE"]
    assert "\nIQ2_XXS     2.38  needs --imatrix\n" in done.out
    found = object_of(edgemind("quantize", "--list", "--json").out)
    assert found["types"][3]["type"] == "Q8_0"
    assert "q4_k" in found["tensor_types"]


def test_the_next_command_works_as_it_is_printed(edgemind: Command, tmp_path: Path) -> None:
    """Also for a folder with a space; and a matrix that changes nothing is not computed."""
    folder = tmp_path / "my models"
    folder.mkdir()
    source = tiny_model(folder / "it's-f32.gguf", embd=256, layers=1)
    done = edgemind("quantize", str(source), "Q8_0", "--imatrix", "auto", "--threads", "1")
    assert done.code == 0, done.err
    assert "comes out the same without an importance matrix" in done.err
    assert "calibration" not in done.err
    command = shlex.split(done.err.splitlines()[-1].partition("? ")[2])
    assert command[0] == "edgemind"
    again = edgemind(*command[1:], "--tokens", "512", "--threads", "1")
    assert again.code == 0, again.err


def test_a_place_for_a_matrix_is_tried_before_it_is_computed(edgemind: Command, source: Path) -> None:
    done = edgemind("imatrix", str(source), "-o", "/proc/self/m.gguf", "--threads", "1")
    assert done.code in (15, 16)
    assert "calibration" not in done.err


def test_a_matrix_that_does_not_fit_on_the_disk(edgemind: Command, source: Path, text: str, tmp_path: Path) -> None:
    """The disk gets full while it is written: here, files end at 2 kB."""
    small = ["bash", "-c", 'ulimit -f 2; exec "$@"', "bash", COMMAND]
    flags = ["--text", text, "--chunks", "1", "--threads", "1"]
    done = subprocess.run(
        [*small, "imatrix", str(source), "-o", str(tmp_path / "m.gguf"), *flags],
        capture_output=True,
        text=True,
        env=edgemind.environment(PYTHONDONTWRITEBYTECODE="1"),
    )
    assert done.returncode == 15, done.stderr
    assert "Cannot write the importance matrix: the disk of" in done.stderr
    assert not (tmp_path / "m.gguf").exists()


def test_how_good_it_is(edgemind: Command, source: Path, text: str, tmp_path: Path) -> None:
    for kind in ("Q8_0", "Q2_K"):
        with Unfinished(tmp_path / f"{kind}.gguf") as output, Quantizer([source], output) as quantizer:
            quantizer.make(Wish(named(kind), threads=1))
            output.publish()
    models = [str(tmp_path / "Q8_0.gguf"), str(tmp_path / "Q2_K.gguf")]
    flags = ("--against", str(source), "--text", text, "--tokens", "1024", "--threads", "1")
    done = edgemind("quality", *models, *flags, "--json")
    assert done.code == 0, done.err
    found = object_of(done.out)
    assert (found["tokens"], found["chunks"], found["text"]) == (510, 2, "sums.txt")
    first, second = found["models"]
    assert 0 < first["divergence"] < second["divergence"]
    drawing = tmp_path / "quality.png"
    tabled = edgemind("quality", *models, *flags, *(("--plot", str(drawing)) if find_spec("matplotlib") else ()))
    assert tabled.code == 0, tabled.err
    lines = tabled.out.splitlines()
    assert lines[0].split() == ["MODEL", "TYPE", "SIZE", "BITS", "PERPLEXITY", "KL", "SAME", "WORST", "KL"]
    assert "510 tokens counted" in tabled.out
    assert not find_spec("matplotlib") or drawing.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_models_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.gguf").write_bytes(tiny_bytes(tmp_path))
    first, second = (str(tmp_path / name / "m.gguf") for name in ("a", "b"))
    source, models = quality._named(first, [second, first])
    assert (source.name, [one.name for one in models]) == ("m", [second, "m"])
    with pytest.raises(UsageError, match="named twice"):
        quality._named(first, [second, f"{tmp_path}/a/../b/m.gguf"])


def tiny_bytes(folder: Path) -> bytes:
    return tiny_model(folder / "tiny.gguf", layers=1).read_bytes()


def test_the_table_keeps_what_counts_on_a_narrow_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Quality("a-model-with-a-name", "Q4_K_M", 10**9, 4.9, 1000.0, 10.0, 0.00172, 0.00001)
    for width, titles in ((60, ["MODEL", "SIZE", "KL", "SAME"]), (30, ["MODEL", "KL"])):
        monkeypatch.setattr(table, "screen_width", lambda width=width: width)
        lines = quality.as_table(Report(one, (one,), 1, 1, 512)).splitlines()
        assert lines[0].split() == titles
        assert all(len(line) <= width for line in lines)


def test_texts_of_every_kind(tmp_path: Path) -> None:
    place = tmp_path / "text"
    place.write_bytes(b"\xef\xbb\xbfone\r\ntwo")
    assert read_text(str(place)) == "one\ntwo"
    place.write_bytes("größe".encode("utf-16"))
    with pytest.raises(BadInput, match="no UTF-8 text"):
        read_text(str(place))
    with pytest.raises(BadInput, match="is a folder, pipe or device"):
        read_text(str(tmp_path))
    os.truncate(place, MOST_TEXT + 1)
    with pytest.raises(BadInput, match="larger than 64 MB"):
        read_text(str(place))


def test_a_drawing_that_is_there_stays(edgemind: Command, source: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "quality.png").write_text("mine")
    done = edgemind("quality", str(source), "--against", str(source), "--plot", str(tmp_path / "quality.png"))
    assert done.code == 2
    assert "is there already" in done.err
    assert (tmp_path / "quality.png").read_text() == "mine"


def test_no_drawing_without_the_library(edgemind: Command, source: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, package=None: None if name == 'matplotlib' else found(name, package)\n"
    )
    done = edgemind("quality", str(source), "--against", str(source), "--plot", "x.png", PYTHONPATH=str(tmp_path))
    assert done.code == 2
    assert "Drawing needs matplotlib" in done.err
    assert "pip install 'edgemind[plot]'" in done.err


WRONG = [
    (("{source}",), 2, "To which type?"),
    (("{source}", "Q4_KM"), 2, "Did you mean Q4_K_M"),
    (("{source}", "Q4_0", "--auto"), 2, "--auto chooses the type itself"),
    (("{source}", "Q4_0", "-o", "{source}"), 2, "is the file that is read"),
    (("{source}", "Q4_0", "-o", "{folder}"), 2, "is a folder"),
    (("{source}", "Q4_0", "-o", "{folder}/none/x.gguf"), 16, "No such file"),
    (("{source}", "Q4_0", "-o", "x", "--name", "x"), 2, "-o writes a file and --name makes a model"),
    (("{source}", "Q4_0", "--name", "Not A Name"), 2, "cannot be the name of a model"),
    (("{source}", "Q4_0", "--name", "edgemind-nano"), 2, "comes with EdgeMind"),
    (("{source}", "Q4_0", "--tensor-type", "attn_v"), 2, "is not PATTERN=TYPE"),
    (("{source}", "Q4_0", "--tensor-type", "attn_v=q9"), 2, "cannot be quantized to 'q9'"),
    ((), 2, "Which model?"),
    (("{source}", "IQ2_XXS"), 2, "needs an importance matrix"),
    (("Q4_0", "{source}"), 2, "The model comes first, then the type."),
    (("{source}", "Q4_0", "--tensor-type", "atn_v=q8_0"), 2, "No matrix of this model has 'atn_v'"),
    (("{source}", "IQ2_XXS", "--pure", "--imatrix", "auto"), 2, "--output-type q4_k --token-embedding-type q4_k"),
    (("{source}", "Q4_0", "--imatrix", "{folder}/none.gguf"), 3, "one computed: --imatrix auto"),
    (("{source}", "Q4_0", "--imatrix", "{source}"), 10, "is no importance matrix"),
    (("{source}", "Q4_0", "--imatrix", "none", "--chunks", "3"), 2, "for a matrix that is computed"),
    (("{source}", "Q4_0", "--calibrate", "{folder}/none.txt"), 10, "There is no text file"),
    (("{source}", "Q4_0", "--calibrate", "{source}"), 10, "is no UTF-8 text"),
    (("{folder}/letter.gguf", "Q4_0"), 4, "letter.gguf"),
    (("edgemind-nano", "Q4_0"), 2, "edgemind-nano is quantized already (Q8_0)"),
    (("no-such-model", "Q4_0"), 3, "no-such-model"),
]
EACH = """
import json, os, sys
from edgemind.cli import app, quantize
from edgemind.engine import production
for number, arguments in enumerate(json.loads(sys.argv[2])):
    child = os.fork()
    if not child:
        for stream in (1, 2):
            os.dup2(os.open(f"{sys.argv[1]}/{number}-{stream}", os.O_WRONLY | os.O_CREAT), stream)
        sys.argv[1:] = arguments
        os._exit(app.main())
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
"""Runs the command once for each list of arguments, in a process of its own, but with the modules loaded once."""


def test_what_is_wrong_is_one_sentence_and_leaves_nothing(
    edgemind: Command, source: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "letter.gguf").write_text("Dear reader, this is no model. " * 40)
    before = sorted(os.listdir(tmp_path))
    said = tmp_path_factory.mktemp("said")
    given = [
        ["quantize", *(one.replace("{source}", str(source)).replace("{folder}", str(tmp_path)) for one in arguments)]
        for arguments, _, _ in WRONG
    ]
    done = subprocess.run(
        [sys.executable, "-c", EACH, str(said), json.dumps(given)],
        capture_output=True,
        text=True,
        env=edgemind.environment(),
    )
    assert not done.stderr
    for number, (code, (arguments, wanted, says)) in enumerate(zip(done.stdout.split(), WRONG, strict=True)):
        err = (said / f"{number}-2").read_text()
        assert (int(code), says in err) == (wanted, True), (arguments, err)
        assert "Traceback" not in err
        assert err.count("edgemind: ") == 1
    assert sorted(set(os.listdir(tmp_path)) - {"home"}) == before
    assert not [name for name in store_files(edgemind) if name.endswith(".part")]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model and a matrix with which quantizing takes long enough to be stopped."""
    folder = tmp_path_factory.mktemp("slow")
    source = tiny_model(folder / "tiny.gguf", embd=512, layers=2)
    ones = {
        tensor.name: Entry(np.ones((1, tensor.shape[0]), np.float32), np.ones(1, np.float32))
        for tensor in read_header(source).tensors
        if tensor.name.startswith("blk.") and len(tensor.shape) > 1
    }
    imatrix.write(Matrix(ones, ("ones",), 1, 512), folder / "matrix.gguf")
    return source, folder / "matrix.gguf"


@pytest.mark.parametrize(
    ("how", "into"), [(signal.SIGKILL, "file"), (signal.SIGINT, "file"), (signal.SIGKILL, "store")]
)
def test_stopped_in_the_middle_nothing_is_left(
    edgemind: Command, slow: tuple[Path, Path], tmp_path: Path, how: signal.Signals, into: str
) -> None:
    """Also the worker is gone soon, however its parent ended."""
    folder = tmp_path / "folder"
    folder.mkdir()
    source, matrix = slow
    before = sorted(os.listdir(folder))
    flags = ("--imatrix", str(matrix), "--threads", "1")
    goal = ("-o", str(folder / "made.gguf")) if into == "file" else ("--name", "made")
    running = edgemind.start("quantize", str(source), "IQ2_S", *flags, *goal, stderr=subprocess.PIPE)
    assert running.stderr
    for line in running.stderr:
        if b'"progress"' in line and b"quantizing" in line:
            break
    time.sleep(0.3)
    workers = children(running.pid)
    assert workers
    running.send_signal(how)
    code = running.wait(20)
    assert code == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert sorted(os.listdir(folder)) == before
    assert not [name for name in store_files(edgemind) if not name.endswith(".lock")]
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
