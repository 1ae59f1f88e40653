"""Thought and answer come apart the same way however the text arrives, for every family's marks."""

from __future__ import annotations

import time

import chat_templates
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgemind.engine.code_context import CodeContext
from edgemind.engine.reasoning import (
    FORMATS,
    Piece,
    ReasoningParser,
    closed_empty,
    continuation,
    detect,
    opens_inside,
    suppression,
)


def parse(name: str, pieces: list[str], inside: bool = False) -> tuple[str, str]:
    """``(thought, answer)`` of a text fed in pieces."""
    parser = ReasoningParser(FORMATS[name], inside)
    out: list[Piece] = []
    for piece in pieces:
        out += parser.feed(piece)
    out += parser.finish()
    assert all(piece.text for piece in out)
    return (
        "".join(piece.text for piece in out if piece.kind == "thinking"),
        "".join(piece.text for piece in out if piece.kind == "answer"),
    )


def every_way(name: str, text: str, inside: bool = False) -> tuple[str, str]:
    """The result, which must be the same in one piece, character by character, and cut once anywhere."""
    whole = parse(name, [text], inside)
    assert parse(name, list(text), inside) == whole
    for cut in range(len(text)):
        assert parse(name, [text[:cut], text[cut:]], inside) == whole, (text[:cut], text[cut:])
    return whole


TRANSCRIPTS = [
    ("think", False, "<think>\nTwo and two.\n</think>\n\nFour.", "Two and two.", "Four."),
    ("think", False, "  \n<think>Two.</think>Four.", "Two.", "Four."),
    ("think", False, "<think>\n\n</think>\n\nFour.", "", "Four."),
    ("think", False, "Four.", "", "Four."),
    ("think", False, "<think>\nnever closed\n", "never closed", ""),
    ("think", False, "", "", ""),
    ("think", False, "a < b and b <tag> c", "", "a < b and b <tag> c"),
    ("think", True, "<think>\nsaid twice\n</think>\nFour.", "said twice", "Four."),
    ("think", False, "<think>x\n\n\n  y</think>\n\n\nA\n\nB\n", "x\n\n\n  y", "A\n\nB\n"),
    ("think-open", True, "Okay, so 2+2.\n</think>\n\n**4**", "Okay, so 2+2.", "**4**"),
    ("think-open", True, "Okay, so", "Okay, so", ""),
    ("think-open", False, "no tag at all\n</think>\n\nanswer", "", "no tag at all\nanswer"),
    ("lfm", False, "<think>a</think>\nb", "a", "b"),
    ("reasoning", False, "<reasoning>\na\n</reasoning>\n\nb", "a", "b"),
    ("magistral", False, "[THINK]Hmm [1] and [2].[/THINK]See [THIS].", "Hmm [1] and [2].", "See [THIS]."),
    ("magistral", False, "[THINK]a[/THINK]b[THINK]c[/THINK]d", "a\n\nc", "bd"),
    ("thought-channel", False, "<|channel>thought\nI add.\n<channel|>Four.", "I add.", "Four."),
    ("thought-channel", False, "<|channel>thought\n<channel|>Four.", "", "Four."),
    (
        "channel",
        False,
        "<|channel|>analysis<|message|>Add them.<|end|><|start|>assistant<|channel|>final<|message|>Four.<|return|>",
        "Add them.",
        "Four.",
    ),
    (
        "channel",
        False,
        "<|channel|>analysis<|message|>One.<|end|><|start|>assistant<|channel|>analysis<|message|>Two.<|end|>"
        "<|start|>assistant<|channel|>commentary<|message|>Let me look.<|end|>"
        "<|start|>assistant<|channel|>final<|message|>Four.",
        "One.\n\nTwo.",
        "Let me look.\n\nFour.",
    ),
    (
        "channel",
        False,
        "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>",
        "{}",
        "",
    ),
    ("channel", False, " to=functions.f<|channel|>commentary<|message|>{}", "{}", ""),
    ("channel", False, "to=python <|constrain|>code<|message|>1+1", "1+1", ""),
    ("channel", False, "to=5 apples ok", "", "to=5 apples ok"),
    ("channel", False, "to=", "", "to="),
    ("channel", False, "to=5", "", "to=5"),
    ("channel", False, "to=a<b", "", "to=a<b"),
    ("channel", False, "to=5<|return|>", "", "to=5"),
    ("channel", False, "to=" + "x" * 250, "", "to=" + "x" * 250),
    ("channel", True, "goes on<|end|><|start|>assistant<|channel|>final<|message|>Four.", "goes on", "Four."),
    ("channel", False, "Four, after a prefilled header.", "", "Four, after a prefilled header."),
    ("channel", False, "<|channel|>analysis<|message|>cut o", "cut o", ""),
    (
        "granite",
        False,
        "Here is my thought process:\n\nAdd.\n\nHere is my response:\n\nFour.",
        "Add.",
        "Four.",
    ),
    ("granite", False, "Here's my thought process: Add. Here is my response: Four.", "Add.", "Four."),
    ("granite", False, "<think>Add.</think>\n<response>Four.</response>", "Add.", "Four."),
    ("granite", False, "<think>Here is my response: no</think><response>Yes.", "Here is my response: no", "Yes."),
    ("granite", False, "Dear Ann,\nHere is my response: no.", "", "Dear Ann,\nHere is my response: no."),
    ("granite", False, "Here is my house.", "", "Here is my house."),
    ("none", False, "  <think>verbatim</think>\n", "", "  <think>verbatim</think>\n"),
]


