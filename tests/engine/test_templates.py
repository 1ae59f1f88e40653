"""Every family's template renders what its model was trained on; a hostile one reaches nothing and ends in time."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from datetime import datetime
from typing import Any

import pytest
from chat_templates import TEMPLATES
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from edgemind.engine.events import Message
from edgemind.engine.reasoning import FORMATS, closed_empty, detect, opens_inside, suppression
from edgemind.engine.template_fallbacks import SOURCES, fallback_template
from edgemind.engine.template_sandbox import GenerationTag
from edgemind.engine.templates import (
    LARGEST_SOURCE,
    ChatTemplate,
    LoadedTemplate,
    Quirks,
    TemplateError,
    load_template,
    template_variables,
    variables_that_matter,
)

SYSTEM = Message(role="system", content="Be brief.")
HELLO = Message(role="user", content="Hello")
HI = Message(role="assistant", content="Hi!", reasoning="A greeting.")
SUM = Message(role="user", content="2+2?")
CHAT = (SYSTEM, HELLO, HI, SUM)


def no_token(_: str) -> bool:
    return False


def load(name: str) -> LoadedTemplate:
    return load_template(TEMPLATES[name], "any", no_token, "<s>", "</s>")


EXPECTED = {
    "qwen3": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi!"
    "<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n",
    "r1-distill": "<s>Be brief.<｜User｜>Hello<｜Assistant｜>Hi!<｜end▁of▁sentence｜>"
    "<｜User｜>2+2?<｜Assistant｜><think>\n",
    "gemma2": "<s><start_of_turn>user\nBe brief.\n\nHello<end_of_turn>\n<start_of_turn>model\nHi!<end_of_turn>\n"
    "<start_of_turn>user\n2+2?<end_of_turn>\n<start_of_turn>model\n",
    "gemma3": "<s><start_of_turn>user\nBe brief.\n\nHello<end_of_turn>\n<start_of_turn>model\nHi!<end_of_turn>\n"
    "<start_of_turn>user\n2+2?<end_of_turn>\n<start_of_turn>model\n",
    "gemma4": "<s><|turn>system\nBe brief.<turn|>\n<|turn>user\nHello<turn|>\n<|turn>model\nHi!<turn|>\n"
    "<|turn>user\n2+2?<turn|>\n<|turn>model\n<|channel>thought\n<channel|>",
    "magistral": "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Hello[/INST]Hi!</s>[INST]2+2?[/INST]",
    "granite": "<|start_of_role|>system<|end_of_role|>Be brief.<|end_of_text|>\n"
    "<|start_of_role|>user<|end_of_role|>Hello<|end_of_text|>\n"
    "<|start_of_role|>assistant<|end_of_role|>Hi!<|end_of_text|>\n"
    "<|start_of_role|>user<|end_of_role|>2+2?<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>",
    "lfm2.5": "<s><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n"
    "<|im_start|>assistant\nHi!<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n",
    "phi4-mini": "<|system|>Be brief.<|end|><|user|>Hello<|end|><|assistant|>Hi!<|end|>"
    "<|user|>2+2?<|end|><|assistant|>",
    "mistral": "<s>[INST]Hello[/INST]Hi!</s>[INST]Be brief.\n\n2+2?[/INST]",
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_conversation_in_the_words_of_each_family(name: str) -> None:
    loaded = load(name)
    assert loaded.source == "model"
    assert loaded.render(CHAT) == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_every_family_takes_any_conversation(name: str) -> None:
    loaded = load(name)
    assert loaded.source == "model"
    for messages in (
        (HELLO,),
        (SYSTEM, HELLO),
        (HELLO, SUM),
        (HI, SUM),
        (SYSTEM, HI, SUM),
        (HELLO, SYSTEM, HI, SYSTEM, SUM),
        (HELLO, HI, HI, SUM),
    ):
        text = loaded.render(messages)
        for message in messages:
            assert message.content in text
        if SYSTEM in messages:
            assert text.index("Be brief.") < text.index("2+2?" if SUM in messages else "Hello")


def plainly(source: str, messages: list[dict[str, Any]], variables: dict[str, Any]) -> str:
    """What Jinja's own sandbox makes of a template, set up as transformers does; nothing is counted."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, loopcontrols]
    )
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    environment.globals["strftime_now"] = lambda pattern: datetime.now().strftime(pattern)
    template = environment.from_string(source)
    return template.render(messages=messages, tools=None, bos_token="<s>", eos_token="</s>", **variables)


