"""The one table of what can be done: its key, its slash command, and the words that say what it does.

Bindings, help screen, key hints, command palette and the composer's completion are all made from it, so none of them
can say something that the others do not.
Not for: doing it (``screens/chat.py`` and the widgets have ``action_NAME`` for each ``name``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from textual.binding import BindingType

Where = Literal["app", "chat", "composer", "transcript", "sidebar"]
"""Whose keys they are: everywhere, on the chat screen, or only while that widget has the focus."""

Group = Literal[
    "Writing", "The answer", "Reasoning", "Moving about", "This chat", "All chats", "Models", "Privacy", "App"
]


@dataclass(frozen=True)
class Action:
    """One thing that can be done."""

    name: str
    """``action_NAME`` of whoever ``where`` says; for the composer's own keys only a name."""
    words: str
    """What it does, as a sentence without its full stop."""
    group: Group
    keys: tuple[str, ...] = ()
    """As Textual calls them; the first is the one that is shown."""
    where: Where = "chat"
    command: str = ""
    """The slash command without its slash; every action that makes sense as one has one."""
    argument: str = ""
    """What may follow the command."""
    short: str = ""
    """One or two words for the line of key hints; empty: not in it."""
    palette: bool = True
    """Whether the command palette offers it."""


ACTIONS: tuple[Action, ...] = (
    # Writing: the composer's own keys
    Action("send", "Send the message", "Writing", ("enter",), "composer", short="send", palette=False),
    Action("newline", "Begin a new line", "Writing", ("shift+enter", "alt+enter", "ctrl+j"), "composer", palette=False),
    Action("history_up", "Earlier messages you sent, at the first line", "Writing", ("up",), "composer", palette=False),
    Action("history_down", "Later ones, at the last line", "Writing", ("down",), "composer", palette=False),
    Action("complete", "Complete a command after / or a file name after @", "Writing", ("tab",), "composer",
           palette=False),
    Action("undo", "Undo what was typed", "Writing", ("ctrl+underscore", "alt+z"), "composer", palette=False),
    Action("redo", "Type it again", "Writing", ("alt+y",), "composer", palette=False),
    Action("take_out", "Take out the attachment under the cursor; shift+tab goes to it", "Writing", ("delete",),
           "composer", palette=False),
    Action("attach", "Attach a file", "Writing", command="attach", argument="FILE"),
    # The answer
    Action("stop", "Stop the answer, or close what is open", "The answer", ("escape",), command="stop", short="stop"),
    Action("regenerate", "Answer again, as another branch", "The answer", ("ctrl+r",), command="regenerate",
           short="again"),
    Action("retry", "Try again after an answer that failed", "The answer", command="retry"),
    Action("continue_answer", "Go on with an answer that was cut", "The answer", ("ctrl+g",), command="continue",
           short="go on"),
    Action("edit_message", "Edit your last message, or the selected one, as another branch", "The answer", ("ctrl+e",),
           command="edit", short="edit"),
    Action("toggle_confidence", "Show where the model was guessing", "The answer", ("f4",), command="confidence"),
    # Reasoning
    Action("toggle_thought", "Unfold or fold the thought", "Reasoning", ("ctrl+t",), command="thought",
           short="thought"),
    Action("answer_now", "End the thought early and answer", "Reasoning", ("ctrl+y",), command="now",
           short="answer now"),
    Action("find_in_thought", "Find within the thought", "Reasoning", ("f3", "slash"), command="find"),
    Action("step_previous", "The step before, of the unfolded thought", "Reasoning", ("left",), "transcript",
           palette=False),
    Action("step_next", "The next step", "Reasoning", ("right",), "transcript", palette=False),
    Action("guess_previous", "The guessed word before, and what else it might have been", "Reasoning", ("comma",),
           "transcript", palette=False),
    Action("guess_next", "The next guessed word", "Reasoning", ("full_stop",), "transcript", palette=False),
    Action("think", "Whether to reason, or the most tokens of it", "Reasoning", command="think",
           argument="on|off|auto|TOKENS"),
    # Moving about
    Action("select_previous", "Select the message above", "Moving about", ("alt+up",)),
    Action("select_next", "Select the message below", "Moving about", ("alt+down",)),
    Action("previous_branch", "The earlier branch of the selected message", "Moving about", ("alt+left",),
           command="branch", argument="[-1|1]"),
    Action("next_branch", "The later branch", "Moving about", ("alt+right",)),
    Action("copy_message", "Copy the selected message", "Moving about", ("c",), "transcript", command="copy"),
    Action("copy_code", "Copy the last code block of the selected message", "Moving about", ("y",), "transcript",
           command="copy-code"),
    # This chat
    Action("settings", "Parameters, system prompt and persona of this chat", "This chat", ("f2",), command="settings",
           short="settings"),
    Action("system", "What the model is told first", "This chat", command="system", argument="[TEXT]"),
    Action("persona", "Choose, make or delete a saved system prompt", "This chat", command="persona",
           argument="[NAME]"),
    Action("rename", "Rename", "This chat", command="rename", argument="[TITLE]"),
    Action("pin", "Pin or unpin", "This chat", command="pin"),
    Action("folder", "Put it into a folder", "This chat", command="folder", argument="[NAME]"),
    Action("tags", "Tag it", "This chat", command="tags", argument="[TAG ...]"),
    Action("duplicate", "Duplicate it", "This chat", command="duplicate"),
    Action("export", "Export it to Markdown, JSON or HTML", "This chat", command="export", argument="[FILE]"),
    Action("delete", "Delete it for good", "This chat", command="delete"),
    # All chats
    Action("new_chat", "Begin a new chat", "All chats", ("ctrl+n",), command="new", short="new"),
    Action("ephemeral", "Begin a chat that never touches the disk", "All chats", command="ephemeral"),
    Action("toggle_sidebar", "Show or hide the list of chats", "All chats", ("ctrl+b",), command="chats",
           short="chats"),
    Action("search", "Search all chats", "All chats", ("ctrl+f",), command="search", argument="[WORDS]",
           short="search"),
    Action("import_chats", "Import chats from a file", "All chats", command="import", argument="[FILE]"),
    Action("sidebar_open", "Open the chat under the cursor", "All chats", ("enter",), "sidebar", palette=False,
           short="open"),
    Action("sidebar_pin", "Pin or unpin it", "All chats", ("p",), "sidebar", palette=False, short="pin"),
    Action("sidebar_rename", "Rename it", "All chats", ("r",), "sidebar", palette=False, short="rename"),
    Action("sidebar_duplicate", "Duplicate it", "All chats", ("d",), "sidebar", palette=False, short="duplicate"),
    Action("sidebar_export", "Export it", "All chats", ("e",), "sidebar", palette=False, short="export"),
    Action("sidebar_folder", "Put it into a folder", "All chats", ("f",), "sidebar", palette=False, short="folder"),
    Action("sidebar_tags", "Tag it", "All chats", ("t",), "sidebar", palette=False, short="tags"),
    Action("sidebar_filter", "Show one folder or tag, or all", "All chats", ("g",), "sidebar", palette=False,
           short="filter"),
    Action("sidebar_delete", "Delete it for good", "All chats", ("delete", "x"), "sidebar", palette=False,
           short="delete"),
    # Models
    Action("models", "Installed models: switch, unload", "Models", ("ctrl+o",), command="models", short="models"),
    Action("model", "Use another model in this chat", "Models", command="model", argument="NAME"),
    Action("unload", "Unload the model and free its memory", "Models", command="unload"),
    # Privacy
    Action("lock", "Lock: the worker ends, the history closes", "Privacy", ("ctrl+l",), "app", command="lock"),
    Action("panic", "Blank the screen and leave at once", "Privacy", ("f12",), "app", command="panic"),
    Action("passphrase", "Set or change the passphrase of the history", "Privacy", command="passphrase"),
    # App
    Action("command_palette", "Every command, by its words", "App", ("ctrl+p",), "app", command="palette",
           palette=False, short="commands"),
    Action("help", "This help", "App", ("f1", "question_mark"), "app", command="help", short="help"),
    Action("code", "Open the coding session on the current folder", "App", command="code"),
    Action("theme", "Choose the theme", "App", command="theme", argument="[NAME]"),
    Action("copy_or_quit", "Copy what is selected; pressed twice without a selection: quit", "App", ("ctrl+c",), "app",
           palette=False),
    Action("suspend", "Back to the shell; fg returns", "App", ("ctrl+z",), "app", palette=False),
    Action("quit", "Quit; asks first when something is not saved", "App", ("ctrl+q",), "app", command="quit"),
)  # fmt: skip