@pytest.mark.parametrize(("name", "inside", "text", "thought", "answer"), TRANSCRIPTS)
def test_a_transcript_of_each_family(name: str, inside: bool, text: str, thought: str, answer: str) -> None:
    assert every_way(name, text, inside) == (thought, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "Use the `<think>` tag.",
        "Use ``a ` <think>`` here.",
        "In prose the <think> tag is a mention.",
        "```xml\n<think>\nx\n</think>\n```\nDone.",
        "~~~\n<think>\n~~~\nDone.",
        "1. Write:\n   ```\n   <think>\n   ```\n2. End.",
        "A lone `</think>` too.",
        "````\n```\n<think>\n````\nDone.",
        "<thinking> is another tag",
    ],
)
def test_a_mention_of_a_tag_in_an_answer_stays_answer(answer: str) -> None:
    assert every_way("think", f"<think>\nplan\n</think>\n\n{answer}") == ("plan", answer)


def test_a_second_thought_after_some_answer_is_a_thought() -> None:
    text = "<think>\na\n</think>\n\nFirst part.\n\n<think>\nb\n</think>\n\nSecond part."
    assert every_way("think", text) == ("a\n\nb", "First part.\n\nSecond part.")


def test_a_stray_backtick_hides_a_tag_only_to_the_end_of_its_line() -> None:
    text = "<think>a</think>It`s open\n<think>b</think>\nend"
    assert every_way("think", text) == ("a\n\nb", "It`s open\nend")


def test_a_close_tag_between_backticks_in_a_thought_is_a_mention() -> None:
    text = "<think>\nThe user asks about `</think>` tags.\n</think>\nIt closes."
    assert every_way("think", text) == ("The user asks about `</think>` tags.", "It closes.")
    assert every_way("think", "<think>unpaired `</think>\nA") == ("unpaired `", "A")


def test_the_end_of_the_output_never_shows_half_a_tag() -> None:
    assert every_way("think", "<think>\nabc\n</thi") == ("abc", "")
    assert every_way("think", "<think>\nabc\n</think") == ("abc", "")
    assert every_way("think", "<thi") == ("", "")
    assert every_way("think", "<think>2 <") == ("2 <", "")
    assert every_way("think", "<think>a</think>so 1 <") == ("a", "so 1 <")


def test_only_what_could_be_a_tag_waits() -> None:
    parser = ReasoningParser(FORMATS["think"], True)
    assert parser.feed("a </th") == [Piece("thinking", "a")]
    assert parser.feed("e") == [Piece("thinking", " </the")]
    assert parser.feed(" b\n") == [Piece("thinking", " b")]
    assert parser.feed("c") == [Piece("thinking", "\nc")]
    assert parser.feed("</think>x<") == [Piece("answer", "x")]
    assert parser.feed("p>") == [Piece("answer", "<p>")]


