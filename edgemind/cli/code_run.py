"""``edgemind code TASK``: one task or one question, from the flags to an exit code.

Not for: the prompt of a session (``code_session``), drawing (``code_view``), questions (``code_ask``).
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgemind.cli import console, prompt
from edgemind.cli.chat_start import is_possible
from edgemind.cli.code import COMMANDS
from edgemind.cli.code_steps import folder
from edgemind.cli.failure import INTERRUPTED, error_object
from edgemind.cli.shut_in import insist
from edgemind.errors import EXIT_INTERRUPTED, ChecksFailed, EdgemindError, UsageError

if TYPE_CHECKING:
    from edgemind.cli.code_ask import Answers
    from edgemind.cli.code_flags import CodeFlags
    from edgemind.cli.code_result import Collected
    from edgemind.cli.code_view import CodeView
    from edgemind.cli.interrupt import Interrupt
    from edgemind.coder.session import CodeSession, Options
    from edgemind.coder.session_events import Finished, SessionEvent
    from edgemind.coder.verifying import TestCommand
    from edgemind.coder.writing import Decisions
    from edgemind.engine.events import ThinkingPolicy

EXAMPLE = "edgemind code 'Write a function that sorts a list into sort.py'"


OTHER_WORDS = {
    "ask": "--ask 'Where is the retry logic?'",
    "commit": "--commit 'Write a function that sorts a list into sort.py'",
    "help": "--help",
    "history": "log",
    "revert": "undo",
    "rollback": "undo",
    "steps": "log",
}
"""What people try first."""


def run(flags: CodeFlags) -> int:
    """Carry out ``edgemind code``.

    Raises:
        EdgemindError: of any kind.
    """
    flags.check()
    _check_words(flags)
    task = _task(flags)
    if task is None:
        from edgemind.cli.code_session import talk

        return talk(flags)
    from edgemind.cli.code_ask import Answers, Consent, need_consent
    from edgemind.cli.interrupt import Interrupt

    consent = Consent(apply=flags.apply, yes=flags.yes, json=flags.json_output)
    if not flags.ask:
        need_consent(consent, flags.dry_run, flags.commit)
    insist()
    answers = Answers(consent)
    with Interrupt() as interrupt, opened(flags, answers) as session:
        return _one(flags, session, answers, interrupt, task)


@contextlib.contextmanager
def opened(flags: CodeFlags, decisions: Decisions) -> Iterator[CodeSession]:
    """A session in the current folder, its model loading already.

    Raises:
        EdgemindError: the folder, the test command or the model cannot be used.
    """
    from edgemind.coder.session import CodeSession
    from edgemind.coder.verifying import test_command
    from edgemind.engine import defaults
    from edgemind.engine.client import Engine
    from edgemind.engine.events import LoadOptions
    from edgemind.models import names
    from edgemind.settings import load_settings

    with folder() as workspace:
        test = test_command(flags.test, workspace.start) if flags.test is not None else None
        model, settings = names.resolve(flags.model), load_settings()
        values = defaults.load_values(model, settings, context=flags.context, threads=flags.threads)
        thinking = "on" if flags.think else "off" if flags.no_think else defaults.thinking(model, settings)
        with Engine(LoadOptions(**values)) as engine:
            yield CodeSession(workspace, engine, _options(flags, test, thinking), decisions)


def model_name(flags: CodeFlags) -> str:
    from edgemind.models import names

    return names.resolve(flags.model).name


def _exit_code(finished: Finished) -> int:
    """The exit code of a task.

    Raises:
        ChecksFailed: it is written and the check still fails.
        EdgemindError: the model gave no edit.
    """
    if finished.outcome == "failing":
        raise ChecksFailed(finished.text, finished.hint)
    if finished.outcome == "nothing":
        raise EdgemindError(finished.text, finished.hint)
    return EXIT_INTERRUPTED if finished.outcome == "stopped" else 0


def _one(flags: CodeFlags, session: CodeSession, answers: Answers, interrupt: Interrupt, task: str) -> int:
    from edgemind.cli.code_result import Collected
    from edgemind.cli.code_view import CodeView
    from edgemind.coder.picking import picked
    from edgemind.coder.session_events import Finished, Proposal

    name = model_name(flags)
    files = picked(session.workspace, flags.named)
    collected = Collected(name, task)
    view = (
        None
        if flags.json_output
        else CodeView(name, hide_thinking=flags.hide_thinking, answers=flags.ask, dry_run=flags.dry_run)
    )
    with view or contextlib.nullcontext():
        try:
            for note in session.writing.open():
                _show(view, collected, note)
            answers.keep(interrupt, session.stop)
            for event in session.ask(task, files) if flags.ask else session.run(task, files):
                interrupt.check()
                if isinstance(event, Finished) and event.outcome in ("failing", "nothing"):
                    collected.add(event)
                    if view and event.outcome == "nothing":
                        view.answer_without_edit()
                    continue
                _show(view, collected, event)
                if isinstance(event, Proposal) and not flags.dry_run:
                    answers.see(event)
            interrupt.release()
        except (EdgemindError, KeyboardInterrupt) as problem:
            if flags.json_output:
                error = error_object(problem) if isinstance(problem, EdgemindError) else INTERRUPTED
                console.out_json(collected.as_object(error))
            raise
    if flags.json_output:
        console.out_json(collected.as_object())
    assert collected.finished is not None
    if view and collected.finished.steps and collected.finished.outcome != "failing":
        view.note(f"take it back: {collected.finished.hint}")
    return _exit_code(collected.finished)


def _show(view: CodeView | None, collected: Collected, event: SessionEvent) -> None:
    collected.add(event)
    if view:
        view.show(event)


def _options(flags: CodeFlags, test: TestCommand | None, thinking: ThinkingPolicy) -> Options:
    from edgemind.coder.session import Options
    from edgemind.engine.events import Sampling

    return Options(
        test=test,
        test_limit_s=flags.test_timeout,
        rounds=flags.rounds,
        dry_run=flags.dry_run,
        commit=flags.commit,
        max_files=flags.max_files,
        max_tokens=flags.max_tokens,
        thinking=thinking,
        sampling=Sampling(temperature=flags.temperature, seed=flags.seed),
    )


def _task(flags: CodeFlags) -> str | None:
    """The task, with what is piped in; ``None`` for a session.

    Raises:
        UsageError: there is none, and no terminal for a session.
    """
    piped = prompt.standard_input() if flags.task is None or prompt.standard_input_has_text() else None
    words = [] if flags.task is None or flags.only_files else [flags.task]
    what, example = ("question", "edgemind code --ask 'Where is the retry logic?'") if flags.ask else ("task", EXAMPLE)
    if not words and not (piped or "").strip():
        if is_possible() and not (flags.json_output or flags.ask):
            return None
        no_session = "" if flags.ask else ", and a session needs a terminal that it can draw on"
        raise UsageError(f"There is no {what}{no_session}.", example)
    if not any(part.strip() for part in (*words, piped or "")):
        raise UsageError(f"The {what} is empty.", example)
    return prompt.assemble(words, (), piped)


def _check_words(flags: CodeFlags) -> None:
    """A lone word that is nearly a command was meant as one; words without quotes were meant as a task."""
    word, files = flags.task or "", flags.files or []
    if " " in word or flags.only_files:
        return
    if word in OTHER_WORDS and (not files or word == "ask"):
        raise UsageError(f"There is no command {word!r}.", f"edgemind code {OTHER_WORDS[word]}")
    if word in COMMANDS:
        raise UsageError(f"The command {word!r} comes before its flags.", f"edgemind code {word} --help")
    near = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.7) if not files else []
    if near:
        hint = f"edgemind code {near[0]}   (a task is a sentence)"
        raise UsageError(f"There is no command {word!r}; did you mean {near[0]!r}?", hint)
    if any(re.fullmatch("[a-z]+", file) and not os.path.lexists(file) for file in files):
        task = shlex.quote(" ".join([word, *files]))
        raise UsageError(f"A task of several words needs quotes: {word!r} alone is none.", f"edgemind code {task}")
