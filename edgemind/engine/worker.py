"""The child process that holds a model: jailed before it opens the file, one thread that decodes.

Reads commands from standard input and writes events to what was standard output; anything else that prints
goes to standard error. It leaves when its input closes, so it never outlives its parent.
Not for: being imported by anything but ``python -m``.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pydantic import ValidationError

from edgemind.engine import llama, protocol
from edgemind.engine.events import Event, Failed, Loaded, Loading, LoadOptions
from edgemind.engine.live import LiveRequest
from edgemind.engine.loader import LoadedModel, load
from edgemind.engine.scheduler import Scheduler
from edgemind.engine.scorer import Scorer
from edgemind.errors import EdgemindError
from edgemind.privacy import jail

if TYPE_CHECKING:
    from edgemind.engine.calibrator import Calibrator

LAST_SECONDS = 1.0
"""How long a decode may still run when the parent is gone."""

EXIT_BUG = 70
"""``EX_SOFTWARE``: an error of ours, told on standard error."""

LOAD_STEP = 0.05
"""Loading progress is told in steps of this fraction."""


class Outbox:
    """Events on their way to the parent; written when the decode step that caused them is over."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: list[bytes] = []

    def put(self, number: int, reply: protocol.Reply) -> None:
        self._lines.append(protocol.encode(number, reply))

    def flush(self) -> None:
        if self._lines:
            data, self._lines = b"".join(self._lines), []
            self._stream.write(data)
            self._stream.flush()

    def say(self, number: int, reply: protocol.Reply) -> None:
        self.put(number, reply)
        self.flush()


class Worker:
    """Commands in, events out. ``run`` is the thread that decodes; ``listen`` is the one that reads commands."""

    def __init__(self, source: BinaryIO, outbox: Outbox) -> None:
        self._source = source
        self._outbox = outbox
        self._inbox: queue.SimpleQueue[protocol.Command | None] = queue.SimpleQueue()
        self._model: LoadedModel | None = None
        self._scheduler: Scheduler | None = None
        self._scorer: Scorer | None = None
        self._calibrator: Calibrator | None = None
        self._live: dict[int, LiveRequest] = {}
        self._jail: jail.Report | None = None
        self._early: set[tuple[str, int]] = set()
        """Cancels and answer-nows that came before their request was admitted."""
        self._newest = 0
        """The largest id admitted: what is said of an older one that does not live comes too late."""
        self._lock = threading.Lock()

    def run(self) -> None:
        """Serve until the parent closes our input. The jail is armed before there is a second thread."""
        first = self._read(self._source.readline())
        if first is None:
            return
        try:
            self._jail = jail.arm("worker", readable=_files(first), writable=_made_by(first))
        except EdgemindError as problem:
            self._outbox.say(getattr(first, "id", protocol.LOAD_ID), failed(problem))
            return
        self._inbox.put(first)
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            while not self._inbox.empty() or not (self._scheduler and self._scheduler.busy):
                command = self._inbox.get()
                if command is None:
                    return
                self._obey(command)
                self._outbox.flush()
            self._step(self._scheduler)
            self._outbox.flush()

    def _read(self, line: bytes) -> protocol.Command | None:
        if not line:
            return None
        try:
            return protocol.commands.validate_json(line)
        except ValidationError as problem:
            print(f"a command that cannot be read: {problem.errors()[0]['msg']}", file=sys.stderr)
            return None

    def _listen(self) -> None:
        """Read commands; what must not wait for a decode to end is done here."""
        while command := self._read(self._source.readline()):
            if isinstance(command, protocol.Cancel | protocol.AnswerNow):
                self._urge(command)
            else:
                self._inbox.put(command)
        self._inbox.put(None)
        if self._scheduler:
            self._scheduler.contexts.abort.set()
        timer = threading.Timer(LAST_SECONDS, os._exit, (0,))
        timer.daemon = True
        timer.start()

    def _urge(self, command: protocol.Cancel | protocol.AnswerNow) -> None:
        with self._lock:
            live = self._live.get(command.id)
            if live is None and command.id > self._newest:
                self._early.add((command.type, command.id))
        if live is None:
            return
        if isinstance(command, protocol.AnswerNow):
            live.answer_now = True
        else:
            live.cancelled = True
            if self._scheduler:
                self._scheduler.contexts.abort.set()

    def _obey(self, command: protocol.Command) -> None:
        if isinstance(command, protocol.Load):
            self._load(command.options)
        elif isinstance(command, protocol.Probe):
            self._outbox.say(command.id, build())
        elif isinstance(command, protocol.Quantize):
            self._quantize(command)
        elif not isinstance(command, protocol.Cancel | protocol.AnswerNow):
            try:
                if self._model is None:
                    raise EdgemindError("The engine was asked before a model was loaded.")
                self._serve(command, self._model)
            except EdgemindError as problem:
                self._outbox.say(command.id, failed(problem))

    def _serve(self, command: protocol.Request, model: LoadedModel) -> None:
        """What a loaded model is asked for."""
        if isinstance(command, protocol.Count):
            self._outbox.say(command.id, protocol.Counted(tokens=model.count(command.messages)))
        elif isinstance(command, protocol.Tokenize):
            self._outbox.say(command.id, tokenized(command, model.contexts.model.vocab))
        elif isinstance(command, protocol.Score):
            self._scorer = self._scorer or Scorer(model.contexts)
            self._outbox.say(command.id, self._scorer.score(command))
        elif isinstance(command, protocol.Top):
            self._scorer = self._scorer or Scorer(model.contexts)
            self._outbox.say(command.id, self._scorer.top(command))
        elif isinstance(command, protocol.Generate):
            self._admit(command, model)
        else:
            self._calibrate(command, model)

    def _calibrate(self, command: protocol.Calibrate | protocol.Collect, model: LoadedModel) -> None:
        from edgemind.engine.calibrator import Calibrator

        self._calibrator = self._calibrator or Calibrator(model.contexts)
        if isinstance(command, protocol.Calibrate):
            self._outbox.say(command.id, self._calibrator.calibrate(command))
        else:
            self._outbox.say(command.id, self._calibrator.collect(command))

    def _quantize(self, command: protocol.Quantize) -> None:
        from edgemind.engine.quantizer import quantize

        try:
            self._outbox.say(command.id, quantize(command, lambda step: self._outbox.say(command.id, step)))
        except EdgemindError as problem:
            self._outbox.say(command.id, failed(problem))

    def _load(self, options: LoadOptions) -> None:
        told = 0.0

        def progress(fraction: float) -> bool:
            nonlocal told
            if fraction >= told + LOAD_STEP:
                told = fraction
                self._outbox.say(protocol.LOAD_ID, Loading(fraction=fraction))
            return True

        def note(line: str) -> None:
            self._outbox.say(protocol.LOAD_ID, Loading(note=line))

        assert self._jail is not None
        try:
            self._model = load(options, self._jail, progress, note)
        except EdgemindError as problem:
            self._outbox.say(protocol.LOAD_ID, failed(problem))
            return
        self._scheduler = Scheduler(self._model.contexts, self._emit)
        self._outbox.say(protocol.LOAD_ID, Loaded(info=self._model.info))

    def _admit(self, command: protocol.Generate, model: LoadedModel) -> None:
        assert self._scheduler is not None
        live = model.live(command.id, command.request)
        with self._lock:
            live.cancelled = ("cancel", command.id) in self._early
            live.answer_now = ("answer_now", command.id) in self._early
            self._early -= {("cancel", command.id), ("answer_now", command.id)}
            self._live[command.id] = live
            self._newest = command.id
        self._scheduler.add(live)

    def _step(self, scheduler: Scheduler | None) -> None:
        assert scheduler is not None
        try:
            scheduler.step()
        except EdgemindError as problem:
            scheduler.fail_all(problem)

    def _emit(self, number: int, event: Event) -> None:
        self._outbox.put(number, event)
        if isinstance(event, protocol.LAST_WORDS):
            self._live.pop(number, None)