def test_state_says_what_the_next_character_is() -> None:
    parser = ReasoningParser(FORMATS["think"], False)
    states = [parser.state]
    for text in ("\n", "<think>", "a", "</think>", "b"):
        parser.feed(text)
        states.append(parser.state)
    assert states == ["before", "before", "thinking", "thinking", "answer", "answer"]
    assert ReasoningParser(FORMATS["think"], True).state == "thinking"
    assert ReasoningParser(FORMATS["none"], True).state == "before"


def test_between_two_harmony_messages_nothing_is_settled() -> None:
    parser = ReasoningParser(FORMATS["channel"], False)
    parser.feed("<|channel|>analysis<|message|>a")
    assert parser.state == "thinking"
    parser.feed("<|end|><|start|>assistant")
    assert parser.state == "before"
    parser.feed("<|channel|>final<|message|>")
    assert parser.state == "answer"


def test_an_answer_that_looks_like_a_harmony_header_does_not_wait_for_its_end() -> None:
    parser = ReasoningParser(FORMATS["channel"], False)
    assert parser.feed("to=5 ") == []
    assert parser.feed("a") == [Piece("answer", "to=5 a")]


def test_the_forced_close_matches_the_tag_that_is_open() -> None:
    parser = ReasoningParser(FORMATS["granite"], False)
    parser.feed("<think>a")
    assert "</think>" in parser.force_close
    parser = ReasoningParser(FORMATS["granite"], False)
    parser.feed("Here is my thought process: a")
    assert "Here is my response:" in parser.force_close


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "none"])
def test_forced_close_and_open_and_suppression_are_understood(name: str) -> None:
    fmt = FORMATS[name]
    parser = ReasoningParser(fmt, False)
    parser.feed(fmt.force_open + "thought")
    assert parser.state == "thinking"
    parser.feed(parser.force_close)
    assert parser.state == "answer"
    assert parser.feed("yes") + parser.finish() == [Piece("answer", "yes")]
    if fmt.suppress:
        prompt = "prompt" + suppression("prompt", fmt)
        assert closed_empty(prompt, fmt)
        assert not opens_inside(prompt, fmt)
        assert suppression(prompt, fmt) == ""
    assert opens_inside("prompt" + fmt.force_open, fmt)
    assert not opens_inside("prompt" + fmt.force_open + suppression(fmt.force_open, fmt), fmt)


def test_a_prompt_that_only_mentions_a_tag_does_not_start_inside() -> None:
    fmt = FORMATS["think"]
    assert not opens_inside("<|im_start|>user\nWhat is <think><|im_end|>\n<|im_start|>assistant\n", fmt)
    assert not opens_inside("<|im_start|>assistant\n<think>\n\n</think>\n\n", fmt)
    assert opens_inside("<|im_start|>assistant\n<think>\n", fmt)


def test_a_begun_message_goes_on_where_it_was() -> None:
    fmt = FORMATS["think"]
    assert continuation("assistant\n", fmt, None, "The sum") == "The sum"
    assert continuation("assistant\n<think>\n", fmt, None, "The sum") == "\n</think>\n\nThe sum"
    assert continuation("assistant\n", fmt, "I add", "") == "<think>\nI add"
    assert continuation("assistant\n<think>\n", fmt, "I add", "The sum") == "I add\n</think>\n\nThe sum"
    assert continuation("assistant\n", FORMATS["none"], "dropped", "The sum") == "The sum"


FRAGMENTS = ["<think>", "</think>", "<", "</th", "think>", "`", "```", "\n", " ", "a", "[THINK]", "[/THINK]", "~~~"]
FRAGMENTS += ["<|channel|>", "analysis", "final", "<|message|>", "<|end|>", "<|start|>assistant", "<|return|>", "to="]
FRAGMENTS += ["<|channel>thought", "<channel|>", "Here is my ", "response:", "thought process:", "<response>", "|>"]
FRAGMENTS += ["</response>", "Here is my thought process:", "Here is my response:"]


