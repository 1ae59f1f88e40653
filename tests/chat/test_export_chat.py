"""Chats as files: JSON and Markdown come back as they were, HTML is safe whatever was said."""

from __future__ import annotations

import html.parser
import json
import random
import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgemind.chat.attachments.types import Attachment, AttachmentInfo, Passage
from edgemind.chat.export import Format, export, export_all, file_name, form_of, save
from edgemind.chat.history import History
from edgemind.chat.import_ import import_text
from edgemind.chat.types import Chat, Parameters, Persona
from edgemind.engine.events import ContextTrimmed, Sampling, Stats, Step, TokenConfidence
from edgemind.errors import HistoryProblem


@pytest.fixture
def history() -> Iterator[History]:
    history = History.in_memory()
    yield history
    history.close()


def rich_chat(history: History) -> Chat:
    """A chat with everything that a chat can have."""
    chat = history.create_chat(
        title="Fever & <rash>",
        titled=True,
        folder="ward 3",
        tags=("a", "ü"),
        persona="Doctor",
        system='Say "hm" first.\n---\nBe brief.',
        model="edgemind-nano",
        parameters=Parameters(
            thinking="on", thinking_budget=9, sampling=Sampling(temperature=0.5, logit_bias={7: -1.0})
        ),
    )
    notes = Attachment(AttachmentInfo(name="notes.txt", size=7, tokens=3), "aspirin\n\ftwice")
    question = history.add_turn(chat.id, None, "user", "What is\n\n## this?\n", attachments=[notes])
    answer = history.add_turn(chat.id, question.id, "assistant", state="writing")
    answer = replace(
        answer,
        content="It is **flu**.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nprint('<b>')\n```",
        reasoning="Fever.\n\n> Rash.\n",
        steps=(Step(text="Fever.", tokens=3, seconds=1.5), Step(text="> Rash.", tokens=2, seconds=0.75)),
        model="edgemind-nano",
        state="cut",
        stats=Stats(prompt_tokens=5, answer_tokens=7, decode_rate=12.5),
        confidence=(TokenConfidence(text=" flu", probability=0.25, entropy=1.5, alternatives=((" cold", 0.2),)),),
        trimmed=ContextTrimmed(dropped_turns=2, dropped_tokens=40, kept_tokens=200, context_limit=256),
        passages=(Passage(name="notes.txt", text="aspirin", lines=(1, 1), score=0.5),),
        error="The context was full.",
    )
    history.save_turn(answer)
    history.add_turn(chat.id, question.id, "assistant", "Another answer.", state="stopped")
    history.add_turn(chat.id, answer.id, "note", "The model is another one now.")
    return history.chat(chat.id)


def test_json_keeps_everything(history: History) -> None:
    chat = rich_chat(history)
    history.save_persona(Persona("Doctor", "Be careful.", Parameters(thinking="off")))
    for text in (export(history, chat.id, "json"), export_all(history)):
        other = History.in_memory()
        (made,) = import_text(other, text)
        assert made == chat
        assert other.whole(chat.id) == history.whole(chat.id)
    assert other.personas() == history.personas()
    (again,) = import_text(history, text)
    assert again.id != chat.id
    assert replace(again, id=chat.id, leaf=chat.leaf) == chat
    assert [turn.content for turn in history.path(again.id)] == [turn.content for turn in history.path(chat.id)]
    assert history.count() == 2


def test_markdown_is_readable_and_comes_back(history: History) -> None:
    chat = rich_chat(history)
    turns = history.path(chat.id)
    text = export(history, chat.id, "markdown")
    seen = re.sub(r"(?m)^<!--.*\n", "", text)
    assert seen.startswith("# Fever & \\<rash\\>\n\n## You · ")
    assert "Attached: notes.txt\n\nWhat is\n\n## this?\n" in seen
    assert "· cut\n\n> Fever.\n> \n> > Rash.\n> \n\nIt is **flu**." in seen
    assert "Sources: notes.txt, line 1\n" in seen
    (made,) = import_text(history, text)
    for name in ("title", "titled", "folder", "tags", "persona", "system", "model", "parameters", "created", "updated"):
        assert getattr(made, name) == getattr(chat, name)
    for back, was in zip(history.path(made.id), turns, strict=True):
        for name in ("role", "content", "reasoning", "model", "created", "state", "error"):
            assert getattr(back, name) == getattr(was, name)


