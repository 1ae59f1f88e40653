"""``edgemind run``: one prompt, one answer. This file declares the flags; ``answer`` does it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgemind.cli.options import Flags, HideThinking, Json, Model, RequireOffline, Think

EPILOG = (
    "A prompt on the command line can be seen by other users of this machine (ps); send what is private through a "
    "pipe: edgemind run < prompt.txt. When standard output is a pipe the reasoning goes to standard error. Ctrl-C "
    "stops the answer and keeps what is there; a second one leaves at once."
)


def register(app: typer.Typer) -> None:
    app.command(name="run", epilog=EPILOG)(run)


def run(
    context_: typer.Context,
    prompt: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROMPT", help="The prompt; standard input is appended, or read alone."),
    ] = None,
    model: Model = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", metavar="FILE", help="Attach a text file; may be given several times."),
    ] = None,
    system: Annotated[str | None, typer.Option("--system", "-s", help="What the model is told first.")] = None,
    think: Think = False,
    no_think: Annotated[bool, typer.Option("--no-think", help="Answer without reasoning.")] = False,
    hide_thinking: HideThinking = False,
    thinking_budget: Annotated[
        int | None, typer.Option(metavar="TOKENS", help="Most tokens of reasoning; then the model has to answer.")
    ] = None,
    thinking_close: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What is written into a thought whose budget is spent.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", "-n", metavar="TOKENS", help="Most tokens, reasoning included.")
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="End the answer before this text; several times.")
    ] = None,
    schema: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Answer in JSON that fits this JSON schema.")
    ] = None,
    grammar: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Answer in the language of this GBNF grammar.")
    ] = None,
    confidence: Annotated[
        bool, typer.Option("--confidence", help="Mark guessed words (colour, or [?]); numbers with --json.")
    ] = False,
    json: Json = False,
    stats: Annotated[bool, typer.Option("--stats", help="Tokens and speed, on standard error.")] = False,
    require_offline: RequireOffline = False,
    temperature: Annotated[
        float | None, typer.Option("--temperature", "-t", help="0 is greedy; higher is more varied.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same machine: same text.")] = None,
    context: Annotated[int | None, typer.Option(metavar="TOKENS", help="Upper limit of the context.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of the engine.")] = None,
    gpu_layers: Annotated[
        int | None, typer.Option(help="Layers on the GPU; chosen by free memory if not given.")
    ] = None,
    kv_type: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Numbers of the context: f16, q8_0 (half the memory) or f32.")
    ] = None,
    lora: Annotated[
        list[str] | None, typer.Option(metavar="PATH[:SCALE]", help="A LoRA adapter; several times.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Choose among so many tokens; 0: all.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Choose among tokens of this share of probability.")] = None,
    min_p: Annotated[float | None, typer.Option(help="Leave out tokens under this part of the best one's.")] = None,
    typical_p: Annotated[float | None, typer.Option(help="Locally typical sampling; 1: off.")] = None,
    repeat_penalty: Annotated[float | None, typer.Option(help="Above 1 makes repetition less likely.")] = None,
    presence_penalty: Annotated[float | None, typer.Option(help="Taken off once for a token that occurred.")] = None,
    frequency_penalty: Annotated[float | None, typer.Option(help="Taken off for each time it occurred.")] = None,
    penalty_last_n: Annotated[int | None, typer.Option(help="Tokens the penalties look back; -1: all.")] = None,
    dry_multiplier: Annotated[float | None, typer.Option(help="Strength of DRY; 0: off.")] = None,
    dry_base: Annotated[float | None, typer.Option(help="Growth of DRY with the length repeated.")] = None,
    dry_allowed_length: Annotated[int | None, typer.Option(help="Longest repetition DRY lets pass.")] = None,
    dry_penalty_last_n: Annotated[int | None, typer.Option(help="Tokens DRY looks back; -1: all.")] = None,
    xtc_probability: Annotated[float | None, typer.Option(help="How often XTC drops the likeliest tokens.")] = None,
    xtc_threshold: Annotated[float | None, typer.Option(help="Probability from which XTC may drop.")] = None,
    mirostat: Annotated[int | None, typer.Option(help="Mirostat 1 or 2 in place of the filters; 0: off.")] = None,
    mirostat_tau: Annotated[float | None, typer.Option(help="Surprise that mirostat aims at.")] = None,
    mirostat_eta: Annotated[float | None, typer.Option(help="How fast mirostat adapts.")] = None,
    logit_bias: Annotated[
        list[str] | None, typer.Option(metavar="TOKEN=BIAS", help="Make a token more or less likely; several times.")
    ] = None,
) -> int:
    """Answer one prompt, with the reasoning in the open.

    The answer goes to standard output and can be piped on. Without --model the one of the settings is used, else the
    model that comes with EdgeMind.
    """
    from edgemind.cli.answer import answer

    return answer(Flags(**context_.params))
