"""Where the next edit of an answer may go: what was shown, without what the answer has changed already.

So no two edits of an answer can touch the same line, and it does not matter in which order they are applied.
Not for: the grammar that holds a model to it (``edit_grammar``).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from edgemind.coder.protection import clash, forbidden, same_name
from edgemind.coder.types import Create, Delete, EditState, Folder, Insert, Replace, ShownFile, Whole

Spans = list[tuple[int, int]]


def open_files(state: EditState) -> list[ShownFile]:
    """The files in which something can still be edited; never one whose name cannot be written in one line."""
    rewritten = {edit.path for edit in state.edits if isinstance(edit, Whole)}
    return [
        file
        for file in state.files
        if not forbidden(file.path)
        and file.path not in rewritten
        and (open_lines(file, state) or open_points(file, state))
    ]


def open_lines(file: ShownFile, state: EditState) -> Spans:
    """Runs of lines any part of which can be replaced or deleted. None goes across a place where lines were put in."""
    closed = _changed(file, state)
    points = _points(file, state)
    spans: Spans = []
    for first, last in file.shown:
        begun = True
        for line in range(first, last + 1):
            if line in closed:
                begun = True
            elif begun or line - 1 in points:
                spans.append((line, line))
                begun = False
            else:
                spans[-1] = (spans[-1][0], line)
    return spans


def open_points(file: ShownFile, state: EditState) -> Spans:
    """Runs of lines after each of which lines can be put in; 0 where the first line was shown, or there is none."""
    closed = _changed(file, state) | _points(file, state)
    lines = {line for first, last in file.shown for line in range(first, last + 1)}
    if 1 in lines or not file.text.lines:
        lines.add(0)
    return runs(sorted(lines - closed))


def open_names(state: EditState) -> list[str]:
    """The new files that the user named and that the answer has not created."""
    created = [same_name(edit.path) for edit in state.edits if isinstance(edit, Create)]
    return [
        path
        for path in state.new
        if not forbidden(path) and not any(clash(same_name(path), other) for other in created)
    ]


def open_folders(state: EditState) -> list[Folder]:
    """Where the model may invent a name, those folders included that the answer itself has made."""
    names = {folder.path: set(map(same_name, folder.names)) for folder in state.folders}
    for path in (*state.new, *(edit.path for edit in state.edits if isinstance(edit, Create))):
        parts = path.split("/")
        known = deepest(parts, names)
        if known is None:
            continue
        inside = names["/".join(parts[:known])]
        is_new = same_name(parts[known]) not in inside
        inside.add(same_name(parts[known]))
        for depth in range(known + 1, len(parts) if is_new else 0):
            names["/".join(parts[:depth])] = {same_name(parts[depth])}
    return [Folder(path, tuple(sorted(inside))) for path, inside in names.items()]


def deepest(parts: Sequence[str], folders: Container[str]) -> int | None:
    """How many names of a path lead to the innermost of these folders that holds it."""
    return next((at for at in range(len(parts) - 1, -1, -1) if "/".join(parts[:at]) in folders), None)


def runs(numbers: Iterable[int]) -> Spans:
    """Numbers in order as first and last of each run."""
    found: Spans = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _changed(file: ShownFile, state: EditState) -> set[int]:
    """The lines that the answer has replaced or deleted."""
    edits = (edit for edit in state.edits if isinstance(edit, Replace | Delete) and edit.path == file.path)
    return {line for edit in edits for line in range(edit.first, edit.last + 1)}


def _points(file: ShownFile, state: EditState) -> set[int]:
    return {edit.after for edit in state.edits if isinstance(edit, Insert) and edit.path == file.path}
