"""What a model is shown: within its context by its own tokenizer, with nothing invisible, and what was left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_repositories import workspace
from tiny import tiny_model

from edgemind.coder import repo_map as repo_map_module
from edgemind.coder.context import Attempt, Context, gather
from edgemind.coder.edit_grammar import grammar
from edgemind.coder.named_files import conflict_line, mentioned
from edgemind.coder.problems import NotWritable, OutsideWorkspace, UnreadableText
from edgemind.coder.watching import Stopped
from edgemind.engine.client import Engine
from edgemind.engine.events import LoadOptions
from edgemind.errors import BadInput, EdgemindError, PromptTooLong, UsageError

FILES: dict[str, str | bytes] = {
    "shop/cart.py": "class Cart:\n    def total(self, prices):\n        return sum(prices)\n",
    "shop/tax.py": "RATE = 0.2\n\n\ndef add_tax(amount):\n    return amount * (1 + RATE)\n",
    "shop/long.py": "".join(f"def helper_{number}(value):\n    return value + {number}\n\n\n" for number in range(400)),
    "notes.md": "# Notes\n\nTax is added at the end.\n",
    "odd.py": "a = 1\nb = '\u202ehidden\x1b[0m'\n",
    "empty.py": "",
    "data.bin": b"\x00\x01\x02",
    "merge.py": "a = 1\n<<<<<<< HEAD\nb = 2\n=======\nb = 3\n>>>>>>> other\n",
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A model with a context of 8,192 tokens; nearly every byte is one."""
    with Engine(LoadOptions(path=str(tiny_model(tmp_path_factory.mktemp("model") / "m.gguf", context=8_192)))) as found:
        yield found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(LoadOptions(path=str(tiny_model(tmp_path_factory.mktemp("model") / "s.gguf", context=1_024)))) as found:
        yield found


def shown(root: Path, engine: Engine, task: str, *files: str, **more: object) -> Context:
    place, listing = workspace(root, FILES)
    found = gather(place, listing, engine, task, files, **more)  # type: ignore[arg-type]
    assert found.tokens == engine.count(found.messages) <= found.limit
    return found


def test_a_small_model_gets_the_bare_task(tmp_path: Path, small: Engine) -> None:
    found = shown(tmp_path, small, "Write a Python function that sorts a list into sort.py")
    assert found.style == "bare"
    assert [(one.role, one.content) for one in found.messages] == [
        ("user", "Write a Python function that sorts a list into sort.py")
    ]
    assert found.state.new == ("sort.py",)
    assert found.state.files == ()
    assert [folder.path for folder in found.state.folders] == [""]


def test_a_small_model_is_shown_the_file_that_it_shall_change(tmp_path: Path, small: Engine) -> None:
    found = shown(tmp_path, small, "Add a method that counts", "shop/cart.py")
    assert found.messages[0].content.endswith(
        "shop/cart.py:\n```\nclass Cart:\n    def total(self, prices):\n        return sum(prices)\n```"
    )
    assert [(file.path, file.shown) for file in found.state.files] == [("shop/cart.py", ((1, 3),))]


def test_named_files_come_whole_with_numbers(tmp_path: Path, engine: Engine) -> None:
    found = shown(tmp_path, engine, "Use the tax", "shop/cart.py")
    assert found.style == "edits"
    assert "shop/cart.py:\n```\n1|class Cart:\n2|    def total(self, prices):\n" in found.messages[1].content
    assert found.messages[1].content.endswith("Task: Use the tax")
    first = found.state.files[0]
    assert (first.path, first.shown) == ("shop/cart.py", ((1, 3),))
    assert grammar(found.state)


def test_files_that_a_task_is_about_are_found(tmp_path: Path, engine: Engine) -> None:
    found = shown(tmp_path, engine, "change how add_tax rounds its amount")
    assert "shop/tax.py" in [file.path for file in found.state.files]
    assert any(part.kind == "excerpt" and part.used and part.path == "shop/tax.py" for part in found.parts)


def test_only_lines_that_were_shown_can_be_edited(tmp_path: Path, engine: Engine) -> None:
    found = shown(tmp_path, engine, "helper_200 returns its value doubled")
    text = found.messages[1].content
    assert found.state.files
    for file in found.state.files:
        numbers = {number for first, last in file.shown for number in range(first, last + 1)}
        pieces = re.findall(rf"^{re.escape(file.path)}[^\n]*:\n```\n(.*?)\n```", text, re.DOTALL | re.MULTILINE)
        lines = dict(line.split("|", 1) for piece in pieces for line in piece.split("\n"))
        assert {int(number) for number in lines} == numbers
        for number, line in lines.items():
            assert file.text.lines[int(number) - 1] == line


def test_lines_of_a_file_can_be_named(tmp_path: Path, engine: Engine) -> None:
    found = shown(tmp_path, engine, "shorter", "shop/long.py:41-60")
    file = next(file for file in found.state.files if file.path == "shop/long.py")
    assert (41, 60) in file.shown
    assert "shop/long.py (lines 41 to 60 of 1600):\n```\n41|" in found.messages[1].content


