"""The prompt of a coding session: tasks, questions and commands, one line at a time, until the end.

What is typed is remembered while the session lasts; of a task that wrote something its step keeps the first line.
Not for: one task (``code_run``), what the commands do to files (``coder.session``).
"""

from __future__ import annotations

import contextlib
import difflib
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from edgemind.cli import code_steps
from edgemind.cli.code_ask import Answers, Consent
from edgemind.cli.code_run import model_name, opened
from edgemind.cli.code_view import CodeView
from edgemind.cli.interrupt import Interrupt
from edgemind.cli.shut_in import insist
from edgemind.coder.named_files import read_named
from edgemind.coder.picking import picked
from edgemind.coder.problems import NoSuchFile
from edgemind.errors import EdgemindError
from edgemind.terminal import clean_line

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document

    from edgemind.cli.code_flags import CodeFlags
    from edgemind.coder.session import CodeSession
    from edgemind.coder.session_events import SessionEvent

OFFERED = 200
"""File names at once."""

MAP_TOKENS = 1000
"""Of a map that is asked for at the prompt."""

COMMANDS = {
    "/add": ("FILE ...", "show these files to the model"),
    "/ask": ("QUESTION", "answer a question about the code, with file:line"),
    "/diff": ("", "what the last step changed"),
    "/drop": ("[FILE ...]", "show them no longer; without names: none"),
    "/files": ("", "which files are shown to the model"),
    "/help": ("", "this list"),
    "/log": ("", "the steps that can be undone"),
    "/map": ("[WORDS]", "the map of the repository"),
    "/quit": ("", "leave; ctrl+d does too"),
    "/test": ("[CMD|off]", "run this after each step; without a command: run it now"),
    "/undo": ("", "take back the last step; again for the one before"),
}
ALIASES = {"/exit": "/quit", "/q": "/quit", "/remove": "/drop", "/rm": "/drop", "/?": "/help", "/h": "/help"}
_STARTED = "it is chosen when a session starts"
_ALONE = "Each task stands alone, nothing is remembered between them"
ELSEWHERE = {
    "/clear": f"{_ALONE}. /drop forgets the files",
    "/code": "A task is typed as it is",
    "/commit": f"A commit of each task: {_STARTED}. /quit, then: edgemind code --commit",
    "/compact": _ALONE,
    "/edit": "A task is typed as it is; alt+enter begins a new line",
    "/git": "No shell is here: ctrl+z leaves for one, fg comes back",
    "/ls": "/files are those that the model is shown, /map is what there is",
    "/model": f"A model: {_STARTED}. /quit, then: edgemind code --model NAME   (edgemind list)",
    "/read": "/add FILE",
    "/reset": f"{_ALONE}. /drop forgets the files",
    "/run": "/test CMD runs it after each step, /test runs it now",
    "/sh": "No shell is here: ctrl+z leaves for one, fg comes back",
    "/tokens": "What the model sees is said with each task",
}
"""What other programs have, and what there is in its place."""

QUESTION = re.compile(r"(?:what|where|when|who|why|which|how|is|are|does|do|did)\b[^\n]*\?", re.IGNORECASE)
"""A line that nobody means as a task."""

HERE = {
    "edgemind code 'Write a function that ...' NAME.py": "/add NAME.py",
    "edgemind code --ask 'Where is the retry logic?'": "/ask QUESTION",
    "edgemind code undo": "/undo",
    "edgemind code log": "/log",
    "edgemind code map": "/map",
}
"""What a hint is at this prompt."""


def talk(flags: CodeFlags) -> int:
    """Hold a session; the exit code.

    Raises:
        EdgemindError: it cannot begin.
    """
    insist()
    answers = Answers(Consent(apply=flags.apply, yes=flags.yes))
    with opened(flags, answers) as session:
        Talk(flags, session, answers).hold()
    return 0


