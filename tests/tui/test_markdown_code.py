"""Code blocks: colours line by line, from where the line before left off; Pygments only when it is wanted."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgemind.tui.widgets import code
from edgemind.tui.widgets.markdown.document import Document

SOURCES = {
    "python": 'def f(x):\n    """A text\n    over lines."""\n    return f"{x!r} and {1}"  # why\n',
    "js": "/* a comment\n over lines */ let x = `a\n${b} c`; // end\nconst y = 'z';\n",
    "c": '/* one */ int x; /* two\nlines */ char *s = "a\\n";\n#include <stdio.h>\n',
    "rust": 'fn main() { /* a\n /* b */ c */ println!("{}", 1); }\n',
    "go": "var s = `raw\nstring`\n// end\nfunc main() {}\n",
    "html": "<p class='a'>text</p>\n<!-- a\n comment -->\n<b>x</b>\n",
    "css": "/* a\n b */ a { color: red; }\n",
    "json": '{"a": [1, true, "x"],\n "b": null}\n',
    "yaml": "a: 1\nb:\n  - x # why\n",
    "bash": 'for x in a b; do echo "$x" `date`; done # end\n',
    "sql": "SELECT a FROM b -- why\nWHERE c = 'd';\n",
}


def looks(language: str, text: str) -> list[list[tuple[str, str]]]:
    code.lexer(language, wait=True)
    lines = text.split("\n")
    highlighter = code.Highlighter(language)
    return [
        [(line[a:b], look) for a, b, look in highlighter.spans(lines, number, False)]
        for number, line in enumerate(lines)
    ]


@pytest.mark.parametrize("language", list(SOURCES))
def test_every_line_has_its_colours_and_nothing_is_lost(language: str) -> None:
    text = SOURCES[language]
    for line, spans in zip(text.split("\n"), looks(language, text), strict=True):
        at = 0
        for part, _ in spans:
            assert part
            at = line.index(part, at)
    assert any(spans for spans in looks(language, text))


@pytest.mark.parametrize(
    ("language", "line", "part", "look"),
    [
        ("python", 1, "over", ""),
        ("python", 2, "over lines", "syntax-string"),
        ("js", 0, "a comment", "syntax-comment"),
        ("js", 1, "over lines", "syntax-comment"),
        ("js", 1, "let", "syntax-keyword"),
        ("c", 1, "lines", "syntax-comment"),
        ("go", 1, "string", "syntax-string"),
        ("html", 2, "comment", "syntax-comment"),
        ("css", 1, "b", "syntax-comment"),
    ],
)
def test_what_began_on_an_earlier_line_goes_on(language: str, line: int, part: str, look: str) -> None:
    found = [one for text, one in looks(language, SOURCES[language])[line] if part in text]
    assert found[:1] == ([look] if look else [])


def test_a_line_that_grows_is_coloured_as_it_would_be_when_it_ends() -> None:
    text = SOURCES["python"]
    document = Document("```python\n", finished=False)
    for char in text:
        document.feed(char)
        document.layout(60)
        for number in range(document.height):
            document.line(number)
    document.feed("```\n")
    document.finish()
    document.layout(60)
    whole = Document(f"```python\n{text}```\n")
    whole.layout(60)
    assert [document.line(n) for n in range(document.height)] == [whole.line(n) for n in range(whole.height)]


def test_every_lexer_of_the_list_exists() -> None:
    for language in code.LEXERS:
        assert code.lexer(language, wait=True) is not None, language


def test_an_unknown_language_is_plain_and_its_name_is_safe() -> None:
    document = Document("```x\x1b[2J y\nz\n```")
    document.layout(30)
    assert document.line(0).pieces[0].text == " x␛[2j"
    assert document.code == ["z"]


def test_the_widgets_import_neither_pygments_nor_a_markdown_library() -> None:
    script = (
        "import sys, edgemind.tui.widgets.transcript; "
        "print([name for name in ('pygments', 'markdown_it') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_lexer_that_cannot_be_imported_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> object:
        raise OSError(name)

    monkeypatch.setattr(code, "_loaded", {})
    monkeypatch.setattr(code, "_loading", {"PythonLexer"})
    monkeypatch.setattr(code.importlib, "import_module", refuse)
    assert code.is_loading("python")
    assert code.lexer("python", wait=True) is None
    assert not code.is_loading("python")