@pytest.mark.parametrize("name", sorted(TEMPLATES) + sorted(SOURCES))
def test_counting_changes_no_character(name: str) -> None:
    source = TEMPLATES.get(name) or SOURCES[name]
    template = load_template(source, "any", no_token, "<s>", "</s>").template
    for variables in ({}, {"enable_thinking": True}, {"enable_thinking": False}, {"thinking": True}):
        for prompt in (True, False):
            ours = template.render(CHAT, add_generation_prompt=prompt, extra=variables)
            theirs = plainly(source, template.as_dicts(CHAT), {"add_generation_prompt": prompt, **variables})
            assert ours == theirs


@pytest.mark.parametrize(
    ("name", "on", "off", "auto"),
    [
        ("qwen3", "open", "closed", "open"),
        ("qwen35", "inside", "closed", "inside"),
        ("smollm3", "open", "closed", "open"),
        ("gemma4", "open", "closed", "closed"),
        ("r1-distill", "inside", "inside", "inside"),
        ("gpt-oss", "open", "open", "open"),
    ],
)
def test_the_switch_of_each_family(name: str, on: str, off: str, auto: str) -> None:
    found = detect(TEMPLATES[name], no_token, "any")
    fmt = FORMATS[found.format]
    for thinking, expected in ((True, on), (False, off), (None, auto)):
        text = load(name).render(CHAT, thinking=thinking, switch=found.switch)
        assert opens_inside(text, fmt) == (expected == "inside")
        assert closed_empty(text, fmt) == (expected == "closed")
        if thinking is False:
            text += suppression(text, fmt)
            assert not opens_inside(text, fmt)


def test_reasoning_effort_is_a_word() -> None:
    loaded = load("gpt-oss")
    assert "Reasoning: low" in loaded.render(CHAT, thinking=False, switch="reasoning_effort")
    assert "Reasoning: medium" in loaded.render(CHAT, thinking=True, switch="reasoning_effort")
    assert "Reasoning: high" in loaded.render(
        CHAT, thinking=True, switch="reasoning_effort", extra={"reasoning_effort": "high"}
    )


def test_granite_thinks_when_its_variable_says_so() -> None:
    assert "<think></think>" in load("granite").render([HELLO], thinking=True, switch="thinking")
    assert "<think></think>" not in load("granite").render([HELLO], thinking=False, switch="thinking")


def test_an_earlier_thought_is_the_templates_to_keep_or_drop() -> None:
    assert "A greeting." not in load("qwen3").render(CHAT)
    assert "A greeting." in load("qwen3").render((SYSTEM, HELLO, HI), add_generation_prompt=False)
    assert "A greeting." not in load("lfm2.5").render(CHAT)
    assert "<think>A greeting.</think>" in load("lfm2.5").render(CHAT, extra={"preserve_thinking": True})
    assert "A greeting." not in load("gpt-oss").render(CHAT)


def test_quirks_are_found_by_probing() -> None:
    assert load("gemma2").template.quirks.no_system
    assert "no system prompt" in load("gemma2").note
    assert load("gemma3").template.quirks.alternating
    assert not load("gemma3").template.quirks.no_system
    assert load("typed-only").template.quirks.typed_content
    quirks = load("qwen3").template.quirks
    assert quirks == Quirks()
    assert load("qwen3").note == ""


def test_a_message_that_was_begun_can_go_on() -> None:
    template = load("qwen3").template
    assert template.continue_final((HELLO, Message(role="assistant", content="Well,"))).endswith("assistant\nWell,")
    with pytest.raises(TemplateError):
        template.continue_final((HELLO,))


# Templates that are missing or broken.


