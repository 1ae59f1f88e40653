"""Text on its way to a terminal: every string that a terminal shows passes ``clean``."""

from edgemind.terminal.clean import clean, clean_line

__all__ = ["clean", "clean_line"]
