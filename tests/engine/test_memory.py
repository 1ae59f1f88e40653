"""A model that is larger than this machine's memory is refused with the numbers, before any of it is read.

The file is as long as it says and holds nothing: a hole on the disk, of which no byte is ever stored.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgemind.convert.random_weights import _write_head
from edgemind.convert.shapes import Shape, tensors
from edgemind.engine.client import Engine
from edgemind.engine.events import LoadOptions
from edgemind.errors import OutOfMemory
from edgemind.models import gguf, hardware
from edgemind.models.prediction import will_it_fit
from edgemind.models.sizes import human_bytes


@pytest.fixture
def huge(tmp_path: Path) -> Path:
    """A sound GGUF file with half as much again as there is memory."""
    wanted = hardware.machine().total_ram * 3 // 2
    width = 8192
    feed_forward = wanted // (8 * 3 * width * 5 // 8) // 256 * 256
    shape = Shape("huge", "llama", 8, width, 64, 8, 128, feed_forward, 1024, 4096, 1e4)
    path = tmp_path / "huge.gguf"
    path.touch()
    plans = tensors(shape)
    start = _write_head(path, shape, plans)
    os.truncate(path, start + gguf_size(path))
    return path


def gguf_size(path: Path) -> int:
    """Bytes of all tensors that the header promises."""
    return sum(tensor.size + 32 for tensor in gguf.read_partial(path, 1 << 50).tensors)


def test_a_model_larger_than_memory_is_refused_before_it_is_read(huge: Path) -> None:
    before = huge.stat().st_blocks
    engine = Engine(LoadOptions(path=str(huge), threads=1, sequences=1))
    try:
        with pytest.raises(OutOfMemory) as caught:
            engine.wait_loaded()
    finally:
        engine.close()
    assert "The model needs " in caught.value.message
    assert "is free" in caught.value.message
    assert "smaller" in caught.value.hint
    assert huge.stat().st_blocks == before < 20_000


def test_and_it_is_foretold(huge: Path) -> None:
    report = will_it_fit(gguf.read_header(huge))
    assert not report.fits
    assert report.needed_bytes > report.total_bytes
    assert f"{human_bytes(report.total_bytes)} in all" in report.sentence