@pytest.mark.parametrize(
    "source",
    [
        "{% if %}",
        "{{ unclosed",
        "{% for m in messages %}{{ m.content.nothing.at_all }}{% endfor %}",
        "{{ raise_exception('no') }}",
        "Hello.",
        "{% for m in messages %}{{ m.role }}{% endfor %}",
        "{% include 'x' %}",
        "{{ 1 / 0 }}",
        "{% for m in messages %}{{ m.content | no_such_filter }}{% endfor %}",
        "{{ no_such_function() }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ (" + "(" * 5000,
        "{{ " + "-" * 20000 + "1 }}",
        "x" * (LARGEST_SOURCE + 1),
        "\x00{%",
    ],
)
def test_a_broken_template_is_replaced_with_a_note(source: str) -> None:
    loaded = load_template(source, "qwen3", no_token, "", "")
    assert loaded.source == "fallback"
    assert "unusable" in loaded.note
    assert "chatml" in loaded.note
    assert loaded.render(CHAT).endswith("<|im_start|>assistant\n")


def test_a_missing_template_is_replaced_with_a_note() -> None:
    for nothing in (None, "", "  \n"):
        loaded = load_template(nothing, "llama", no_token, "<s>", "</s>")
        assert loaded.source == "fallback"
        assert "no chat template" in loaded.note


@pytest.mark.parametrize(
    ("architecture", "vocabulary", "name"),
    [
        ("qwen2", "<|im_start|> <|im_end|>", "chatml"),
        ("llama", "<|im_start|> <|im_end|>", "chatml"),
        ("llama", "<|start_header_id|> <|end_header_id|> <|eot_id|>", "llama3"),
        ("llama", "<s> <0x0A>", "llama2"),
        ("llama", "[INST] [/INST]", "mistral"),
        ("gemma3", "<start_of_turn> <end_of_turn>", "gemma"),
        ("gemma4", "<|turn> <turn|>", "gemma4"),
        ("phi3", "<|user|> <|assistant|> <|end|>", "phi3"),
        ("phi3", "<|im_start|> <|im_sep|> <|im_end|>", "phi4"),
        ("granite", "<|start_of_role|> <|end_of_role|>", "granite"),
        ("gpt-oss", "<|start|> <|message|> <|end|>", "harmony"),
        ("llama", "<｜User｜> <｜Assistant｜>", "deepseek"),
        ("llama", "<|user|> <|assistant|>", "zephyr"),
        ("mistral3", "", "mistral"),
        ("qwen3", "", "chatml"),
        ("gpt2", "", "plain"),
    ],
)
def test_a_fallback_by_vocabulary_then_architecture(architecture: str, vocabulary: str, name: str) -> None:
    assert fallback_template(architecture, vocabulary.split().__contains__) == (name, SOURCES[name])


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_fallback_renders_any_conversation(name: str) -> None:
    template = ChatTemplate(SOURCES[name], bos="<s>", eos="</s>")
    for messages in (CHAT, (HELLO,), (HI, SUM), (HELLO, SUM), (SYSTEM, HELLO)):
        text = template.render(messages)
        position = -1
        for message in messages:
            position = text.index(message.content, position + 1)
        assert not text.endswith("Hello")


def test_the_plain_fallback_is_readable() -> None:
    template = ChatTemplate(SOURCES["plain"])
    assert template.render(CHAT) == "Be brief.\n\nUser: Hello\nAssistant: Hi!\nUser: 2+2?\nAssistant:"


# Hostile templates.

