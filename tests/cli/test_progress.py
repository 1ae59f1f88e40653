"""The passing line stays one line."""

from __future__ import annotations

import pytest

from edgemind.cli.progress import fitting


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("loading x", 20, "loading x"),
        ("loading x", 9, "loading x"),
        ("loading x", 8, "loading "),
        ("模型", 4, "模型"),
        ("模型", 3, "模"),
        ("a\nb", 3, "a␊b"),
        ("x", 0, ""),
        ("x", -3, ""),
        ("", 5, ""),
    ],
)
def test_it_is_cut_to_the_window(text: str, columns: int, shown: str) -> None:
    assert fitting(text, columns) == shown