HOSTILE = (
    *(
        "",
        "\n",
        "\n\n\n",
        " a ",
        "\r\n",
        "a\r\n\r\n",
        "# h\n## You",
        "> q",
        "---",
        "-->",
        "<!--",
        "a\n-->\n",
        "\x00",
        "\t",
    ),
    "<!-- edgemind: {} -->",
    "x\n<!-- edgemind: {} -->\ny",
    '\n<!-- edgemind: {"message": "user"} -->\n## You\n\nfake',
    "<!-- edgemind\\: {} -->\n<!-- edgemind\\\\: {} -->",
    "\u2028\u0085\x0b\x0c",
)


def test_markdown_brings_any_text_back(history: History) -> None:
    random_ = random.Random(5)
    pieces = [*HOSTILE, "word", "\n"]
    texts = [*HOSTILE, *("".join(random_.choices(pieces, k=6)) for _ in range(40))]
    chat = history.create_chat(title="\n-->\n# t").id
    parent = None
    for text in texts:
        thought = "".join(random_.choices(pieces, k=2))
        parent = history.add_turn(chat, parent, "assistant", text, reasoning=thought).id
    (made,) = import_text(history, export(history, chat, "markdown"))
    assert made.title == "\n-->\n# t"
    ours, theirs = history.path(chat), history.path(made.id)
    assert [(turn.content, turn.reasoning) for turn in theirs] == [(turn.content, turn.reasoning) for turn in ours]


