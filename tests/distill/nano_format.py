"""The built-in model's chat format once more, in plain Python: what its template has to come out as."""

from __future__ import annotations

from collections.abc import Sequence

from edgemind.distill.tokenizer import END, NO_THOUGHT, START, THINK, THINK_END


def render_prompt(
    prompt: str, history: Sequence[tuple[str, str]] = (), system: str | None = None, thinking: bool = True
) -> str:
    """Everything before the model's own text."""
    turns = [("system", system)] if system is not None else []
    for user, assistant in history:
        turns += [("user", user), ("assistant", assistant)]
    turns.append(("user", prompt))
    text = "".join(f"{START}{role}\n{content}{END}\n" for role, content in turns)
    return f"{text}{START}assistant\n" + ("" if thinking else NO_THOUGHT)


def render_completion(thought: str, answer: str, thinking: bool = True) -> str:
    """The model's own text; without thinking the empty thought belongs to the prompt."""
    if not thinking:
        return f"{answer}{END}"
    return (f"{THINK}\n{thought}\n{THINK_END}\n\n" if thought else NO_THOUGHT) + f"{answer}{END}"
