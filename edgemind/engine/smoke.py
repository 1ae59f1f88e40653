"""Does llama.cpp run this model here? Two tokens in the jailed worker, before somebody counts on it.

A sound header proves little: an architecture can be newer than this llama.cpp, a tensor missing, a weight no number.
Not for: whether the answers are any good.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemind.engine import scoring
from edgemind.engine.client import Engine, error_from
from edgemind.engine.events import Event, Failed, GenerateRequest, LoadOptions, Sampling
from edgemind.engine.process import DEATHS
from edgemind.errors import EdgemindError, ModelUnusable, OutOfMemory, WorkerDied

TEXT = "One and one are two."
TOKENS = 2
CONTEXT = 512
"""Tokens; the smallest that every architecture is happy with."""


@dataclass(frozen=True)
class Smoke:
    """How it went."""

    ok: bool
    sentence: str = ""
    """Why it does not run, and nothing when it does."""
    kind: str = ""
    """Of the error, as in ``errors``."""
    hint: str = ""

    @property
    def does_not_fit_now(self) -> bool:
        """The model may be fine; this machine had no room for it, or ended the worker to get some."""
        return self.kind == OutOfMemory.kind

    @property
    def blames_model(self) -> bool:
        """Whether it is the model that cannot be run, so that this is worth remembering with it."""
        return self.kind in (ModelUnusable.kind, WorkerDied.kind)


def smoke(
    files: Sequence[Path],
    *,
    name: str | None = None,
    threads: int | None = None,
    descriptors: Sequence[int] = (),
    on_event: Callable[[Event], None] | None = None,
) -> Smoke:
    """Load the model in the smallest way and have it write two tokens. A model for embeddings is only loaded.

    Args:
        files: all files of the model, in order.
        name: what sentences call the model; its file's name, unless given.
        threads: as many as the engine would take, unless given.
        descriptors: of open files that the worker needs, for a file without a name.
        on_event: told how far the loading is.
    """
    paths = tuple(str(file) for file in files)
    options = LoadOptions(
        path=paths[0], parts=paths if len(paths) > 1 else (), context=CONTEXT, sequences=1, threads=threads
    )
    engine = Engine(options, on_event=on_event, descriptors=descriptors)
    try:
        engine.start()
    except EdgemindError as problem:
        return Smoke(False, problem.message, "not_started", problem.hint)
    try:
        with engine:
            if engine.wait_loaded().writes:
                _write(engine)
    except EdgemindError as problem:
        return Smoke(False, _named(problem.message, files, name), _kind(problem), _named(problem.hint, files, name))
    return Smoke(True)


def _write(engine: Engine) -> None:
    """Read a sentence, and go on with it.

    Raises:
        EdgemindError: of any kind.
    """
    tokens = scoring.tokenize(engine, [TEXT], add_special=True)[0] or [0]
    if len(tokens) > 1 and not all(map(math.isfinite, scoring.losses(engine, tokens))):
        raise ModelUnusable(
            f"{Path(engine.options.path).name} computes no numbers (NaN): its weights are damaged or were converted "
            "wrongly.",
            "Get another quantization of this model.",
        )
    request = GenerateRequest(
        tokens=tuple(tokens), max_tokens=TOKENS, ignore_end=True, sampling=Sampling(temperature=0)
    )
    for event in engine.generate(request):
        if isinstance(event, Failed):
            raise error_from(event)


def _kind(problem: EdgemindError) -> str:
    """Linux ends the largest process when memory runs out; that says nothing about the model."""
    killed = isinstance(problem, WorkerDied) and problem.message.startswith(DEATHS["SIGKILL"][0])
    return OutOfMemory.kind if killed else problem.kind


def _named(text: str, files: Sequence[Path], name: str | None) -> str:
    """A message with the model's name where its file's was: in a store that is a hash."""
    if name is None:
        return text
    for number, file in enumerate(files, 1):
        called = name if len(files) == 1 else f"part {number} of {name}"
        text = text.replace(str(file.absolute()), called).replace(str(file), called).replace(file.name, called)
    return text
