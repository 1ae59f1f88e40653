"""Every sentence of an edit's grammar parses and applies, whatever was shown and edited before."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest
from grammar_walks import sentence
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_model

from edgemind.coder.applying import changes
from edgemind.coder.edit_grammar import fence_of, grammar, instructions, rules_of
from edgemind.coder.edit_reading import NoMoreEdits, read_edit
from edgemind.coder.file_text import FileText
from edgemind.coder.line_ranges import MOST_RANGED
from edgemind.coder.new_names import DEEPEST
from edgemind.coder.openings import open_folders, open_lines, open_points
from edgemind.coder.protection import forbidden, same_name
from edgemind.coder.types import Create, Delete, Edit, EditState, Folder, Insert, Replace, ShownFile
from edgemind.engine import llama
from edgemind.engine.llama import grammar_limits

PATHS = ("src/app.py", 'a "quoted" name é.txt', "README.md", "Makefile", "-dash [x] {y}|z.c", "tests/日本.py")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[llama.Model]:
    path = tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf", vocab=512)
    with llama.Model.open(str(path)) as opened:
        yield opened


def accepts(model: llama.Model, gbnf: str, text: str) -> bool:
    """Whether llama.cpp's grammar lets a whole text through, and then the end."""
    end = next(token for token in range(model.n_vocab) if model.vocab.is_eog(token))
    tokens = model.vocab.tokenize(text, add_special=False, parse_special=False)
    with llama.Grammar.compile(model, gbnf) as compiled, compiled.fresh() as current:
        for token in tokens:
            if not current.allows(token):
                return False
            current.accept(token)
        return current.allows(end)


def shown(path: str, lines: int, *spans: tuple[int, int], data: bytes | None = None) -> ShownFile:
    text = FileText.read(b"".join(b"line %d\n" % (at + 1) for at in range(lines)) if data is None else data)
    return ShownFile(path, text, spans or (((1, lines),) if lines else ()))


LINES = st.text(alphabet="ab`~ \t\ré\u200b\U0001f600", max_size=8).map(lambda line: line.replace("\r", ""))
ENDS = st.sampled_from(["\n", "\r\n"])


@st.composite
def files(draw: st.DrawFn, path: str) -> ShownFile:
    lines = draw(st.lists(LINES, max_size=14))
    text = draw(ENDS).join(lines) + draw(st.sampled_from(["", "\n"]))
    read = FileText.read(text.encode())
    count = len(read.lines)
    if not count:
        return ShownFile(path, read, ())
    cuts = sorted(draw(st.sets(st.integers(1, count), min_size=1, max_size=4)))
    spans, last = [], 0
    for cut in cuts:
        first = draw(st.integers(last + 1, cut))
        spans.append((first, cut))
        last = cut
    return ShownFile(path, read, tuple(spans))


@st.composite
def states(draw: st.DrawFn) -> EditState:
    paths = draw(st.lists(st.sampled_from(PATHS), max_size=3, unique=True))
    names = draw(
        st.lists(st.sampled_from(["src", "app", "a.b", ".git", "tests", "A_b-c", "x" * 70, "é", "\u212a"]), max_size=5)
    )
    folders = draw(
        st.sampled_from([(), (Folder("", tuple(names)),), (Folder("", (*names, "src")), Folder("src", ("app.py",)))])
    )
    new = draw(st.lists(st.sampled_from(["new.py", "pkg/new.py", "pkg", "New.py"]), max_size=2, unique_by=same_name))
    return EditState(tuple(draw(files(path)) for path in paths), tuple(new), folders)