class Talk:
    """One session at its prompt."""

    def __init__(self, flags: CodeFlags, session: CodeSession, answers: Answers) -> None:
        self._flags = flags
        self._answers = answers
        self._session = session
        self._model = model_name(flags)
        self._files = picked(session.workspace, flags.named)
        self._view = CodeView(self._model, hide_thinking=flags.hide_thinking, dry_run=flags.dry_run)
        self._names: list[str] | None = None

    def hold(self) -> None:
        with self._view:
            self._begin()
            prompt = self._prompt()
            while True:
                try:
                    line = prompt.prompt()
                except KeyboardInterrupt:
                    continue
                except EOFError:
                    break
                if not self.do(line.strip()):
                    break

    def do(self, line: str) -> bool:
        """One line; ``False`` when it ends the session. Whatever goes wrong is said, and the session goes on."""
        if not line:
            return True
        word, rest = (*line.split(None, 1), "")[:2]
        try:
            if f"/{line.lower()}" in (*COMMANDS, *ALIASES):
                return self._command(f"/{line.lower()}", "")
            if word.startswith("/") and "/" not in word[1:]:
                return self._command(word.lower(), rest)
            if word.startswith("!"):
                self._view.say(f"{ELSEWHERE['/sh']}. {ELSEWHERE['/run']}.")
            elif QUESTION.fullmatch(line):
                self._view.note("a question, so nothing is written; for an edit say it without the question mark")
                self._ask(line)
            else:
                self._run(self._session.run(line, self._files))
                self._names = None
        except EdgemindError as problem:
            self._view.say("\n  ".join(filter(None, (problem.message, _here(problem.hint)))))
        except KeyboardInterrupt:
            self._view.say("Stopped.")
        return True

    def _begin(self) -> None:
        workspace = self._session.workspace
        kind = "" if workspace.repository else " (no git repository; /undo works all the same)"
        self._view.say(f"{clean_line(workspace.root.name or str(workspace.root))}{kind}, {self._model}")
        self._view.say("A task, or /help; ctrl+d leaves.")
        for note in self._session.writing.open():
            self._view.show(note)
        if workspace.repository:
            with contextlib.suppress(EdgemindError):
                dirty = workspace.dirty()
                if dirty:
                    many = "1 file has" if len(dirty) == 1 else f"{len(dirty)} files have"
                    self._view.note(
                        f"{many} changes that are not committed; /undo takes back only steps of this assistant"
                    )

    def _command(self, word: str, rest: str) -> bool:
        name = _command_named(word)
        if name == "/quit":
            return False
        do: dict[str, Callable[[str], None]] = {
            "/add": self._add,
            "/ask": self._ask,
            "/diff": lambda _: self._diff(),
            "/drop": self._drop,
            "/files": lambda _: self._list_files(),
            "/help": lambda _: self._help(),
            "/log": lambda _: self._log(),
            "/map": self._map,
            "/test": self._test,
            "/undo": self._undo,
        }
        if name is None and word in ELSEWHERE:
            self._view.say(f"{ELSEWHERE[word]}.")
        elif name is None:
            near = difflib.get_close_matches(word, COMMANDS, n=1)
            self._view.say(
                f"There is no command {clean_line(word)}." + (f" Did you mean {near[0]}?" if near else " /help")
            )
        else:
            do[name](rest)
        return True

    def _run(self, events: Iterator[SessionEvent]) -> None:
        """Draw it; the first Ctrl-C stops the model or the test, the second leaves the task."""
        from edgemind.coder.session_events import Finished

        with Interrupt() as interrupt:
            self._answers.keep(interrupt, self._session.stop)
            for event in events:
                interrupt.check()
                self._view.show(event)
                if not isinstance(event, Finished) or not event.hint:
                    continue
                if event.outcome == "nothing":
                    self._view.say(f"  {_here(event.hint)}")
                elif event.steps:
                    self._view.note("/undo takes the last step back")
        self._view.rest()

    def _add(self, rest: str) -> None:
        names = _split(rest)
        if not names:
            self._view.say("/add FILE ...")
        for path in picked(self._session.workspace, names):
            new = ""
            try:
                read_named(self._session.workspace, [path], to_edit=False)
            except NoSuchFile:
                new = " (new)"
            if path not in self._files:
                self._files.append(path)
            self._view.say(f"{clean_line(path)}{new} is shown to the model from now on.")

    def _drop(self, rest: str) -> None:
        names = _split(rest)
        for name in names or ["*"]:
            path = self._session.workspace.relative(name)
            meant = [file for file in self._files if file.startswith((f"{path}:", f"{path}/")) or fnmatch(file, path)]
            for file in meant:
                self._files.remove(file)
                self._view.say(f"{clean_line(file)} is shown no longer.")
            if not meant and names:
                self._view.say(f"{clean_line(path)} was not among the files. /files")

    def _list_files(self) -> None:
        for path in self._files:
            self._view.say(f"  {clean_line(path)}")
        if not self._files:
            self._view.say("No file is named; the model sees what the task's words lead to. /add FILE")

    def _ask(self, rest: str) -> None:
        if not rest:
            self._view.say("/ask QUESTION")
            return
        self._view.answers = True
        try:
            self._run(self._session.ask(rest, self._files))
        finally:
            self._view.answers = False

    def _diff(self) -> None:
        last = self._session.writing.last
        if last:
            self._view.diffs(last)
        else:
            self._view.say("Nothing was written in this session that is still there. /log")

    def _undo(self, rest: str) -> None:
        if rest:
            self._view.say("/undo takes back one step, the last; again for the one before.")
            return
        for line in code_steps.undone(self._session.writing.undo()):
            self._view.say(line)
        self._names = None

    def _log(self) -> None:
        for line in code_steps.logged(self._session.writing.log()):
            self._view.say(line)

    def _map(self, rest: str) -> None:
        code_steps.print_map(self._session.workspace, rest, MAP_TOKENS)

    def _test(self, rest: str) -> None:
        from edgemind.coder.session_events import Tested, Testing
        from edgemind.coder.verifying import run_test, test_command

        options = self._session.options
        if rest.lower() == "off":
            self._session.options = replace(options, test=None)
            self._view.say("No test is run from now on.")
        elif rest:
            test = test_command(rest, self._session.workspace.start)
            self._session.options = replace(options, test=test)
            self._view.say(f"After each step: {clean_line(rest)}")
        elif options.test is None:
            self._view.say("There is no test command. /test CMD")
        else:
            self._view.show(Testing(options.test.text))
            with Interrupt():
                result = run_test(options.test, self._session.workspace.start, options.test_limit_s)
            self._view.show(Tested(result))

    def _help(self) -> None:
        for name, (argument, words) in COMMANDS.items():
            self._view.say(f"  {f'{name} {argument}':<18}{words}")
        self._view.say("Anything else is a task, or a question when it asks one and ends with a question mark.")
        self._view.say("alt+enter begins a new line; ctrl+c stops what runs.")

    def _prompt(self) -> PromptSession[str]:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import InMemoryHistory
        from prompt_toolkit.key_binding import KeyBindings

        keys = KeyBindings()
        keys.add("escape", "enter")(lambda event: event.current_buffer.insert_text("\n"))
        return PromptSession(
            "code> ",
            history=InMemoryHistory(),
            completer=_completer(self),
            complete_while_typing=False,
            complete_in_thread=True,
            key_bindings=keys,
            enable_open_in_editor=False,
            enable_suspend=True,
            reserve_space_for_menu=4,
        )

    def completions(self, text: str) -> Iterable[tuple[str, int]]:
        """What the word before the cursor can become, and how much of it is replaced."""
        word = text.rsplit(maxsplit=1)[-1] if text and not text[-1].isspace() else ""
        if text.startswith("/") and " " not in text:
            return [(name, -len(text)) for name in COMMANDS if name.startswith(text.lower())]
        bare = word.removeprefix("@").lstrip("'")
        if text.startswith("/drop "):
            return [(shlex.quote(name), -len(word)) for name in self._files if name.startswith(bare)]
        if not bare and not text.startswith("/add "):
            return []
        found = [name for name in self._all_names() if name.startswith(bare)][:OFFERED]
        return [(shlex.quote(name) if text.startswith("/add ") else name, -len(word)) for name in found]

    def _all_names(self) -> list[str]:
        if self._names is None:
            from edgemind.coder.listing import Listing

            self._names = list(Listing.of(self._session.workspace).paths())
        return self._names


def _completer(talk: Talk) -> Completer:
    from prompt_toolkit.completion import Completer, Completion

    class Names(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
            with contextlib.suppress(EdgemindError, OSError):
                for text, start in talk.completions(document.text_before_cursor):
                    yield Completion(text, start, display=clean_line(text))

    return Names()


def _command_named(word: str) -> str | None:
    """A command by its name, an alias or a unique beginning."""
    word = ALIASES.get(word, word)
    if word in COMMANDS:
        return word
    beginning = [name for name in COMMANDS if name.startswith(word)]
    return beginning[0] if len(beginning) == 1 and len(word) > 1 else None


def _here(hint: str) -> str:
    """A hint for the command line, as it is at this prompt."""
    for there, here in HERE.items():
        hint = hint.replace(there, here)
    return f"/test {shlex.split(hint)[1]}" if hint.startswith("--test ") else hint


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
