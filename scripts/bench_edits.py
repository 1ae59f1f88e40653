"""Small editing tasks over a generated repository, in four formats by the same model: what can be used of the answers.

An answer counts as ended when the model ended it within the limit of tokens, as read when it says an edit in the form
that was asked for, as applied when every edit is of the file that was shown and has its one place. In the format
``grammar`` the first edit may not be ``done``, so that there is something to count. Writes Markdown.

    python scripts/bench_edits.py
    python scripts/bench_edits.py --model qwen2.5-coder-1.5b.gguf --temperature 0
    python scripts/bench_edits.py --grammars
"""

from __future__ import annotations

import argparse
import ast
import datetime
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemind.coder.applying import changes
from edgemind.coder.edit_grammar import grammar, instructions
from edgemind.coder.edit_reading import NoMoreEdits, read_edit
from edgemind.coder.file_text import FileText
from edgemind.coder.patches.diff_reading import first_of_diff
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.patches.reading import read_patch
from edgemind.coder.patches.search_replace import first_of_blocks
from edgemind.coder.patches.tree import Tree
from edgemind.coder.types import EditLimits, EditState, FileChange, Folder, ShownFile
from edgemind.convert.random_weights import build
from edgemind.convert.shapes import Shape
from edgemind.engine import llama
from edgemind.engine.client import Engine, error_from
from edgemind.engine.events import Answer, Done, Failed, GenerateRequest, LoadOptions, Message, Sampling
from edgemind.models import builtin

VOCABULARY = Shape("vocabulary", "qwen3", 1, 256, 4, 2, 64, 256, 151_936, 4096, 1e6, qk_norm=True)
RANDOM = Shape("random", "qwen3", 2, 256, 4, 2, 64, 512, 8_000, 4096, 1e6, qk_norm=True)
KINDS = ("cart", "user", "order", "price", "stock", "mail", "page", "note", "task", "file")

ASKED = {
    "grammar": "",
    "search/replace": (
        "Answer with blocks of this form and nothing else:\n{path}\n<<<<<<< SEARCH\nold lines\n=======\nnew lines\n"
        ">>>>>>> REPLACE\n"
    ),
    "unified diff": (
        "Answer with a unified diff and nothing else:\n--- a/{path}\n+++ b/{path}\n@@ -1,2 +1,2 @@\n-old\n+new\n"
    ),
    "whole file": "Answer with the whole new file in a code block and nothing else:\n{path}\n```python\n...\n```\n",
}


@dataclass(frozen=True)
class Task:
    path: str
    text: str
    says: str


@dataclass
class Row:
    """How many of the answers came how far."""

    asked: int = 0
    written: int = 0
    read: int = 0
    applied: int = 0
    valid: int = 0
    seconds: float = 0.0


def repository() -> dict[str, str]:
    """Ten modules, each a constant, two functions and a class."""
    return {
        f"shop/{kind}.py": (
            f'"""Everything about a {kind}."""\n\nLIMIT = {10 + at}\n\n\ndef get_{kind}(number):\n'
            f'    return {{"number": number, "limit": LIMIT}}\n\n\ndef all_{kind}s(numbers):\n'
            f"    return [get_{kind}(number) for number in numbers]\n\n\nclass {kind.title()}:\n"
            f"    def __init__(self, name):\n        self.name = name\n\n"
            f'    def show(self):\n        return f"{kind} {{self.name}}"\n'
        )
        for at, kind in enumerate(KINDS)
    }


def tasks(files: Mapping[str, str]) -> list[Task]:
    """Six for each module."""
    found: list[Task] = []
    for kind, (path, text) in zip(KINDS, files.items(), strict=True):
        for says in (
            "Set LIMIT to 99.",
            f"Rename the function get_{kind} to find_{kind} everywhere in the file.",
            f"Add a docstring to the class {kind.title()}.",
            f"Add a function first_{kind}(numbers) that returns get_{kind} of the first number.",
            f"Delete the function all_{kind}s.",
            "Make show return the name in upper case.",
        ):
            found.append(Task(path, text, says))
    return found


