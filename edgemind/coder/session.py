"""One coding session in a workspace: a task from its context to files that are written, checked and can be taken back.

A face runs it by going through its events and answers its questions through ``Decisions``; everything that is decided
or written is here, so that the command, its prompt and the chat's ``/code`` do the same.
Not for: drawing (``cli.code_view``), flags (``cli.code``), conversations (``chat``).
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgemind.coder import committing, context, git_status
from edgemind.coder.applying import changes as changes_of
from edgemind.coder.context import Attempt, Context
from edgemind.coder.editing import Dropped, Editing, EditingOptions, Proposed
from edgemind.coder.listing import Listing
from edgemind.coder.session_events import (
    Cited,
    Committed,
    ContextChosen,
    EditDropped,
    EditWritten,
    Finished,
    Note,
    Outcome,
    Proposal,
    Repairing,
    SessionEvent,
    Tested,
    Testing,
)
from edgemind.coder.verifying import LIMIT_S, TestCommand, TestResult, run_test
from edgemind.coder.watching import Stopped, Watch, Watched
from edgemind.coder.work import Work
from edgemind.coder.writing import Decisions, Writing
from edgemind.errors import EdgemindError, WorkspaceProblem
from edgemind.terminal import clean_line

if TYPE_CHECKING:
    from edgemind.coder.workspace import Workspace
    from edgemind.engine.client import Engine, Generation
    from edgemind.engine.events import Sampling, ThinkingPolicy

ROUNDS = 3
"""Repairs after a check that failed."""


@dataclass(frozen=True)
class Options:
    """How a session works."""

    test: TestCommand | None = None
    test_limit_s: float = LIMIT_S
    rounds: int = ROUNDS
    dry_run: bool = False
    commit: bool = False
    max_files: int | None = None
    max_tokens: int | None = None
    thinking: ThinkingPolicy = "auto"
    sampling: Sampling | None = None


class CodeSession:
    """Methods but ``stop`` are for one thread."""

    def __init__(self, workspace: Workspace, engine: Engine, options: Options, decisions: Decisions) -> None:
        self.workspace = workspace
        self.engine = engine
        self.options = options
        self.writing = Writing(workspace, decisions)
        self._decisions = decisions
        self._stop = threading.Event()
        self._running: Editing | Generation | None = None
        self._introduced = False
        """What the user should know about the model was told."""

    def stop(self) -> None:
        """End what runs: the answer or the test. Safe from any thread."""
        self._stop.set()
        running = self._running
        if running is not None:
            running.cancel()

    def run(self, task: str, files: Sequence[str] = ()) -> Iterator[SessionEvent]:
        """Carry out a task; the last event is ``Finished``.

        Args:
            files: paths relative to the workspace.

        Raises:
            EdgemindError: it cannot be begun or continued; every step that was applied is in the journal.
        """
        self._stop.clear()
        work = Work(task)
        if self.options.commit:
            self._check_commit()
        dirty_before = set(self.workspace.dirty()) if self.options.commit else set()
        for number in range(self.options.rounds + 1):
            try:
                finished = yield from self._round(work, files, number)
            except EdgemindError as problem:
                if not work.failing:
                    raise
                finished = self._end(work, "failing", f"{work.still_failing()} {problem.message}")
            if finished is not None:
                if self.options.commit and finished.outcome in ("applied", "verified"):
                    yield from self._commit(work, dirty_before)
                    kept = f"   (the files; the commit stays on {work.branch})" if work.branch else ""
                    finished = replace(finished, hint=f"{finished.hint}{kept}")
                yield finished
                return

    def ask(self, question: str, files: Sequence[str] = ()) -> Iterator[SessionEvent]:
        """Answer a question about the workspace, with places that are checked.

        Raises:
            EdgemindError: as ``run``.
        """
        from edgemind.coder import asking
        from edgemind.engine.events import Answer, Done

        self._stop.clear()
        try:
            listing, found = yield from self._gather(question, files, ask=True)
        except Stopped:
            yield Finished("stopped", "The answer was stopped.")
            return
        yield ContextChosen(found, 0)
        said: list[str] = []
        stopped = False
        with self.engine.generate(asking.request(found, self.options)) as generation:
            self._begin(generation)
            try:
                for event in generation:
                    self._raise_failed(event)
                    if isinstance(event, Answer):
                        said.append(event.text)
                    stopped = isinstance(event, Done) and event.stop_reason == "cancelled"
                    yield event
            finally:
                self._running = None
        yield Cited(asking.citations("".join(said), self.workspace, listing, found))
        yield Finished("stopped", "The answer was stopped.") if stopped else Finished("answered", "")

    def _gather(
        self, task: str, files: Sequence[str], *, ask: bool = False, attempts: Sequence[Attempt] = ()
    ) -> Generator[SessionEvent, None, tuple[Listing, Context]]:
        """What the model is shown, once it is loaded. Raises ``Stopped`` as soon as ``stop`` is called."""
        from edgemind.engine.events import Loading

        def work(watch: Watch) -> tuple[Listing, Context]:
            listing = Listing.of(self.workspace, watch=watch)
            found = context.gather(
                *(self.workspace, listing, self.engine, task, files),
                ask=ask,
                max_files=self.options.max_files,
                attempts=attempts,
                watch=watch,
            )
            return listing, found

        if self.engine.info is None:
            yield Loading()
        found = yield from Watched(work, self._stop).run()
        if not self._introduced:
            yield from map(Note, self.engine.wait_loaded().notes)
        self._introduced = True
        return found

    def _begin(self, running: Editing | Generation) -> None:
        """What ``stop`` ends from now on; it may have been called before there was anything to end."""
        self._running = running
        if self._stop.is_set():
            running.cancel()

    def _round(self, work: Work, files: Sequence[str], number: int) -> Generator[SessionEvent, None, Finished | None]:
        """From a context to a checked step; returns ``Finished`` unless there is another round."""
        try:
            _, found = yield from self._gather(work.task, work.names(files), attempts=work.attempts)
        except Stopped:
            return self._stopped(work)
        found = work.asked(found)
        if not number:
            work.named = frozenset(part.path for part in found.parts if part.kind == "file")
        yield ContextChosen(found, number)
        editing = Editing(self.engine, found, self._editing_options(found, number))
        self._begin(editing)
        dropped = ""
        try:
            for event in editing:
                self._raise_failed(event)
                dropped = event.reason if isinstance(event, Dropped) else dropped
                yield _told(event)
        finally:
            self._running = None
            editing.cancel()
        if self._stop.is_set():
            return self._stopped(work)
        texts = {file.path: file.text for file in found.state.files}
        changes = changes_of(texts, editing.edits)
        if not changes:
            return self._without_changes(work, found, bool(editing.edits), dropped)
        proposal = self._asking_for_the_test(self.writing.propose(changes), work)
        yield proposal
        if self.options.dry_run:
            return self._end(work, "shown", "Nothing was written (--dry-run).")
        applied = self.writing.write(proposal, f"repair {number}: {work.task}" if number else work.task)
        if applied is None and work.failing:
            return self._end(work, "failing", work.still_failing("; the repair was not written"))
        if applied is None:
            return self._end(work, "declined", "Nothing was written.")
        work.add(applied, changes, editing.edits, found.state)
        yield applied
        result = yield from self._test()
        if self._stop.is_set():
            return self._end(work, "stopped", "The test was stopped; the edits stay.")
        wrong = work.check(result)
        if not wrong:
            if result is not None:
                return self._end(work, "verified", f"Done: {_names(work.changed)} written, and the test passes.")
            return self._end(work, "applied", f"Done: {_names(work.changed)} written.")
        if result is not None and result.problem:
            return self._end(work, "failing", f"The edits are written. {result.problem}")
        if number == self.options.rounds:
            return self._end(work, "failing", work.still_failing())
        work.attempts.append(Attempt(editing.answer, wrong))
        yield Repairing(number + 1, self.options.rounds)
        return None

    def _asking_for_the_test(self, proposal: Proposal, work: Work) -> Proposal:
        """What decides whether the model did well is not changed by it alone."""
        if self.options.test is None:
            return proposal
        made = {path for path, change in work.changed.items() if change.before is None}
        told = {path for path, _ in proposal.protected}
        judges = self.options.test.judges(self.workspace, proposal.paths) - work.named - made - told
        reason = "is run by the test and is not among the files that you named"
        asked = [(path, reason) for path in proposal.paths if path in judges]
        return replace(proposal, protected=(*proposal.protected, *asked))

    def _stopped(self, work: Work) -> Finished:
        kept = f" {work.still_failing()}" if work.failing else ""
        return self._end(work, "stopped", f"The answer was stopped; nothing of it was written.{kept}")

    def _end(self, work: Work, outcome: Outcome, text: str) -> Finished:
        hint = "edgemind code undo" if work.steps else ""
        if len(work.steps) > 1:
            hint += f"   (takes back the last of {len(work.steps)} steps)"
        return Finished(outcome, text, hint, tuple(work.steps))

    def _without_changes(self, work: Work, found: Context, edited: bool, dropped: str) -> Finished:
        if work.failing and dropped:
            return self._end(work, "failing", f"{work.still_failing()} {dropped}")
        if work.failing:
            why = "the model's next edits change nothing" if edited else "the model has no other edit"
            return self._end(work, "failing", work.still_failing(f"; {why}"))
        if edited:
            said = "The model's edits leave the files as they are, so nothing was written."
            return Finished("nothing", said, "It may be done already; if not, say it in other words.")
        if not dropped:
            said = "The model answered without an edit, so nothing was written."
            if work.task.rstrip().endswith("?"):
                hint = "For an answer in words: edgemind code --ask 'Where is the retry logic?'"
            elif found.style == "bare":
                hint = "This small model knows a few small Python tasks, in English. A larger one: edgemind recommend"
            else:
                hint = "Say it in other words, name the file, or take a larger model: edgemind recommend"
            return Finished("nothing", said, hint)
        if not found.state.new and not found.state.files:
            hint = "Name the file: edgemind code 'Write a function that ...' NAME.py"
        else:
            hint = "Allow it more with --max-tokens, name fewer files, or take a larger model: edgemind recommend"
        return Finished("nothing", f"{dropped} Nothing was written.", hint)

    def _editing_options(self, found: Context, number: int) -> EditingOptions:
        """A small model that is asked the same again has to answer something else."""
        from edgemind.engine.events import Sampling

        sampling = self.options.sampling or Sampling()
        if number and found.style == "bare" and not sampling.temperature:
            sampling = sampling.model_copy(update={"temperature": 0.7, "seed": number})
        return EditingOptions(thinking=self.options.thinking, sampling=sampling, max_tokens=self.options.max_tokens)

    def _test(self) -> Generator[SessionEvent, None, TestResult | None]:
        if self.options.test is None:
            return None
        yield Testing(self.options.test.text)
        result = run_test(self.options.test, self.workspace.start, self.options.test_limit_s, self._stop)
        yield Tested(result)
        return result

    def _check_commit(self) -> None:
        if not self.workspace.repository:
            raise WorkspaceProblem("This folder is not a git repository, so there is nothing to commit to.", "git init")
        committing.check(self.workspace.root)

    def _commit(self, work: Work, dirty_before: set[str]) -> Iterator[SessionEvent]:
        root = self.workspace.root
        mixed = sorted(set(work.changed) & dirty_before)
        if mixed:
            yield Note(f"nothing was committed: {_names(mixed)} had changes of yours that are not committed")
            return
        ignored = git_status.ignored(root, work.changed)
        if ignored:
            yield Note(f"nothing was committed: git is told to ignore {_names(ignored)}")
            return
        branch = committing.branch_for(root, work.task)
        message = self._decisions.commit(branch, self._message(work))
        if message is None or not message.strip():
            yield Note("nothing was committed")
            return
        done = committing.commit(root, branch, message, list(work.changed))
        work.branch = branch
        yield Committed(branch, done, message)

    def _message(self, work: Work) -> str:
        """By the model where it can; a small one only knows tasks, so there the task is the message."""
        from edgemind.coder.messages import written

        return written(self.engine, work.task, self.writing.last) or committing.subject(work.task)

    def _raise_failed(self, event: object) -> None:
        from edgemind.engine.client import error_from
        from edgemind.engine.events import Failed

        if isinstance(event, Failed):
            raise error_from(event)


def _told(event: object) -> SessionEvent:
    if isinstance(event, Proposed):
        return EditWritten(event.edit)
    if isinstance(event, Dropped):
        return EditDropped(event.reason)
    return event  # type: ignore[return-value]


def _names(paths: Iterable[str]) -> str:
    names = [clean_line(path) for path in paths]
    return ", ".join(names) if len(names) < 4 else f"{', '.join(names[:2])} and {len(names) - 2} more"