def test_a_file_that_is_too_large_is_told_with_numbers(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(PromptTooLong, match=r"^shop/long\.py has [\d,]+ tokens, and the model can be shown 5,") as told:
        shown(tmp_path, engine, "shorter", "shop/long.py")
    assert "shop/long.py:1-288" in told.value.hint


def test_a_task_that_is_too_long(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(PromptTooLong, match="The task is too long"):
        shown(tmp_path, engine, "word " * 8_000)


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("merge.py", BadInput, "merge.py holds a conflict of a merge that is not resolved (line 2)."),
        ("data.bin", UnreadableText, "data.bin cannot be read: It is a binary file."),
        ("shop/cart.py:9-12", BadInput, "shop/cart.py has 3 lines; there are no lines 9 to 12."),
        ("shop/cart.py:3-1", BadInput, "there are no lines 3 to 1"),
        ("shop", EdgemindError, "shop is not written: it is a folder."),
        ("od\u202ed.py", BadInput, "holds characters that cannot be seen"),
    ],
    ids=["merge", "binary", "beyond", "backwards", "folder", "invisible"],
)
def test_names_that_cannot_be_shown(
    tmp_path: Path, engine: Engine, name: str, kind: type[EdgemindError], words: str
) -> None:
    with pytest.raises(kind) as told:
        shown(tmp_path, engine, "change it", name)
    assert words in told.value.message
    assert told.value.hint


def test_a_read_only_file_is_told_before_the_model_works(tmp_path: Path, engine: Engine) -> None:
    place, listing = workspace(tmp_path, FILES)
    (tmp_path / "shop/tax.py").chmod(0o444)
    with pytest.raises(NotWritable):
        gather(place, listing, engine, "change it", ["shop/tax.py"])
    assert gather(place, listing, engine, "what is it", ["shop/tax.py"], ask=True).state.files == ()


def test_invisible_characters_are_taken_out_and_told(tmp_path: Path, engine: Engine) -> None:
    found = shown(tmp_path, engine, "change it", "odd.py")
    assert "2|b = 'hidden[0m'" in found.messages[1].content
    assert not {"\u202e", "\x1b"} & set("".join(message.content for message in found.messages))
    told = [(one.path, one.line, one.what) for one in found.hidden]
    assert told == [("odd.py", 2, ("U+202E right-to-left override", "U+001B control character"))]


def test_too_many_files(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(UsageError, match=r"2 files are named, and --max-files allows 1"):
        shown(tmp_path, engine, "x", "shop/cart.py", "shop/tax.py", max_files=1)
    found = shown(tmp_path, engine, "tax of a cart and helper_7", "shop/cart.py", max_files=1)
    assert [file.path for file in found.state.files] == ["shop/cart.py"]


def test_an_empty_file_can_be_filled(tmp_path: Path, engine: Engine) -> None:
    found = shown(tmp_path, engine, "fill it", "empty.py")
    assert next(file for file in found.state.files if file.path == "empty.py").shown == ()
    assert grammar(found.state)


def test_earlier_attempts_are_shown_after_the_task(tmp_path: Path, engine: Engine) -> None:
    attempts = [Attempt(f"edit {number}", f"test failed {number}") for number in range(3)]
    found = shown(tmp_path, engine, "mend", "shop/cart.py", attempts=attempts)
    assert [message.role for message in found.messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert found.messages[-2].content == "edit 2"
    assert found.messages[-1].content.startswith("test failed 2")


def test_a_question_is_answered_from_more_than_one_file(tmp_path: Path, engine: Engine) -> None:
    found = shown(tmp_path, engine, "where is the tax added?", ask=True)
    assert found.messages[1].content.endswith("Question: where is the tax added?")
    assert {path for path, _, _ in found.shown} >= {"shop/tax.py", "notes.md"}


def test_a_question_may_mention_a_file_that_does_not_exist(tmp_path: Path, engine: Engine) -> None:
    found = shown(tmp_path, engine, "how does tax.py differ from gone.py?", ask=True)
    assert "gone.py does not exist" not in found.messages[1].content
    assert "shop/tax.py" in {path for path, _, _ in found.shown}


def test_every_part_is_counted_and_what_has_no_room_is_told(tmp_path: Path, engine: Engine) -> None:
    for number in range(6):
        (tmp_path / f"more_{number}.py").write_text(str(FILES["shop/long.py"]))
    found = shown(tmp_path, engine, "where are the helper values returned", ask=True)
    assert all(part.tokens > 0 for part in found.parts if part.used)
    left_out = [part for part in found.parts if not part.used]
    assert left_out
    assert all(part.note for part in left_out)
    used = sum(part.tokens for part in found.parts if part.used)
    assert abs(used - found.tokens) < 80


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("Write sort.py", ["sort.py"]),
        ("change `shop/cart.py`, please", ["shop/cart.py"]),
        ("look at cart.py.", ["shop/cart.py"]),
        ("e.g. version 1.2.3 of example.com", []),
        ("write /etc/passwd.py or ../out.py", []),
        ("see https://example.com/a.py", []),
        ("in .git/config.py and .git/hooks.sh", []),
        ("make new/dir/thing.rs", ["new/dir/thing.rs"]),
        ("write it into ./new.py", ["new.py"]),
        ("read /etc/app.py and put that into shop/cart.py", ["shop/cart.py"]),
    ],
)
def test_files_that_a_task_mentions(tmp_path: Path, task: str, expected: list[str]) -> None:
    place, listing = workspace(tmp_path, FILES)
    assert list(mentioned(place, listing, task).names) == expected