def main() -> int:
    flags = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    flags.add_argument("--model", type=Path, action="append", help="a GGUF file; else the built-in and a random one")
    flags.add_argument("--tasks", type=int, default=60)
    flags.add_argument("--max-tokens", type=int, default=400)
    flags.add_argument("--temperature", type=float, default=1.0)
    flags.add_argument("--threads", type=int, default=1)
    flags.add_argument("--grammars", action="store_true", help="size and time of the grammars instead")
    given = flags.parse_args()
    if given.grammars:
        return _grammars()
    settings = f"{given.tasks} tasks, {given.max_tokens} tokens at most, temperature {given.temperature:g}"
    print(f"{datetime.date.today()}; {settings}\n")
    print("| model | format | ended | read | applied | still Python | of those that ended: read, applied | s a task |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for path in given.model or [builtin.path(), build(RANDOM, Path(folder) / "random weights.gguf")]:
            _measure(path, given)
    return 0


def _grammars() -> int:
    """What grammars of different sizes cost over a vocabulary of 151,936 tokens."""
    written = "edit src/app.py\nreplace 12-19\n```python\n    return 1\nprint('x')\n```"
    print("| shown lines | GBNF | compiled in | all tokens filtered: worst, mean | one token accepted |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = build(VOCABULARY, Path(folder) / "vocabulary.gguf")
        with llama.Model.open(str(path)) as model:
            everything = np.zeros(model.n_vocab, llama.grammar.CANDIDATE)
            for number, count in enumerate((30, 30, 500, 2_000, 3_000)):
                text = FileText.read(b"x\n" * count)
                files = (ShownFile("src/app.py", text, ((1, count),)),)
                names = tuple(f"some_file_{at}.txt" for at in range(50))
                gbnf = grammar(EditState(files, folders=(Folder("", names), Folder("src", names))))
                began = time.perf_counter()
                with llama.Grammar.compile(model, gbnf) as compiled:
                    compile_ms = 1000 * (time.perf_counter() - began)
                    filtered, accepted = [], []
                    for token in model.vocab.tokenize(written, add_special=False, parse_special=False):
                        everything["id"], everything["logit"] = np.arange(model.n_vocab), 0
                        began = time.perf_counter()
                        compiled.filter(everything)
                        filtered.append(1000 * (time.perf_counter() - began))
                        began = time.perf_counter()
                        compiled.accept(token)
                        accepted.append(1000 * (time.perf_counter() - began))
                if not number:
                    continue  # the first use of a vocabulary takes longer
                row = f"| {count:,} | {len(gbnf) / 1000:.0f} KB | {compile_ms:.0f} ms | {max(filtered):.0f}, "
                print(f"{row}{np.mean(filtered):.0f} ms | {np.mean(accepted):.2f} ms |", flush=True)
    return 0


def _measure(path: Path, given: argparse.Namespace) -> None:
    with Engine(LoadOptions(path=str(path), threads=given.threads)) as engine:
        engine.wait_loaded()
        for form in ASKED:
            row = Row()
            for number, task in enumerate(tasks(repository())[: given.tasks]):
                _try(engine, form, task, number, given, row)
            share = f"{row.read / row.written:.0%}, {row.applied / row.written:.0%}" if row.written else "none ended"
            print(
                f"| {path.stem} | {form} | {row.written} of {row.asked} | {row.read} | {row.applied} | {row.valid} "
                f"| {share} | {row.seconds / row.asked:.1f} |",
                flush=True,
            )


def _try(engine: Engine, form: str, task: Task, number: int, given: argparse.Namespace, row: Row) -> None:
    text = FileText.read(task.text.encode())
    limits = EditLimits(lines=12, columns=60)
    state = EditState((ShownFile(task.path, text, ((1, len(text.lines)),)),), limits=limits)
    shown = "\n".join(f"{at}|{line}" for at, line in enumerate(text.lines, 1)) if form == "grammar" else task.text
    how = instructions(state) if form == "grammar" else ASKED[form].format(path=task.path)
    request = GenerateRequest(
        messages=(Message(role="user", content=f"{how}\n{task.path}:\n{shown}\n{task.says}"),),
        sampling=Sampling(temperature=given.temperature, seed=number),
        max_tokens=given.max_tokens,
        thinking_budget=64,
        grammar=grammar(state).replace('root ::= "done" | ', "root ::= ", 1) if form == "grammar" else None,
    )
    began = time.perf_counter()
    answer, ended = _answer(engine, request)
    row.seconds += time.perf_counter() - began
    row.asked += 1
    row.written += ended
    if not ended:
        return
    if not _has_form(form, answer):
        return
    row.read += 1
    try:
        after = _made(form, answer, state)
    except (BadPatch, ValueError):
        return
    if any(change.path != task.path for change in after):
        return
    row.applied += 1
    row.valid += all(_is_python(change.after or b"") for change in after)


def _has_form(form: str, answer: str) -> bool:
    """Whether an answer is in the form that was asked for, right or wrong."""
    lines = answer.split("\n")
    blocks, diff = first_of_blocks(lines) is not None, first_of_diff(lines) is not None
    return {"search/replace": blocks, "unified diff": diff, "whole file": not (blocks or diff) and "```" in answer}.get(
        form, True
    )


def _made(form: str, answer: str, state: EditState) -> list[FileChange]:
    texts = {file.path: file.text for file in state.files}
    if form != "grammar":
        return read_patch(answer, Tree.of(texts))
    edit = read_edit(answer, state)
    assert not isinstance(edit, NoMoreEdits)
    return changes(texts, [edit])


def _answer(engine: Engine, request: GenerateRequest) -> tuple[str, bool]:
    """The answer, and whether the model ended it."""
    said, ended = "", False
    for event in engine.generate(request):
        if isinstance(event, Answer):
            said += event.text
        elif isinstance(event, Failed):
            raise error_from(event)
        elif isinstance(event, Done):
            ended = event.stop_reason == "end"
    return said, ended


def _is_python(data: bytes) -> bool:
    try:
        ast.parse(data)
    except (SyntaxError, ValueError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