ALIASES = {
    "again": "regenerate", "clear": "new", "exit": "quit", "file": "attach", "go": "continue", "history": "chats",
    "incognito": "ephemeral", "keys": "help", "load": "model", "parameters": "settings", "private": "ephemeral",
    "q": "quit", "title": "rename", "undo": "edit",
}  # fmt: skip
"""What else people type for a command; understood, not offered."""

BY_NAME = {action.name: action for action in ACTIONS}
BY_COMMAND = {action.command: action for action in ACTIONS if action.command}

NOT_WHILE_TYPING = ("question_mark", "slash")
"""Keys that are text while the composer has the focus."""


@dataclass(frozen=True)
class Command:
    """A slash command, for whoever completes one."""

    name: str
    """Without its slash."""
    argument: str
    help: str
    """One line."""


def commands() -> list[Command]:
    """Every slash command, by name."""
    return [Command(name, action.argument, action.words) for name, action in sorted(BY_COMMAND.items())]


def of_command(word: str) -> Action | None:
    """The action that a slash command means; an alias and a unique beginning count too."""
    word = word.lower().lstrip("/")
    word = ALIASES.get(word, word)
    if word in BY_COMMAND:
        return BY_COMMAND[word]
    beginning = [action for name, action in BY_COMMAND.items() if word and name.startswith(word)]
    return beginning[0] if len(beginning) == 1 else None


def bindings(where: Where) -> list[BindingType]:
    """Textual's bindings for ``where``. Those of app and chat come before what the focused widget would do."""
    from textual.binding import Binding

    return [
        Binding(key, action.name, action.words, show=False, priority=_comes_first(key, where))
        for action in ACTIONS
        if action.where == where
        for key in action.keys
    ]


def _comes_first(key: str, where: Where) -> bool:
    """A key with a modifier or a function key is never text; escape belongs first to what is open."""
    return where in ("app", "chat") and key != "escape" and key not in NOT_WHILE_TYPING


def hints(*names: str) -> list[tuple[str, str]]:
    """``(key, word)`` of these actions for the line of key hints."""
    found = [BY_NAME[name] for name in names]
    return [(shown(action.keys[0], short=True), action.short or action.name) for action in found if action.keys]


def shown(key: str, *, short: bool = False) -> str:
    """A key as it is written for people: ``ctrl+t``, or ``^t`` where there is little room."""
    names = {
        "question_mark": "?",
        "escape": "esc",
        "slash": "/",
        "delete": "del",
        "comma": ",",
        "full_stop": ".",
        "ctrl+underscore": "ctrl+_",
    }
    key = names.get(key, key)
    return "^" + key.removeprefix("ctrl+") if short and key.startswith("ctrl+") else key
