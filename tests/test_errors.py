"""The error family, and the table of exit codes in the README."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from edgemind import errors

README = Path(__file__).parent.parent / "README.md"
FAMILY = errors.all_kinds()


def test_kinds_and_exit_codes_are_unique() -> None:
    codes = [cls.exit_code for cls in FAMILY.values()]
    assert len(set(codes)) == len(codes)
    assert FAMILY["error"] is errors.EdgemindError
    assert not {errors.EXIT_INTERRUPTED, errors.EXIT_CLOSED_OUTPUT, 0} & set(codes)


def test_the_readme_lists_every_exit_code() -> None:
    rows = re.findall(r"^\| (\d+) \| `?([\w-]*)`? ?\|", README.read_text(encoding="utf-8"), re.MULTILINE)
    listed = {int(code): kind for code, kind in rows}
    assert listed == {
        0: "",
        **{cls.exit_code: kind for kind, cls in FAMILY.items()},
        errors.EXIT_INTERRUPTED: "",
        errors.EXIT_CLOSED_OUTPUT: "",
    }


@pytest.mark.parametrize("kind", sorted(FAMILY))
def test_an_error_survives_a_pipe(kind: str) -> None:
    problem = FAMILY[kind]("What happened.", "What to do.")
    copy = pickle.loads(pickle.dumps(problem))
    assert type(copy) is type(problem)
    assert (copy.message, copy.hint, str(copy)) == ("What happened.", "What to do.", "What happened.")


def test_every_kind_says_what_it_is() -> None:
    assert all(cls.__doc__ for cls in FAMILY.values())
