"""What an empty chat shows: which model answers, two lines for who is here for the first time, and where to begin.

Not for: help (``screens/help.py``).
"""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from edgemind.terminal import clean_line


class Welcome(Widget):
    """Drawn in the middle of the empty transcript."""

    DEFAULT_CSS = """
    Welcome {
        height: 1fr;
        padding: 0 2;
        content-align: center middle;
        text-align: center;
        color: $foreground 70%;
    }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._model = ""
        self._built_in = False
        self._kept = ""

    def tell(self, *, model: str, built_in: bool, kept: str) -> None:
        """``kept`` is a sentence about what becomes of the words that are typed here."""
        if (model, built_in, kept) != (self._model, self._built_in, self._kept):
            self._model, self._built_in, self._kept = model, built_in, kept
            self.refresh()

    def render(self) -> Content:
        lines: list[Content] = []
        if self.size.height >= 7:
            lines += [Content.styled("E d g e M i n d", "bold $primary"), Content("")]
        if self._built_in:
            lines += [
                Content.assemble(
                    "You talk to ", (clean_line(self._model), "bold"), ", the small model that comes with EdgeMind."
                ),
                Content.assemble(
                    "A larger one that fits this machine: ",
                    ("edgemind recommend", "bold $accent"),
                    ", then ",
                    ("edgemind pull", "bold $accent"),
                    " in another terminal; ",
                    ("ctrl+o", "bold $accent"),
                    " finds it here.",
                ),
            ]
        elif self._model:
            lines.append(Content.assemble("You talk to ", (clean_line(self._model), "bold"), "."))
        if self._kept and self.size.height >= 5:
            lines += [Content(""), Content.styled(clean_line(self._kept), "$foreground 55%")]
        return Content("\n").join(lines)
