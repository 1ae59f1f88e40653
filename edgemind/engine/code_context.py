"""Where a streamed answer stands in Markdown, so that a tag inside code is text and not a tag.

Not for: rendering Markdown.
"""

from __future__ import annotations

import re


class CodeContext:
    """Where an answer stands in Markdown: in a code fence, in a code span, at the start of a line.

    A code span ends at the end of its line even when it was not closed, so one stray backtick cannot hide a tag
    for longer. Runs of backticks may be cut anywhere.
    """

    _PARTS = re.compile(r"`+|~+|\n|[^`~\n]+")

    def __init__(self) -> None:
        self.line_start = True
        self._fence = ""
        self._span = 0
        self._run = ""
        self._run_at_start = False

    def feed(self, text: str) -> None:
        for match in self._PARTS.finditer(text):
            part = match.group()
            if part[0] in "`~":
                if self._run and self._run[0] == part[0]:
                    self._run += part if len(self._run) < 100 else ""
                else:
                    self._end_run()
                    self._run, self._run_at_start = part[:100], self.line_start
                    self.line_start = False
                continue
            self._end_run()
            if part == "\n":
                self.line_start, self._span = True, 0
            elif self.line_start and not part.isspace():
                self.line_start = False

    def in_code(self) -> bool:
        """Whether a tag that starts here would be inside code."""
        self._end_run()
        return bool(self._fence or self._span)

    def _end_run(self) -> None:
        run, self._run = self._run, ""
        if not run:
            return
        if self._fence:
            if run[0] == self._fence[0] and len(run) >= len(self._fence):
                self._fence = ""
        elif self._span:
            if run[0] == "`" and len(run) == self._span:
                self._span = 0
        elif self._run_at_start and len(run) >= 3:
            self._fence = run
        elif run[0] == "`":
            self._span = len(run)