def _files(command: protocol.Command) -> list[Path]:
    """What the worker may read for this first command, beside the interpreter and its libraries."""
    if isinstance(command, protocol.Quantize):
        return [Path(path) for path in (*command.parts, command.source, command.matrix) if path]
    if not isinstance(command, protocol.Load):
        return []
    options = command.options
    return [*map(Path, options.files), *(Path(adapter) for adapter, _ in options.adapters)]


def _made_by(command: protocol.Command) -> list[Path]:
    """The files that the worker may write for this first command."""
    return [Path(path) for path in command.writable] if isinstance(command, protocol.Quantize) else []


def failed(problem: EdgemindError) -> Failed:
    return Failed(kind=problem.kind, message=problem.message, hint=problem.hint)


def tokenized(command: protocol.Tokenize, vocab: llama.Vocab) -> protocol.Tokenized:
    """Each text in tokens."""
    options = {"add_special": command.add_special, "parse_special": command.parse_special}
    return protocol.Tokenized(tokens=tuple(tuple(vocab.tokenize(text, **options)) for text in command.texts))


def build() -> protocol.Build:
    """What this build of llama.cpp offers on this machine."""
    found = llama.system()
    return protocol.Build(
        llama_cpp=found.version,
        supports_gpu=found.supports_gpu,
        features=found.features,
        devices=tuple(
            protocol.Device(
                name=device.name,
                description=device.description,
                kind=device.kind,
                free_bytes=device.free_bytes,
                total_bytes=device.total_bytes,
            )
            for device in found.devices
        ),
    )


def main() -> None:
    """Take the pipe for ourselves, send every other print to standard error, serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    llama.set_log(lambda level, text: print(text, end="", file=sys.stderr) if level >= llama.LOG_ERROR else None)
    code = 0
    try:
        Worker(sys.stdin.buffer, Outbox(events)).run()
    except BrokenPipeError:
        pass
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        code = EXIT_BUG
    os._exit(code)  # not sys.exit: the thread that reads holds a lock that a normal exit would wait for


if __name__ == "__main__":
    main()