@settings(max_examples=100, deadline=None)
@given(states(), st.integers(0, 1 << 32))
def test_any_sentences_of_any_state_parse_and_apply(state: EditState, seed: int) -> None:
    rng = random.Random(seed)
    texts = {file.path: file.text for file in state.files}
    edits: list[Edit] = []
    for _ in range(6):
        text = sentence(rules_of(state), rng)
        edit = read_edit(text, state)
        if isinstance(edit, NoMoreEdits):
            continue
        _check(edit, state)
        edits.append(edit)
        state = state.after(edit)
        made = {change.path: change for change in changes(texts, edits)}
        if isinstance(edit, Create):
            assert made[edit.path].before is None
    in_order, backwards = (
        {change.path: change.after for change in changes(texts, given)} for given in (edits, edits[::-1])
    )
    assert in_order == backwards
    created = [same_name(edit.path) for edit in edits if isinstance(edit, Create)]
    assert len(created) == len(set(created))
    assert not any(one.startswith(f"{other}/") for one in created for other in created)


def _check(edit: Edit, state: EditState) -> None:
    """Only what was shown is edited, and only what is free is created."""
    if isinstance(edit, Create):
        assert not forbidden(edit.path)
        taken = {same_name(f"{folder.path}/{name}".lstrip("/")) for folder in state.folders for name in folder.names}
        assert edit.path in state.new or same_name(edit.path) not in taken
        return
    file = next(file for file in state.files if file.path == edit.path)
    lines = {line for first, last in file.shown for line in range(first, last + 1)}
    if isinstance(edit, Insert):
        assert edit.after in lines or (edit.after == 0 and (1 in lines or not file.text.lines))
        assert edit.lines
    elif isinstance(edit, Replace | Delete):
        assert lines >= set(range(edit.first, edit.last + 1))
        assert edit.first <= edit.last


@settings(max_examples=40, deadline=None)
@given(states(), st.integers(0, 1 << 32))
def test_llama_cpp_takes_the_same_grammar(model: llama.Model, state: EditState, seed: int) -> None:
    gbnf = grammar(state)
    grammar_limits.check(gbnf)
    assert accepts(model, gbnf, sentence(rules_of(state), random.Random(seed)))


FORMS = {
    "replace a range": ("edit a.py\nreplace 2-4\n```\nx\n```", True),
    "replace one line": ("edit a.py\nreplace 3\n```python\nx\n\ny\n```", True),
    "replace by nothing": ("edit a.py\nreplace 3\n```\n```", False),
    "delete": ("edit a.py\ndelete 1-12", True),
    "insert at the top": ("edit a.py\ninsert after 0\n```\nx\n```", True),
    "insert at the end": ("edit a.py\ninsert after 12\n```\nx\n```", True),
    "done": ("done", True),
    "not shown": ("edit a.py\nreplace 13\n```\nx\n```", False),
    "backwards": ("edit a.py\nreplace 4-3\n```\nx\n```", False),
    "backwards by length": ("edit a.py\nreplace 10-9\n```\nx\n```", False),
    "over the gap": ("edit a.py\nreplace 12-20\n```\nx\n```", False),
    "in the second part": ("edit a.py\nreplace 20-21\n```\nx\n```", True),
    "insert in the gap": ("edit a.py\ninsert after 13\n```\nx\n```", False),
    "another file": ("edit b.py\ndelete 1", False),
    "shorter fence inside": ("edit a.py\nreplace 2\n```\n``\n `` x\n```", True),
    "a fence inside": ("edit a.py\nreplace 2\n```\n   ```\n```", False),
    "four blanks and a fence": ("edit a.py\nreplace 2\n```\n    ```\n```", True),
    "a fence within a line": ("edit a.py\nreplace 2\n```\nx ```\n```", True),
    "control characters": ("edit a.py\nreplace 2\n```\n\x1b[2J\n```", False),
    "turned direction": ("edit a.py\nreplace 2\n```\n\u202e\n```", False),
    "tabulator and emoji": ("edit a.py\nreplace 2\n```\n\t# \U0001f600\n```", True),
    "the named file": ("create new.md\n````\n```\nx\n```\n````", True),
    "the named file, empty": ("create new.md\n````\n````", True),
    "a free file": ("create src/b.py\n````\nx\n````", True),
    "a free file in a new folder": ("create src/more/b.py\n````\nx\n````", True),
    "a taken file": ("create src/a.py\n````\nx\n````", False),
    "a taken file in capitals": ("create src/A.PY\n````\nx\n````", False),
    "a longer name": ("create src/a.pyi\n````\nx\n````", True),
    "a shorter name": ("create src/a\n````\nx\n````", True),
    "a hidden file": ("create src/.b\n````\nx\n````", False),
    "upwards": ("create ../b\n````\nx\n````", False),
    "absolute": ("create /b\n````\nx\n````", False),
    "an option": ("create -b\n````\nx\n````", False),
    "git's own": ("create .git/config\n````\nx\n````", False),
    "another version control's": ("create CVS/Root\n````\nx\n````", False),
    "another version control's, deeper": ("create src/_darcs\n````\nx\n````", False),
    "in a folder that was not listed": ("create docs/b.py\n````\nx\n````", False),
    "a dot at the end": ("create src/b.\n````\nx\n````", False),
    "cut": ("edit a.py\nreplace 2\n```\nx\n", False),
}