INJECTIONS = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ messages.__class__.__base__ }}",
    "{{ messages|attr('__class__') }}",
    "{{ messages|map(attribute='__class__')|list }}",
    "{{ raise_exception.__globals__ }}",
    "{{ raise_exception.__globals__['os'].system('true') }}",
    "{{ strftime_now.__code__ }}",
    "{{ range.__self__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ lipsum.__globals__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ '{0.__class__}'.format(messages) }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(raise_exception) }}",
    "{{ '{x.__class__}'.format_map({'x': messages}) }}",
    "{{ '%s' % raise_exception }}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
    "{% macro m() %}{{ caller.__class__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "{% for x in messages %}{{ loop.__class__ }}{% endfor %}",
    "{{ messages.append(1) }}",
    "{{ messages[0].update({'role': 'x'}) }}",
    "{% import 'os' as os %}{{ os.environ }}",
    "{% from '/etc/passwd' import x %}",
    "{% include '/etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ config }}{{ request.application }}{{ environment.globals }}",
    "{{ (messages|map('attr', '__class__')|list)[0] }}",
    "{{ messages|select('__class__')|list }}",
    "{{ [].__class__.__base__ }}",
    "{{ (1).__class__ }}",
    "{{ (1).to_bytes(8, 'big') }}",
    "{{ 'a'.encode().__class__ }}",
    "{{ 'ab'.translate({97: 'x'}) }}",
    "{{ {}.fromkeys([1]) }}",
    "{{ namespace }}{{ range }}{{ dict }}",
    "{{ strftime_now('%1000000000d') }}",
    "{{ strftime_now('%-1000000000d') }}",
]
FORBIDDEN = ("class", "<built-in", "<function", "<bound", "object at", "root:", "Namespace", "environ", "Macro", "b'")


@pytest.mark.parametrize("source", INJECTIONS)
def test_an_injection_reaches_nothing(source: str) -> None:
    messages = (HELLO, HI)
    try:
        text = ChatTemplate(source).render(messages)
    except TemplateError:
        return
    assert not any(part in text for part in FORBIDDEN), text
    assert messages == (HELLO, HI)


TIME_BOMBS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}"
    "{% endfor %}{% endfor %}{% endfor %}",
    "{% set l = range(99999)|list %}{% for a in l %}{% for b in l %}{% if a == b and a > 9 %}x{% endif %}"
    "{% endfor %}{% endfor %}",
    "{% macro m(n) %}{% for i in range(9) %}{% if n %}{{ m(n - 1) }}{% endif %}{% endfor %}{% endmacro %}{{ m(30) }}",
    "{% set t = [[[1]]] %}{% for a in range(9) recursive %}{{ loop(range(9)) }}{% endfor %}",
    "{% for a in range(99999) %}{% set x = range(99999)|list|sort|list %}{% endfor %}",
    "{% for a in range(99999) %}{% set x = range(99999)|map('string')|join %}{% endfor %}",
    "{% set s = 'a' * 900000 %}{% for a in range(99999) %}{% set x = s.replace('a', 'b').upper() %}{% endfor %}",
    "{% for a in range(99999) %}{% set x = 'abc' in range(99999)|list %}{% endfor %}",
    "{% set ns = namespace(x=1) %}{% for a in range(99999) %}{% set ns.x = ns.x * 3 %}{% endfor %}",
]