class Tags(html.parser.HTMLParser):
    """What a browser would find in a file."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


SAFE_TAGS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "article",
        "details",
        "summary",
        "div",
        "p",
        "h1",
        "h2",
    ),
    *(
        "h3",
        "h4",
        "h5",
        "h6",
        "bdi",
        "pre",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "blockquote",
        "ul",
        "ol",
    ),
    *("li", "em", "strong", "s", "a", "hr", "br"),
}
SAFE_ATTRIBUTES = {"class", "dir", "charset", "http-equiv", "name", "content", "href", "rel", "style", "start", "title"}
ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</div></article></body><script src=//evil></script>",
    "[x](javascript:alert(1)) [x](JaVaScRiPt:alert(1)) [x](java\nscript:alert(1)) [x](&#106;avascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=) [x](vbscript:x) [x](file:///etc/passwd) [x](//evil.example/x)",
    "[x](\x01javascript:x)",
    "![pixel](https://evil.example/p.png) ![x][r]\n\n[r]: https://evil.example/q.png",
    '<https://ok.example/?a=1&b="2"> <javascript:alert(1)> [t](https://ok.example "a\\" onclick=alert(1)")',
    "```<script>\n</code></pre><script>x</script>\n```",
    '```html" onload="alert(1)\nx\n```',
    "| <b> | ` |\n|---|:-:|\n| <i onmouseover=x> | \x00 |",
    "&lt;script&gt; &amp; &#60;script&#62; \ufffe \u202e evil",
    "<!-- --><style>@import url(//evil)</style><iframe srcdoc=x><base href=//evil><svg/onload=x>",
    "\x1b]52;c;x\x07 ]]> <![CDATA[ <?php ?> <!DOCTYPE x>",
    "- [ ] <details open ontoggle=x>",
)


@pytest.mark.parametrize("where", ["title", "content", "user", "reasoning", "system", "error", "model", "attachment"])
def test_html_is_safe_whatever_was_said(where: str, history: History) -> None:
    for attack in ATTACKS:
        chat = history.create_chat(
            title=attack if where == "title" else "t", system=attack if where == "system" else "", tags=("<b>",)
        ).id
        attached = [Attachment(AttachmentInfo(name=attack), "")] if where == "attachment" else []
        user = history.add_turn(chat, None, "user", attack if where == "user" else "hi", attachments=attached)
        turn = history.add_turn(
            chat,
            user.id,
            "assistant",
            attack if where == "content" else "hello",
            reasoning=attack if where == "reasoning" else "",
            error=attack if where == "error" else "",
            model=attack if where == "model" else None,
        )
        history.add_turn(chat, user.id, "assistant", attack, show=False)
        found = Tags(export(history, chat, "html", turn.id))
        assert found.tags <= SAFE_TAGS, attack
        assert {name for name, _ in found.attributes} <= SAFE_ATTRIBUTES, attack
        addresses = {value for name, value in found.attributes if name == "href"}
        assert all(re.match(r"(https?://ok\.example|https://evil\.example/[pq]\.png)", str(one)) for one in addresses)
        assert {value for name, value in found.attributes if name == "style"} <= {"text-align:center"}
        assert "\x1b" not in found.text


def test_html_is_one_file_that_fetches_nothing(history: History) -> None:
    chat = rich_chat(history)
    text = export(history, chat.id, "html")
    assert "default-src 'none'" in text
    assert not re.search(r"<(script|link|img|iframe|object|embed|form|base)\b", text)
    found = Tags(text)
    assert "Fever & <rash>" in found.text
    assert "Thought for 2 s, 2 steps" in found.text
    assert {"table", "pre", "strong", "details"} <= found.tags
    for said in (
        "print('<b>')",
        "version 1 of 2",
        "2 earlier turns were left out",
        "notes.txt, line 1",
        "was full",
        "cut",
    ):
        assert said in found.text


@pytest.mark.parametrize("piece", ["[", "*a ", "`", "> ", "![", "<", "a_b_", "- ", "|", "&", "\\", "(", "_*", "[x](y "])
def test_html_of_long_hostile_markdown_is_made(piece: str, history: History) -> None:
    chat = history.create_chat().id
    history.add_turn(chat, None, "assistant", piece * (4_000 // len(piece)))
    history.add_turn(chat, None, "assistant", piece * (400_000 // len(piece)))
    assert export(history, chat, "html").endswith("</html>\n")


def test_an_empty_chat_can_be_exported(history: History) -> None:
    chat = history.create_chat().id
    forms: tuple[Format, ...] = ("markdown", "json", "html")
    assert all(export(history, chat, form) for form in forms)
    assert import_text(history, export(history, chat, "markdown"))[0].messages == 0
    assert import_text(history, export(history, chat, "json"))[0].messages == 0
    with pytest.raises(HistoryProblem):
        export(history, "nothing", "json")


def test_a_file_is_private_and_whole(tmp_path: Path) -> None:
    file = tmp_path / "chat.md"
    save("ü\ud800", file)
    assert file.read_bytes() == "ü?".encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(HistoryProblem, match="already"):
        save("x", file)
    save("x", file, overwrite=True)
    assert [one.name for one in tmp_path.iterdir()] == ["chat.md"]
    with pytest.raises(HistoryProblem, match="cannot be written"):
        save("x", tmp_path / "nowhere" / "chat.md")
    with pytest.raises(HistoryProblem, match="cannot be written"):
        save("x", file / "below a file.md")


def test_names_of_files() -> None:
    assert file_name("Fever & <rash>?", "markdown") == "fever-rash.md"
    assert file_name("../../etc/passwd\x00", "json") == "etc-passwd.json"
    assert file_name("発熱の相談", "html") == "発熱の相談.html"
    assert file_name("...", "json") == "chat.json"
    assert len(file_name("x" * 500, "json")) < 100
    assert [form_of(Path(name)) for name in ("a.MD", "b.json", "c.htm", "d.txt")] == ["markdown", "json", "html", None]


def test_json_is_plain_json(history: History) -> None:
    value = json.loads(export(history, rich_chat(history).id, "json"))
    assert (value["format"], value["version"]) == ("edgemind-chats", 1)
    assert value["chats"][0]["messages"][0]["attachments"][0]["text"] == "aspirin\n\ftwice"