def written(edit: Edit, fence: str) -> str:
    """An edit as its grammar writes it; one of a whole file has no such form."""
    block = "\n".join((fence, *(() if isinstance(edit, Delete) else edit.lines), fence))
    if isinstance(edit, Create):
        return f"create {edit.path}\n{block}"
    if isinstance(edit, Insert):
        return f"edit {edit.path}\ninsert after {edit.after}\n{block}"
    if isinstance(edit, Replace | Delete):
        lines = f"{edit.first}" if edit.first == edit.last else f"{edit.first}-{edit.last}"
        operation = f"edit {edit.path}\n{'delete' if isinstance(edit, Delete) else 'replace'} {lines}"
        return operation if isinstance(edit, Delete) else f"{operation}\n{block}"
    raise ValueError("a whole file is not written as an edit")


@pytest.mark.parametrize("name", FORMS)
def test_what_can_be_written(model: llama.Model, name: str) -> None:
    text, good = FORMS[name]
    folders = (Folder("", ("a.py", "src", "docs")), Folder("src", ("a.py", ".env")))
    state = EditState((shown("a.py", 30, (1, 12), (20, 21)),), ("new.md",), folders)
    assert accepts(model, grammar(state), text) is good
    if good:
        edit = read_edit(text, state)
        fence = text.rpartition("\n")[2] if "```" in text else "```"
        assert isinstance(edit, NoMoreEdits) or written(edit, fence) == text.replace("```python", "```")


def test_what_was_edited_cannot_be_edited_again(model: llama.Model) -> None:
    state = EditState((shown("a.py", 12),), ("b.py",))
    for edit in (Replace("a.py", 3, 4, ("x",)), Insert("a.py", 7, ("y",)), Create("b.py", ())):
        state = state.after(edit)
    file = state.files[0]
    assert open_lines(file, state) == [(1, 2), (5, 7), (8, 12)]
    assert open_points(file, state) == [(0, 2), (5, 6), (8, 12)]
    gbnf = grammar(state)
    for text in ("replace 3\n```\nx\n```", "delete 2-5", "delete 7-8", "insert after 7\n```\nx\n```"):
        assert not accepts(model, gbnf, f"edit a.py\n{text}")
    assert accepts(model, gbnf, "edit a.py\ndelete 5-7")
    assert not accepts(model, gbnf, "create b.py\n```\n```")


def test_a_folder_that_the_answer_made_takes_more_files() -> None:
    state = EditState(folders=(Folder("", ("src",)),)).after(Create("tests/test_a.py", ()))
    assert open_folders(state) == [Folder("", ("src", "tests")), Folder("tests", ("test_a.py",))]


def test_fences_are_longer_than_those_of_the_file() -> None:
    assert fence_of("a.py", ["x = '`'", "# ```` here"]) == "`" * 5
    assert fence_of("notes.MD") == "`" * 4
    assert fence_of("a.py") == "```"


def test_an_empty_file_takes_lines_at_its_top_only(model: llama.Model) -> None:
    state = EditState((shown("a.py", 0),))
    assert accepts(model, grammar(state), "edit a.py\ninsert after 0\n```\nx\n```")
    assert not accepts(model, grammar(state), "edit a.py\nreplace 1\n```\nx\n```")


