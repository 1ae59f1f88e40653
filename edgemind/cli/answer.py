"""One answer: start the engine, put the prompt together, show the events, give an exit code.

The worker is started before standard input is read, so that the model loads while someone else still writes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgemind.cli import console, options, prompt
from edgemind.cli.confidence import summary
from edgemind.cli.failure import INTERRUPTED, error_object
from edgemind.cli.interrupt import Interrupt
from edgemind.cli.shut_in import insist
from edgemind.errors import EXIT_INTERRUPTED, NotOffline
from edgemind.models import names

if TYPE_CHECKING:
    from edgemind.cli.options import Flags
    from edgemind.cli.render import View, Waiting
    from edgemind.cli.result import Transcript
    from edgemind.engine.client import Engine, Generation
    from edgemind.engine.events import Event


def answer(flags: Flags) -> int:
    """Carry out ``edgemind run``.

    Raises:
        EdgemindError: of any kind.
    """
    started = time.perf_counter()
    flags.check()
    model = names.resolve(flags.model)

    from edgemind.engine.client import Engine, error_from
    from edgemind.privacy import jail
    from edgemind.settings import load_settings

    if flags.require_offline and jail.available() is jail.Strength.NONE:
        raise _not_offline()
    insist()
    settings = load_settings()
    with Interrupt() as interrupt, Engine(options.load_options(flags, settings, model)) as engine:
        attachments = [prompt.attachment(path) for path in flags.file or ()]
        text = prompt.assemble(flags.prompt or (), attachments, prompt.standard_input())
        request = options.request(flags, settings, model, text)
        if flags.require_offline and engine.wait_loaded().offline not in ("kernel", "sandbox"):
            raise _not_offline()

        from edgemind.cli.result import Transcript

        seen = Transcript(started=started)
        try:
            with engine.generate(request) as generation, _view(flags, model.name) as view:
                for event in _introduced(engine, generation):
                    interrupt.check()
                    seen.add(event)
                    if seen.began:
                        interrupt.keep(generation.cancel)
                    view.show(event)
        except KeyboardInterrupt:
            if seen.began:
                _print_failure(flags, model.name, seen, INTERRUPTED)
            raise
    if seen.failed:
        problem = error_from(seen.failed)
        _print_failure(flags, model.name, seen, error_object(problem))
        raise problem
    _print_result(flags, model.name, seen)
    return EXIT_INTERRUPTED if seen.done and seen.done.stop_reason == "cancelled" else 0


def _view(flags: Flags, model: str) -> View | Waiting:
    from edgemind.cli.render import View, Waiting

    if flags.json:
        return Waiting(model)
    return View(model, hide_thinking=flags.hide_thinking, confidence=flags.confidence)


def _introduced(engine: Engine, generation: Generation) -> Iterator[Event]:
    """The events, with ``Loaded`` at their head also when the model was there before the question."""
    from edgemind.engine.events import Loaded, Loading

    introduced = False
    for event in generation:
        if not introduced and engine.info and not isinstance(event, (Loaded, Loading)):
            introduced = True
            yield Loaded(info=engine.info)
        introduced = introduced or isinstance(event, Loaded)
        yield event


def _print_result(flags: Flags, model: str, seen: Transcript) -> None:
    if flags.json:
        from edgemind.cli.result import as_object

        console.out_json(as_object(model, seen, confidence=flags.confidence, hide_thinking=flags.hide_thinking))
    if flags.stats:
        console.err(_stats(flags, model, seen))


def _print_failure(flags: Flags, model: str, seen: Transcript, error: dict[str, str]) -> None:
    if flags.json:
        from edgemind.cli.result import as_failure

        seen.end()
        reason = {"worker_died": "worker_died", "interrupted": "cancelled"}.get(error["kind"])
        shown = {"confidence": flags.confidence, "hide_thinking": flags.hide_thinking}
        console.out_json(as_failure(model, seen, error, reason, **shown))


def _stats(flags: Flags, model: str, seen: Transcript) -> str:
    """What the answer cost, for a person."""
    assert seen.done is not None
    stats, steps = seen.done.stats, len(seen.done.steps)
    fresh = stats.prompt_tokens - stats.cached_tokens
    lines = [("model", model)]
    if seen.info:
        about = f"{seen.info.architecture}, {seen.info.parameters / 1e6:,.1f} M parameters, {seen.info.threads} threads"
        lines = [("model", f"{model} ({about}, {seen.info.gpu_layers} of {seen.info.layers} layers on a GPU)")]
        lines.append(("offline", _strength(seen.info.offline)))
    if seen.first_token_seconds is not None:
        lines.append(
            ("first token", f"{seen.first_token_seconds:.2f} s after the start, {seen.total_seconds:.2f} s in all")
        )
    lines += [
        ("prompt", f"{stats.prompt_tokens:,} tokens, {stats.cached_tokens:,} cached, {fresh:,} read in "
                   f"{stats.prefill_seconds:.2f} s ({stats.prefill_rate:,.0f} tok/s)"),
        ("reasoning", f"{stats.thinking_tokens:,} tokens in {steps} steps"
                      + (", closed by the budget" if seen.done.budget_spent else "")),
        ("answer", f"{stats.answer_tokens:,} tokens"),
        ("speed", f"{stats.decode_rate:,.1f} tok/s over {stats.decode_seconds:.2f} s"),
        ("context", f"{stats.context_used:,} of {stats.context_size:,} tokens, may grow to {stats.context_limit:,}"),
    ]  # fmt: skip
    if flags.confidence:
        lines.append(("confidence", summary(seen.tokens)))
    return "".join(f"{name:<12}{value}\n" for name, value in lines)


def _strength(offline: str) -> str:
    from edgemind.privacy.jail import Strength

    return Strength(offline).phrase


def _not_offline() -> NotOffline:
    from edgemind.privacy import jail

    reason = jail.why_not() or "the worker could not be shut in"
    return NotOffline(
        f"--require-offline: this system cannot keep the network shut ({reason}).",
        "See what holds here with `edgemind doctor`, or leave --require-offline out.",
    )