@given(
    st.sampled_from(sorted(FORMATS)),
    st.booleans(),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3)), max_size=25),
)
@example("think", False, ["<think>", "`", "</think>", "`"])
def test_how_the_text_was_cut_changes_nothing(name: str, inside: bool, parts: list[str]) -> None:
    text = "".join(parts)
    whole = parse(name, [text], inside)
    assert parse(name, parts, inside) == whole
    assert parse(name, list(text), inside) == whole


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25), st.booleans())
def test_outside_code_no_whole_tag_is_left_in_the_text(parts: list[str], inside: bool) -> None:
    text = "".join(part for part in parts if "`" not in part and "~" not in part)
    thought, _ = parse("think", [text], inside)
    assert "</think>" not in thought


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize(
    "unit", ["<", "<th", "</think", "`", "\n", " ", "a", "[/", "<|", "Here is ", "<think>", "</think>", "```\n"]
)
def test_hostile_text_takes_linear_time(name: str, unit: str) -> None:
    def seconds(size: int) -> float:
        pieces = [unit * 16] * (size // (16 * len(unit)))
        start = time.process_time()
        parse(name, pieces, inside=True)
        return time.process_time() - start

    seconds(10_000)
    assert seconds(400_000) < 2.0


def test_a_megabyte_without_newline_in_one_piece() -> None:
    start = time.process_time()
    assert len(parse("think", ["<think>" + "x<" * 500_000])[0]) == 1_000_000
    assert time.process_time() - start < 1.0


@given(st.lists(st.sampled_from(["`", "``", "```", "~~~", "\n", "a", " "]), max_size=20))
def test_code_context_does_not_depend_on_cuts(parts: list[str]) -> None:
    text = "".join(parts)
    whole, single = CodeContext(), CodeContext()
    whole.feed(text)
    for character in text:
        single.feed(character)
    assert (whole.in_code(), whole.line_start) == (single.in_code(), single.line_start)


DETECTIONS = [
    ("qwen3", "qwen3", "think", "enable_thinking"),
    ("qwen35", "qwen35", "think-open", "enable_thinking"),
    ("r1-distill", "qwen2", "think-open", None),
    ("smollm3", "smollm3", "think", "enable_thinking"),
    ("gemma3", "gemma3", "none", None),
    ("gemma4", "gemma4", "thought-channel", "enable_thinking"),
    ("gpt-oss", "gpt-oss", "channel", "reasoning_effort"),
    ("magistral", "mistral3", "magistral", None),
    ("granite", "granite", "granite", "thinking"),
    ("lfm2.5", "lfm2", "lfm", None),
    ("phi4-mini", "phi3", "none", None),
    ("llama3", "llama", "none", None),
    ("mistral", "llama", "none", None),
]


@pytest.mark.parametrize(("template", "architecture", "name", "switch"), DETECTIONS)
def test_the_format_is_read_from_the_template(template: str, architecture: str, name: str, switch: str | None) -> None:
    found = detect(chat_templates.TEMPLATES[template], lambda token: False, architecture)
    assert (found.format, found.switch) == (name, switch)
    assert found.can_switch == (switch in ("enable_thinking", "thinking"))
    assert found.evidence == ("none" if name == "none" else "template")


def test_without_a_template_the_vocabulary_speaks() -> None:
    found = detect(None, {"<think>", "</think>"}.__contains__, "qwen3")
    assert (found.format, found.evidence, found.can_switch) == ("think", "vocabulary", False)
    assert detect(None, lambda token: False, "llama").format == "none"
    assert detect(None, {"<think>"}.__contains__, "llama").format == "none"


def test_a_broken_template_still_gives_a_format() -> None:
    assert detect("{% if %}<think></think>", lambda token: False, "qwen3").format == "think"


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_mark_is_among_the_tags_the_worker_shows(name: str) -> None:
    fmt = FORMATS[name]
    for mark in (fmt.force_open, fmt.suppress, *(span.force_close for span in fmt.spans)):
        rest = mark
        for tag in sorted(fmt.tags(), key=len, reverse=True):
            rest = rest.replace(tag, "")
        assert "<" not in rest
        assert "[" not in rest
