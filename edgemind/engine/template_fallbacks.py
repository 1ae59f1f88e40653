"""Chat templates of our own for models that bring none, or a broken one: one per family of control tokens.

Not for: choosing between the model's template and these (``templates``).
"""

from __future__ import annotations

from collections.abc import Callable

_SYSTEM = "{%- set system = messages[0].content | trim if messages and messages[0].role == 'system' else '' -%}"
_TURNS = "{%- set turns = messages[1:] if messages and messages[0].role == 'system' else messages -%}"


def _turns(before: str, after: str, assistant: str, bos: bool = True, roles: str = "message.role") -> str:
    """A template of turns ``before`` + content + ``after``, where ``{role}`` in ``before`` is the role's name."""
    opening = "'" + before.replace("{role}", f"' + {roles} + '") + "'"
    return (
        ("{{- bos_token -}}" if bos else "")
        + "{%- for message in messages -%}"
        + "{{- " + opening + " + message.content | trim + '" + after + "' -}}"
        + "{%- endfor -%}{%- if add_generation_prompt -%}{{- '" + assistant + "' -}}{%- endif -%}"
    )  # fmt: skip


_GEMMA_ROLE = "('model' if message.role == 'assistant' else message.role)"

SOURCES: dict[str, str] = {
    "chatml": _turns("<|im_start|>{role}\\n", "<|im_end|>\\n", "<|im_start|>assistant\\n", bos=False),
    "phi4": _turns("<|im_start|>{role}<|im_sep|>", "<|im_end|>", "<|im_start|>assistant<|im_sep|>", bos=False),
    "llama3": _turns(
        "<|start_header_id|>{role}<|end_header_id|>\\n\\n",
        "<|eot_id|>",
        "<|start_header_id|>assistant<|end_header_id|>\\n\\n",
    ),
    "gemma4": _turns("<|turn>{role}\\n", "<turn|>\\n", "<|turn>model\\n", roles=_GEMMA_ROLE),
    "granite": _turns(
        "<|start_of_role|>{role}<|end_of_role|>",
        "<|end_of_text|>\\n",
        "<|start_of_role|>assistant<|end_of_role|>",
        bos=False,
    ),
    "phi3": _turns("<|{role}|>\\n", "<|end|>\\n", "<|assistant|>\\n", bos=False),
    "harmony": _turns(
        "<|start|>{role}<|message|>",
        "<|end|>",
        "<|start|>assistant",
        bos=False,
        roles="('assistant<|channel|>final' if message.role == 'assistant' else "
        "'developer' if message.role == 'system' else message.role)",
    ),
    "zephyr": _turns("<|{role}|>\\n", "{E}\\n", "<|assistant|>\\n", bos=False).replace("{E}", "' + eos_token + '"),
    "gemma": "{{- bos_token -}}" + _SYSTEM + _TURNS + (
        "{%- for message in turns -%}"
        "{{- '<start_of_turn>' + " + _GEMMA_ROLE + " + '\\n' -}}"
        "{%- if loop.first and system -%}{{- system + '\\n\\n' -}}{%- endif -%}"
        "{{- message.content | trim + '<end_of_turn>\\n' -}}"
        "{%- endfor -%}{%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}"
    ),
    "mistral": "{{- bos_token -}}" + _SYSTEM + _TURNS + (
        "{%- for message in turns -%}"
        "{%- if message.role == 'assistant' -%}{{- ' ' + message.content | trim + eos_token -}}"
        "{%- else -%}{{- '[INST] ' + (system + '\\n\\n' if loop.first and system else '') -}}"
        "{{- message.content | trim + ' [/INST]' -}}{%- endif -%}"
        "{%- endfor -%}"
    ),
    "llama2": _SYSTEM + _TURNS + (
        "{%- for message in turns -%}"
        "{%- if message.role == 'assistant' -%}{{- ' ' + message.content | trim + ' ' + eos_token -}}"
        "{%- else -%}{{- bos_token + '[INST] ' -}}"
        "{%- if loop.first and system -%}{{- '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' -}}{%- endif -%}"
        "{{- message.content | trim + ' [/INST]' -}}{%- endif -%}"
        "{%- endfor -%}"
    ),
    "deepseek": "{{- bos_token -}}" + _SYSTEM + _TURNS + (
        "{{- system -}}{%- for message in turns -%}"
        "{%- if message.role == 'assistant' -%}{{- '<｜Assistant｜>' + message.content | trim + eos_token -}}"
        "{%- else -%}{{- '<｜User｜>' + message.content -}}{%- endif -%}"
        "{%- endfor -%}{%- if add_generation_prompt -%}{{- '<｜Assistant｜>' -}}{%- endif -%}"
    ),
    "plain": _SYSTEM + _TURNS + (
        "{{- bos_token -}}{%- if system -%}{{- system + '\\n\\n' -}}{%- endif -%}"
        "{%- for message in turns -%}"
        "{{- ('Assistant: ' if message.role == 'assistant' else 'User: ') + message.content | trim + '\\n' -}}"
        "{%- endfor -%}{%- if add_generation_prompt -%}{{- 'Assistant:' -}}{%- endif -%}"
    ),
}  # fmt: skip
"""Jinja sources by family. They use ``messages``, ``bos_token``, ``eos_token`` and ``add_generation_prompt`` only."""

_BY_TOKENS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("phi4", ("<|im_start|>", "<|im_sep|>")),
    ("chatml", ("<|im_start|>", "<|im_end|>")),
    ("llama3", ("<|start_header_id|>", "<|end_header_id|>")),
    ("gemma4", ("<|turn>", "<turn|>")),
    ("gemma", ("<start_of_turn>", "<end_of_turn>")),
    ("granite", ("<|start_of_role|>", "<|end_of_role|>")),
    ("harmony", ("<|start|>", "<|message|>", "<|end|>")),
    ("deepseek", ("<｜User｜>", "<｜Assistant｜>")),
    ("mistral", ("[INST]", "[/INST]")),
    ("phi3", ("<|user|>", "<|assistant|>", "<|end|>")),
    ("zephyr", ("<|user|>", "<|assistant|>")),
)

_BY_ARCHITECTURE: tuple[tuple[str, str], ...] = (
    ("mistral", "mistral"),
    ("qwen", "chatml"),
    ("lfm", "chatml"),
    ("gemma4", "gemma4"),
    ("gemma", "gemma"),
    ("granite", "granite"),
    ("phi3", "phi3"),
    ("gpt-oss", "harmony"),
)


def fallback_template(architecture: str, has_token: Callable[[str], bool]) -> tuple[str, str]:
    """``(name, Jinja source)`` of the template that fits a vocabulary, else an architecture, else plain text.

    The vocabulary goes first: a family's control tokens in it are what the model was trained with, whatever its
    architecture is called. A Llama with the SentencePiece vocabulary of Llama 2 gets that family's form.
    """
    for name, tokens in _BY_TOKENS:
        if all(has_token(token) for token in tokens):
            return name, SOURCES[name]
    for prefix, name in _BY_ARCHITECTURE:
        if architecture.lower().startswith(prefix):
            return name, SOURCES[name]
    if architecture.lower() == "llama" and has_token("<s>") and has_token("<0x0A>"):
        return "llama2", SOURCES["llama2"]
    return "plain", SOURCES["plain"]