SIZE_BOMBS = [
    "{{ 'a' * 1000000000 }}",
    "{{ 1000000000 * 'a' }}",
    "{% set x = [0] * 1000000000 %}",
    "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "{% set ns = namespace(x=['a']) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set ns = namespace(x=['a']) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x=('a',)) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x={}) %}{% for i in range(60) %}{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}"
    "{{ ns.x | tojson }}",
    "{% set ns = namespace(x={}) %}{% for i in range(60) %}{% set ns.x = dict(a=ns.x, b=ns.x) %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x=1) %}{% for i in range(60) %}{% set ns.x = namespace(a=ns.x, b=ns.x) %}{% endfor %}"
    "{{ ns.x }}",
    "{% set ns = namespace(x=1) %}{% macro m() %}{% set ns.x = varargs %}{% endmacro %}"
    "{% for i in range(60) %}{% set _ = m(ns.x, ns.x) %}{% endfor %}{{ ns.x == ns.x|list }}{{ ns.x }}",
    "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(60) %}"
    "{% set y %}{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = y %}{% endfor %}",
    "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}{% set ns = namespace(x='aaaaaaaa') %}"
    "{% for i in range(60) %}{% set ns.x = m(ns.x) %}{% endfor %}",
    "{% set x %}{% for i in range(99999) %}" + "a" * 100000 + "{% endfor %}{% endset %}",
    "{% for i in range(99999) %}" + "a" * 100000 + "{% endfor %}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%*d' % (1000000000, 1) }}",
    "{{ '%.1000000000f' % 1 }}",
    "{{ ('%s' * 10000) % ('a' * 100000) }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ '{:{}}'.format(1, 1000000000) }}",
    "{{ '{0}{0}{0}{0}{0}{0}{0}{0}'.format('a' * 1000000) }}",
    "{{ 'a'.center(1000000000) }}",
    "{{ 'a'.ljust(1000000000) }}",
    "{{ 'a'.rjust(width=1000000000) }}",
    "{{ 'a'.zfill(1000000000) }}",
    "{{ '\t'.expandtabs(1000000000) }}",
    "{{ ('a' * 100000).join(range(99999)|map('string')|list) }}",
    "{{ ('a' * 100000).join('b' * 100000) }}",
    "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
    "{{ ('a' * 100000).replace('', 'b' * 100000) }}",
    "{{ ('a' * 100000)|replace('a', 'b' * 100000) }}",
    "{{ ('\n' * 100000)|indent(100000) }}",
    "{{ ('\n' * 100000)|indent('b' * 100000) }}",
    "{{ ('\n' * 100000)|indent(width='b' * 100000, blank=true) }}",
    "{{ ('a' * 100000)|replace(old='a', new='b' * 100000) }}",
    "{{ ('a' * 100000)|replace('a', new='b' * 100000) }}",
    "{{ ('a' * 100000).join(d|d('b' * 100000)) }}",
    "{{ 'a'|center(1000000000) }}",
    "{{ 'a'|indent(1000000000) }}",
    "{{ messages|tojson(indent=1000000000) }}",
    "{{ messages|tojson(indent='a' * 1000000) }}",
    "{{ range(99999)|map('string')|join('a' * 100000) }}",
    "{{ messages|batch(1000000000, 'x')|list }}",
    "{{ lipsum(n=1000000) }}",
    "{{ 10 ** 10 ** 9 }}",
    "{{ 10 ** 1000000000 }}",
    "{{ 2 ** -1000000000 }}",
    "{% set ns = namespace(x=9) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "{{ 5|round(-1000000000) }}",
    "{{ ('9' * 100000)|int }}",
    "{{ ('a ' * 400000).split(' ') | list | length }}" * 200,
    "{% set s = 'a' * 1000000 %}{% set ns = namespace() %}"
    + "".join(f"{{% set ns.x{i} = s[{i + 1}:] %}}" for i in range(300)),
    "{% set s = 'a' * 1000000 %}{% set ns = namespace() %}"
    + "".join(f"{{% set ns.x{i} = s.replace('a', 'b') %}}" for i in range(300)),
]


def limited(source: str, seconds: float) -> float:
    """CPU seconds that loading and rendering took; errors of the template are expected."""
    start = time.process_time()
    with contextlib.suppress(TemplateError):
        ChatTemplate(source, cpu_seconds=seconds).render((HELLO, HI))
    return time.process_time() - start


@pytest.mark.parametrize("source", TIME_BOMBS)
def test_a_template_that_does_not_end_is_ended(source: str) -> None:
    assert limited(source, 0.3) < 1.5


@pytest.mark.parametrize("source", SIZE_BOMBS)
def test_a_template_cannot_build_what_does_not_fit(source: str) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert limited(source, 1.0) < 3.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000


def test_the_deadline_also_holds_outside_the_main_thread() -> None:
    spent: list[float] = []
    thread = threading.Thread(target=lambda: spent.append(limited(TIME_BOMBS[0], 0.3)))
    thread.start()
    thread.join(20)
    assert spent


def test_a_long_conversation_is_rendered_quickly() -> None:
    messages = [SYSTEM]
    for number in range(300):
        messages += [Message(role="user", content=f"{number} " + "word " * 500), HI]
    messages.append(SUM)
    for name in TEMPLATES:
        start = time.process_time()
        text = load(name).render(messages)
        assert time.process_time() - start < 1.5, name
        assert len(text) > 700_000


def test_a_huge_message_is_no_bomb() -> None:
    messages = (Message(role="user", content="x y\n" * 2_000_000),)
    for name in TEMPLATES:
        assert len(load(name).render(messages)) > 7_000_000


