"""``edgemind code map|apply|undo|log``: what can be done with a workspace without asking a model.

Not for: tasks (``code``).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgemind.cli import console, prompt
from edgemind.cli.options import Json
from edgemind.cli.shut_in import shut_in
from edgemind.errors import BadInput
from edgemind.terminal import clean, clean_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgemind.coder.steps import Step, Summary
    from edgemind.coder.workspace import Workspace
    from edgemind.coder.writing import Decisions, Writing

BYTES_A_TOKEN = 3.5
"""Of source code, roughly, with the vocabularies of today; the map alone loads no model to count them."""


@contextlib.contextmanager
def folder() -> Iterator[Workspace]:
    """The workspace that we are in.

    Raises:
        WorkspaceProblem, BadInput: it is gone, or none that can be worked in.
    """
    from edgemind.coder.problems import NoSuchFile
    from edgemind.coder.workspace import Workspace

    try:
        start = Path.cwd()
    except FileNotFoundError:
        raise NoSuchFile("The folder that you are in is no longer there.", "cd ..") from None
    workspace = Workspace.find(start)
    try:
        yield workspace
    finally:
        workspace.close()


@contextlib.contextmanager
def writing(decisions: Decisions) -> Iterator[Writing]:
    """The steps of the folder that we are in, mended."""
    from edgemind.coder.writing import Writing

    shut_in()
    with folder() as workspace:
        steps = Writing(workspace, decisions)
        for note in steps.open():
            console.err(f"({note.text})\n")
        yield steps


def map_(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="WORDS", help="What it is about: that comes first.")
    ] = None,
    tokens: Annotated[int, typer.Option("--tokens", metavar="N", min=50, help="About how long it is.")] = 2000,
    json_output: Json = False,
) -> int:
    """Print the map of this repository.

    Its definitions by file and line, those that are referenced most first.
    """
    shut_in()
    with folder() as workspace:
        print_map(workspace, prompt.argument(" ".join(words or ()), "The words"), tokens, json_output)
    return 0


def print_map(workspace: Workspace, words: str, tokens: int, json_output: bool = False) -> None:
    """The map of a workspace on standard output.

    Raises:
        BadInput: there is nothing to show.
    """
    from edgemind.cli.code_view import looked
    from edgemind.cli.progress import Progress
    from edgemind.coder.listing import Listing
    from edgemind.coder.repo_map import repo_map
    from edgemind.coder.watching import Looking

    progress = Progress()

    def watch(what: str, done: int, total: int) -> None:
        progress.say(looked(Looking(what, done, total)))

    try:
        listing = Listing.of(workspace, watch=watch)
        found = repo_map(
            workspace,
            listing,
            words,
            tokens,
            lambda text: round(len(text.encode("utf-8", "replace")) / BYTES_A_TOKEN),
            watch=watch,
        )
    finally:
        progress.close()
    notes = [listing.truncated] if listing.truncated else []
    notes += [f"{found.beyond:,} more files of source code were not looked at"] if found.beyond else []
    if json_output:
        lines = [{"path": one.path, "line": one.line, "text": one.text, "rank": one.rank} for one in found.lines]
        told = {"files": found.files, "files_seen": found.files_seen, "definitions": found.definitions, "notes": notes}
        console.out_json({"map": lines, "tokens": found.tokens, **told})
        return
    if not found.text.strip():
        raise BadInput("There is no file here that a map could show.", "Go to a folder with source code.")
    console.out(clean(found.text).rstrip("\n") + "\n")
    console.err(
        f"({found.files} of {found.files_seen} files, about {found.tokens:,} tokens of at most {tokens:,}; "
        f"{found.definitions:,} definitions in {found.seconds:.1f} s)\n"
    )
    for note in notes:
        console.err(f"({note})\n")


def apply(
    patch: Annotated[
        str, typer.Argument(metavar="PATCH", help="A file with a diff, edit blocks or whole files; - reads a pipe.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking, protected files excepted.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written.")] = False,
    json_output: Json = False,
) -> int:
    """Apply a patch that was written elsewhere.

    Diffs, SEARCH/REPLACE blocks, *** Begin Patch; what fits no place, or several, is refused.
    """
    from edgemind.cli.code_ask import Answers, Consent, need_consent
    from edgemind.cli.code_result import file_objects
    from edgemind.cli.code_view import CodeView
    from edgemind.coder.patching import changes_of_patch

    shut_in()
    escaped = "surrogateescape"  # the files may be in any encoding
    use = "edgemind code apply FILE.patch"
    text = prompt.standard_input(escaped) if patch == "-" else prompt.attachment(patch, escaped, use).text
    if text is None:
        raise BadInput("No patch comes through standard input.", "edgemind code apply - < PATCH")
    consent = Consent(apply=yes, yes=yes, json=json_output)
    need_consent(consent, dry_run)
    answers = Answers(consent)
    with writing(answers) as steps:
        proposal = steps.propose(changes_of_patch(steps.workspace, text))
        if not proposal.changes:
            raise BadInput("The patch changes nothing: the files are that way already.", "edgemind code log")
        view = CodeView("", dry_run=dry_run)
        if not json_output:
            view.show(proposal)
        elif not dry_run:
            answers.see(proposal)
        applied = (
            None if dry_run else steps.write(proposal, f"patch {Path(patch).name if patch != '-' else ''}".strip())
        )
    if json_output:
        console.out_json({"files": file_objects(proposal.diffs), "step": applied.step if applied else None})
    elif applied:
        view.show(applied)
    else:
        view.say("Nothing was written (--dry-run)." if dry_run else "Nothing was written.")
    return 0


def undo(json_output: Json = False) -> int:
    """Take back the last step, exactly; again for the one before."""
    from edgemind.cli.code_ask import Answers, Consent

    with writing(Answers(Consent())) as steps:
        step = steps.undo()
        left = len(steps.log())
    if json_output:
        console.out_json(
            {"step": step.number, "label": step.label, "files": [one.path for one in step.records], "left": left}
        )
    else:
        for line in undone(step):
            console.out(f"{line}\n")
    return 0


def log(json_output: Json = False) -> int:
    """List the steps that can be undone here, the last first."""
    from edgemind.cli.code_ask import Answers, Consent

    with writing(Answers(Consent())) as steps:
        found = steps.log()
    if json_output:
        console.out_json(
            {
                "steps": [
                    {
                        "step": one.number,
                        "label": one.label,
                        "at": one.at,
                        "created": list(one.created),
                        "changed": list(one.changed),
                        "deleted": list(one.deleted),
                    }
                    for one in found
                ]
            }
        )
        return 0
    for line in logged(found):
        console.out(f"{line}\n")
    return 0


def logged(steps: Sequence[Summary]) -> list[str]:
    """The steps, for a person."""
    lines = []
    for one in steps:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.at))
        lines.append(f"{one.number:>4}  {when}  {clean_line(one.label)}")
        marks = (("+", one.created), ("~", one.changed), ("-", one.deleted))
        lines += [f"      {mark} {clean_line(path)}" for mark, paths in marks for path in paths]
    return lines or ["There is no step to undo in this folder."]


def undone(step: Step) -> list[str]:
    """What an undo did, for a person."""
    lines = [f"Undone: step {step.number}, {clean_line(step.label)}"]
    for one in step.records:
        what = "removed" if one.before is None else "there again" if one.after is None else "as before"
        lines.append(f"  {clean_line(one.path)} is {what}")
    return lines