def test_a_name_that_no_line_can_hold_is_left_out() -> None:
    state = EditState((shown("a\nb.py", 3), shown("bad\udc80.py", 3)), ("x\ny", "../up"))
    assert grammar(state) == 'root ::= "done"\n'


def test_names_that_begin_as_a_very_long_one_are_not_free(model: llama.Model) -> None:
    long = "a" * (DEEPEST + 5)
    gbnf = grammar(EditState(folders=(Folder("", (long,)),)))
    assert not accepts(model, gbnf, f"create {long}\n````\n````")
    assert accepts(model, gbnf, f"create {long[: DEEPEST - 2]}\n````\n````")


@pytest.mark.parametrize(("lines", "count"), [(2_000, 1), (100, 30), (12_000, 1)])
def test_size_and_time(model: llama.Model, lines: int, count: int) -> None:
    names = tuple(f"some_file_{at}.txt" for at in range(60))
    state = EditState(tuple(shown(f"src/m{at}.py", lines) for at in range(count)), folders=(Folder("", names),))
    gbnf = grammar(state)
    grammar_limits.check(gbnf)
    began = time.perf_counter()
    assert accepts(model, gbnf, f"edit src/m0.py\nreplace {lines - 20}\n```\nx\n```")
    assert time.perf_counter() - began < 5
    ranged = accepts(model, gbnf, f"edit src/m0.py\nreplace {lines - 20}-{lines - 10}\n```\nx\n```")
    assert ranged is (lines * count <= MOST_RANGED)


LARGE = {
    "numbers of six digits": [(900_000, 903_000)],
    "many excerpts": [(at * 37 + 100_000, at * 37 + 100_009) for at in range(300)],
    "many edits": [(90_000, 93_000)],
    "a very long run of backticks": [(1, 2)],
}


@pytest.mark.parametrize("name", LARGE)
def test_a_grammar_is_never_too_large(name: str) -> None:
    names = tuple(f"some_file_{at}_{at * 7}.txt" for at in range(300))
    folders = (Folder("", names), Folder("src", names))
    edits = [Insert("a.py", 90_000 + at * 70, ("x",)) for at in range(39)] if name == "many edits" else []
    state = EditState((shown("a.py", 2, *LARGE[name], data=b"`" * 5_000 + b"\n"),), folders=folders, edits=tuple(edits))
    grammar_limits.check(grammar(state))
    for seed in range(5):
        read_edit(sentence(rules_of(state), random.Random(seed)), state)


def test_a_full_folder_is_not_offered() -> None:
    full = Folder("", tuple(f"{at:05}" for at in range(10_000)))
    gbnf = grammar(EditState(folders=(full, Folder("src", ()))))
    grammar_limits.check(gbnf)
    assert '"src/"' in gbnf
    assert len(gbnf) < 20_000


def test_the_limit_of_lines_ends_an_edit(model: llama.Model) -> None:
    state = EditState(new=("a",))
    most = state.limits.lines
    assert accepts(model, grammar(state), "create a\n```\n" + "x\n" * most + "```")
    assert not accepts(model, grammar(state), "create a\n```\n" + "x\n" * (most + 1) + "```")


def test_what_is_cut_is_no_edit() -> None:
    state = EditState((shown("a.py", 3),))
    for text in (
        "",
        "don",
        "edit a.py\nreplace 1\n```\nx\n",
        "edit b.py\ndelete 1",
        "edit a.py\nreplace 1\n```\nx\n``",
    ):
        with pytest.raises(ValueError, match=r"cut|shown"):
            read_edit(text, state)


def test_the_prompt_says_the_forms() -> None:
    said = instructions(EditState((shown("x/y.py", 3),), ("new.py",)))
    assert all(
        form in said for form in ("edit x/y.py\nreplace 12-14\n```", "insert after", "delete", "create new.py", "done")
    )