def test_what_templates_use_works_as_in_transformers() -> None:
    def render(source: str) -> str:
        return ChatTemplate(source, bos="<s>").render((HELLO, HI))

    assert render("{{ {'a': '<é>'} | tojson }}") == '{"a": "<é>"}'
    assert render("{{ [1]|tojson(indent=2) }}") == "[\n  1\n]"
    assert render("{% for m in messages %}{% if loop.last %}{% break %}{% endif %}{{ m.role }}{% endfor %}") == "user"
    assert render("{% generation %}a{% endgeneration %}") == "a"
    assert render("a\n  {% if true %}\nb\n  {% endif %}\nc") == "a\nb\nc"
    assert render("{{ undefined_name }}|{{ messages[9] }}|{{ x is defined }}") == "||False"
    assert render("{{ messages[0]['content'] ~ 1 ~ none }}") == "Hello1None"
    assert render("{{ '%s-%5.1f-%d%%' % ('a', 2.25, 3) }}") == "a-  2.2-3%"
    assert render("{{ '{}:{:>3}'.format('a', 1) }}") == "a:  1"
    assert render("{{ messages|map(attribute='role')|join(', ') }}") == "user, assistant"
    assert render("{{ messages|selectattr('role', 'equalto', 'user')|list|length }}") == "1"
    assert render("{% set ns = namespace(a=1) %}{% set ns.a = ns.a + 1 %}{{ ns.a }}") == "2"
    assert render("{{ messages|first|items|list|length }}{{ [3, 1]|sort|first }}{{ [1, 2]|max }}") == "212"
    assert render("{{ {'b': 1, 'a': 2}|dictsort|tojson }}") == '[["a", 2], ["b", 1]]'
    assert render("{{ 'a b'|title ~ ' <'|e ~ ' x '|trim|upper }}") == "A B &lt;X"
    assert render("{% macro m(a, b=2) %}{{ a + b }}{% endmacro %}{{ m(1) }}{{ m(1, b=3) }}") == "34"
    assert render("{{ messages[::-1][0].role }}{{ 'abc'[1:] }}{{ loop_var|default('d') }}") == "assistantbcd"
    assert render("{{ strftime_now('%Y')|length }}") == "4"
    assert render("{{ 2 ** 3 }}{{ 7 // 2 }}{{ 7 % 4 }}{{ 'a' in 'abc' }}{{ 1 if messages else 2 }}") == "833True1"
    assert render("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}") == "a1"
    assert render("{% for i in range(3) %}{{ loop.index }}/{{ loop.length }} {% endfor %}") == "1/3 2/3 3/3 "
    assert render("{{ messages[0].get('none', 'x') }}{{ 'a,b'.split(',')|join }}{{ ['a']|string }}") == "xab['a']"
    assert render("{{ '\n'.join(['a', 'b']) }}{{ 'x'.join('ab') }}") == "a\nbaxb"
    macro = "{% macro m(x) %}{{ x }}{% endmacro %}"
    assert render(macro + "{% for i in [1] %}{% set ns = namespace() %}{{ m(i) }}{% endfor %}") == "1"
    assert render("{% set ns = namespace(a=1) %}{% set both = [ns, loop] %}{{ both[0].a }}") == "1"


def test_a_switch_is_a_variable_that_makes_a_difference() -> None:
    on_off = {"thinking": (True, False)}
    sets_it = (
        "{% for m in messages %}{% if m.role == 'assistant' %}{% set thinking = m.t %}"
        "{% set thinking = thinking or '' %}{% endif %}{{ m.content }}{% endfor %}"
    )
    assert "thinking" in template_variables(sets_it)
    assert not variables_that_matter(sets_it, on_off)
    assert variables_that_matter("{{ 'on' if thinking }}" + sets_it, on_off) == {"thinking"}
    assert variables_that_matter("{{ thinking }}{{ raise_exception('broken') }}", on_off) == {"thinking"}


def test_variables_that_a_template_reads() -> None:
    assert "enable_thinking" in template_variables(TEMPLATES["qwen3"])
    assert "enable_thinking" in template_variables(TEMPLATES["smollm3"])
    assert "thinking" not in template_variables(TEMPLATES["lfm2.5"])
    assert template_variables("{% if %}") == frozenset()