@pytest.mark.parametrize(
    ("task", "names", "kept_back"),
    [
        ("change made/big.py", ("made/big.py",), ()),
        ("put PORT into .env", (), (".env may hold a secret, so it is shown only if you name it as a file",)),
        ("name .env.example as well", (".env.example",), ()),
        ("show data.bin in shop/cart.py", ("shop/cart.py",), ("data.bin is not shown: it is a binary file",)),
        (
            "change util.py",
            (),
            ("util.py could be a/util.py or b/util.py, so none is shown for it; say which",),
        ),
        ("change link.py", (), ("link.py is not shown: it is a symbolic link, or lies behind one",)),
        ("shorten shop/long.py:41-60 and cart.py:1-2.", ("shop/long.py:41-60", "shop/cart.py:1-2"), ()),
        ("the error is at shop/cart.py:2", ("shop/cart.py",), ()),
        ("in .github/workflows/ci.yml:1-1", (".github/workflows/ci.yml:1-1",), ()),
    ],
)
def test_a_file_that_a_task_mentions_is_shown_or_said(
    tmp_path: Path, task: str, names: tuple[str, ...], kept_back: tuple[str, ...]
) -> None:
    more = {".gitignore": "made/\n", "made/big.py": "x = 1\n", ".env": "KEY=1\n", ".env.example": "KEY=\n"}
    both = {"a/util.py": "x = 1\n", "b/util.py": "x = 2\n", ".github/workflows/ci.yml": "on: push\n"}
    (tmp_path / "link.py").symlink_to("odd.py")
    place, listing = workspace(tmp_path, {**FILES, **more, **both})
    found = mentioned(place, listing, task)
    assert (found.names, found.kept_back) == (names, kept_back)


def test_lines_that_are_named_are_not_widened_by_the_task(tmp_path: Path, engine: Engine) -> None:
    found = shown(
        tmp_path, engine, "shorten shop/long.py", "shop/long.py:41-60", "shop/long.py:55-70", "shop/long.py:9"
    )
    file = next(file for file in found.state.files if file.path == "shop/long.py")
    named = [(part.first, part.last) for part in found.parts if part.kind == "file"]
    assert named == [(41, 70), (9, 9)]
    assert {(9, 9), (41, 70)} <= set(file.shown)


@pytest.mark.parametrize("name", ["/etc/x.py", "../x.py", "~/x.py", "../../tmp/x.py", "./../x.py"])
def test_a_task_for_a_place_outside_is_refused(tmp_path: Path, name: str) -> None:
    place, listing = workspace(tmp_path, FILES)
    task = f"Write a function that sorts a list into {name}"
    with pytest.raises(OutsideWorkspace):
        mentioned(place, listing, task, alone=True)
    assert mentioned(place, listing, task).names == ()
    assert mentioned(place, listing, f"{task}, as in shop/cart.py", alone=True).names == ("shop/cart.py",)


def test_a_whole_path_that_leads_into_the_folder_is_one_of_it(tmp_path: Path) -> None:
    place, listing = workspace(tmp_path, FILES)
    assert mentioned(place, listing, f"put it into {place.root}/shop/new.py", alone=True).names == ("shop/new.py",)


def test_nothing_outside_is_shown(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "secret.py").write_text("secret = 1\n")
    place, listing = workspace(tmp_path / "inside", FILES)
    (tmp_path / "inside" / "link.py").symlink_to(tmp_path / "secret.py")
    for name in ("../secret.py", "link.py", "/etc/passwd"):
        with pytest.raises((EdgemindError, OutsideWorkspace)):
            gather(place, listing, engine, "read", [name])
        with pytest.raises(EdgemindError):
            gather(place, listing, engine, "read", [name], ask=True)


def test_conflicts_are_more_than_a_line_of_signs() -> None:
    assert conflict_line(["Title", "=======", ">>> x"]) is None
    assert conflict_line(["<<<<<<< a", "x"]) is None
    assert conflict_line(["x", "<<<<<<< a", "=======", ">>>>>>> b"]) == 2


def test_what_was_not_looked_at_is_told(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repo_map_module, "MOST_RANKED", 1)
    assert shown(tmp_path, engine, "tax").notes == ("5 files of source code were not looked at for the map",)


def test_what_a_watcher_raises_ends_the_search(tmp_path: Path, engine: Engine) -> None:
    said: list[str] = []

    def watch(what: str, _done: int, _total: int) -> None:
        said.append(what)
        if what == "reading definitions":
            raise Stopped

    with pytest.raises(Stopped):
        shown(tmp_path, engine, "tax", watch=watch)
    assert list(dict.fromkeys(said)) == ["searching", "reading definitions"]
