"""The grammar of one edit, made of what the model was shown: whatever is written under it parses and applies.

    edit src/app.py        | create path/new.py    | done
    replace 12-14          |                       |
    ```                    | ```                   |
    new lines              | lines                 |
    ```                    | ```                   |

or ``insert after 12`` (0 is the top of the file), or ``delete 12-14``, which has no lines. A fence is longer than the
runs of backticks in the file, and no line of the content can close it.
Not for: reading what was written (``edit_reading``), where edits may go (``openings``), asking the model (``editing``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from edgemind.coder.line_ranges import MOST_RANGED, LineRules
from edgemind.coder.new_names import free_paths
from edgemind.coder.openings import open_files, open_folders, open_lines, open_names, open_points
from edgemind.coder.types import EditState, ShownFile
from edgemind.engine.gbnf import EMPTY, NEVER, Node, Ref, Repeat, Writer, chars, choice, optional, others, seq

DONE = "done"
SHORTEST_FENCE = 3
LONGEST_FENCE = 24
"""A file may have a longer run of backticks; a line that begins with one cannot be written then."""
LARGEST = 240_000
"""Characters of a grammar, so that the engine takes it."""
MARKDOWN = (".md", ".markdown", ".mdx", ".mkd", ".rst", ".qmd", ".rmd", ".livemd")
"""Files whose own text has fences."""
LONGEST_LANGUAGE = 16
MOST_BLANKS = 3
"""Before a fence, in Markdown: four make it text."""

NEVER_WRITTEN = (
    (0x00, 0x08), (0x0A, 0x1F), (0x7F, 0x9F), (0x2028, 0x202E), (0x2066, 0x2069), (0xD800, 0xDFFF), (0xFEFF, 0xFEFF),
    (0xFFFE, 0xFFFF),
)  # fmt: skip
"""Controls but the tabulator, other line ends, what turns the direction of text, what is no character."""
_CHARACTER = chars(*others(NEVER_WRITTEN))
_LANGUAGE = chars("az", "AZ", "09", "+", "#", ".", "-", "_")


def fence_of(path: str, lines: Iterable[str] = ()) -> str:
    """The fence around new lines of a file."""
    longest = max((len(run) for line in lines if "`" in line for run in re.findall("`+", line)), default=0)
    least = SHORTEST_FENCE + path.lower().endswith(MARKDOWN)
    return "`" * min(max(least, longest + 1), LONGEST_FENCE)


def grammar(state: EditState) -> str:
    """GBNF of the next edit of an answer, or of ``done``; ranges begin at fewer lines where it would be too large."""
    ranged = MOST_RANGED
    while len(text := Writer(rules_of(state, ranged)).text("root")) > LARGEST and ranged:
        ranged //= 2
    return text


def rules_of(state: EditState, ranged: int = MOST_RANGED) -> dict[str, Node]:
    """The grammar as data. ``ranged``: lines at which a range may begin."""
    numbers = LineRules(ranged)
    rules: dict[str, Node] = {}
    options: list[Node] = [seq(DONE)]
    for at, file in enumerate(open_files(state)):
        options.append(seq(f"edit {file.path}\n", Ref(f"file{at}")))
        rules |= _file(f"file{at}", file, state, numbers)
    for name in open_names(state):
        options.append(seq(f"create {name}\n", _block(name, (), 0, state, rules)))
    free, names = free_paths(open_folders(state))
    if free != NEVER:
        options.append(seq("create ", free, "\n", _block("", (), 0, state, rules, SHORTEST_FENCE + 1)))
    return rules | names | numbers.rules | {"root": choice(*options)}


def _file(name: str, file: ShownFile, state: EditState, numbers: LineRules) -> dict[str, Node]:
    rules: dict[str, Node] = {}
    options: list[Node] = []
    lines, points = open_lines(file, state), open_points(file, state)
    block = _block(file.path, file.text.lines, 1, state, rules)
    if lines:
        rules[f"{name}-lines"] = numbers.ranges(lines)
        options.append(seq("replace ", Ref(f"{name}-lines"), "\n", block))
        options.append(seq("delete ", Ref(f"{name}-lines")))
    if points:
        options.append(seq("insert after ", numbers.numbers(points), "\n", block))
    return rules | {name: choice(*options)}


def _block(
    path: str, lines: Iterable[str], least: int, state: EditState, rules: dict[str, Node], shortest: int = 0
) -> Node:
    """At least so many lines in a fence; what they need is added to ``rules``."""
    width = max(len(fence_of(path, lines)), shortest)
    name = f"block{width}-{least}"
    if name not in rules:
        rules |= _line(width, state.limits.columns)
        language = optional(Repeat(_LANGUAGE, 1, LONGEST_LANGUAGE))
        content = Repeat(seq(Ref(f"line{width}"), "\n"), least, max(least, state.limits.lines))
        rules[name] = seq("`" * width, language, "\n", content, "`" * width)
    return Ref(name)


def _line(width: int, columns: int | None) -> dict[str, Node]:
    """A line of text that does not close a fence of this width."""
    text = Ref("text")
    unticked = _but("`")
    rules: dict[str, Node] = {"text": Repeat(_CHARACTER, 0, columns)}
    for ticks in range(1, width):
        more = [seq("`", Ref(f"ticks{width}-{ticks + 1}"))] if ticks < width - 1 else []
        rules[f"ticks{width}-{ticks}"] = choice(EMPTY, seq(unticked, text), *more)
    begun = seq("`", Ref(f"ticks{width}-1"))
    for blanks in range(MOST_BLANKS, -1, -1):
        name = f"line{width}-{blanks}" if blanks else f"line{width}"
        if blanks == MOST_BLANKS:
            rules[name] = choice(EMPTY, seq(unticked, text), begun)
        else:
            rules[name] = choice(EMPTY, seq(_but(" `"), text), begun, seq(" ", Ref(f"line{width}-{blanks + 1}")))
    return rules


def _but(letters: str) -> Node:
    """Any character that may be written, without these."""
    return chars(*others(chars(*NEVER_WRITTEN, *letters).ranges))


def instructions(state: EditState) -> str:
    """How edits are written, for the prompt."""
    example = state.files[0].path if state.files else "src/app.py"
    fence = fence_of("", (line for file in state.files for line in file.text.lines))
    parts = [f"edit {example}\nreplace 12-14\n{fence}\nthe new lines, without numbers\n{fence}"]
    parts.append(f"edit {example}\ninsert after 20\n{fence}\nthe new lines\n{fence}")
    parts.append(f"edit {example}\ndelete 30-31")
    if state.new or state.folders:
        parts.append(f"create {state.new[0] if state.new else 'path/of/a_new_file.py'}\n{fence}\nits lines\n{fence}")
    return (
        "Answer with edits, one after the other, and `done` at the end. An edit names a file, what to do with which "
        "lines, and the new lines in a fence. Line numbers are those that are shown before `|`; they stay the same "
        "while you edit. Write new lines with the indentation that the file has. The forms:\n\n"
        + "\n\n".join(parts)
        + f"\n\n{DONE}\n"
    )
