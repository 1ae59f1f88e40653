"""Unified diffs applied: where each hunk goes, and what becomes of the files.

Line numbers are a hint only: the lines themselves say where a hunk goes, and a number only which of several places it
is. What fits a file to its line ends changes it to the byte, as ``git apply`` does; what does not keeps the file's own.
Not for: the form (``diff_reading``), finding lines (``locating``).
"""

from __future__ import annotations

from collections.abc import Sequence

from edgemind.coder.file_text import FileText
from edgemind.coder.patches.diff_reading import CRLF, LF, FileDiff, Hunk, Line, read_diff
from edgemind.coder.patches.locating import MOST_PLACES, Lines, Place, Quote, doubt, missing
from edgemind.coder.patches.naming import by_its_end, existing, home, may_be_new, of_sides
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.patches.splicing import Splice, runs, spliced
from edgemind.coder.patches.tree import File, Tree
from edgemind.models.opening import typed
from edgemind.terminal import clean_line

_BOM = "\ufeff"
_NO_FILES = {"120": "is a symbolic link", "160": "is a submodule"}
"""By the first digits of git's modes."""


def apply(lines: Sequence[str], tree: Tree) -> set[int]:
    """Change the files as a diff says. Returns which lines the diff is.

    Raises:
        BadPatch: a hunk has no one place, or it changes what is no text.
        ValueError: two hunks change the same line.
    """
    diffs, taken = read_diff(lines)
    aside: dict[str, File] = {}
    for number, diff in enumerate(diffs):
        _refuse(diff)
        if diff.created and not diff.deleted:
            _create(diff, tree)
        elif diff.deleted:
            _delete(diff, tree)
        elif "rename to" in diff.headers or "copy to" in diff.headers:
            _make_room(diff, diffs[number + 1 :], tree, aside)
            _move(diff, tree, aside)
        else:
            _change(diff, tree)
    return taken


def _refuse(diff: FileDiff) -> None:
    named = _shown(diff)
    if diff.binary:
        raise BadPatch(f"The patch changes {named}, which is binary.", "git apply PATCH")
    for header, value in diff.headers.items():
        kind = _NO_FILES.get(value[:3]) if header.endswith("mode") or header.startswith("index") else None
        if kind:
            raise BadPatch(f"The patch changes {named}, which {kind}.", "git apply PATCH")


def _create(diff: FileDiff, tree: Tree) -> None:
    path = may_be_new(next(iter(_names(diff)), ""))
    new = [line for hunk in diff.hunks for line in hunk.side("+")]
    if any(hunk.side("-") for hunk in diff.hunks):
        raise BadPatch(f"The patch creates {clean_line(path)} and says what is in it already.", "git diff, again")
    text = FileText(tuple(line.text for line in new), tuple(LF if line.end is None else line.end for line in new))
    tree.create(path, _with_mode(File(FileText.read(text.encode())), diff))


def _delete(diff: FileDiff, tree: Tree) -> None:
    path = _there(diff, tree)
    file = tree.get(path)
    assert file is not None
    left = _edited(diff, path, file.text)
    if left.lines:
        raise BadPatch(
            f"The patch deletes {clean_line(path)}, which has lines that are not in the patch.",
            f"rm {typed(path)}",
        )
    tree.put(path, None)


def _make_room(diff: FileDiff, later: Sequence[FileDiff], tree: Tree, aside: dict[str, File]) -> None:
    """Put aside the file in whose place another goes and that is renamed further down, as where two swap names."""
    path = next((diff.headers[way] for way in ("rename to", "copy to") if way in diff.headers), "")
    if any(one.headers.get("rename from") == path for one in later) and existing([path], tree):
        file = tree.get(path)
        assert file is not None
        aside[path] = file
        tree.put(path, None)


def _move(diff: FileDiff, tree: Tree, aside: dict[str, File]) -> None:
    way = "rename" if "rename to" in diff.headers else "copy"
    old, new = diff.headers.get(f"{way} from", ""), diff.headers[f"{way} to"]
    file = aside.pop(old, None) if way == "rename" else aside.get(old)
    if file is None:
        file = tree.get(old) if existing([old], tree) else None
        if file is None:
            raise _no_file(old or new)
        if way == "rename":
            tree.put(old, None)
    tree.create(may_be_new(new), _with_mode(File(_edited(diff, old, file.text), file.mode), diff))


def _change(diff: FileDiff, tree: Tree) -> None:
    if not diff.hunks and "new mode" not in diff.headers:
        raise BadPatch(f"The patch says nothing about the lines of {_shown(diff)}.", "Copy the whole patch.")
    if not (diff.old or diff.new or diff.git):
        path = home("The patch", lambda text: all(Lines(text).places(_old(hunk)) for hunk in diff.hunks), tree)
    elif diff.git is None and _renames(diff, tree):
        old, new = (name[2:] for name in (diff.old, diff.new))
        raise BadPatch(
            f"The patch renames {clean_line(old)} to {clean_line(new)} without saying so.",
            f"git mv {typed(old)} {typed(new)}",
        )
    else:
        found = existing(_names(diff), tree)
        if found is None and not any(hunk.side("-") for hunk in diff.hunks) and diff.hunks:
            _create(diff, tree)
            return
        path = found or _there(diff, tree)
    file = tree.get(path)
    assert file is not None
    tree.put(path, _with_mode(File(_edited(diff, path, file.text), file.mode), diff))


def _renames(diff: FileDiff, tree: Tree) -> bool:
    sides = diff.old.startswith("a/") and diff.new.startswith("b/") and diff.old[2:] != diff.new[2:]
    return sides and existing([diff.new[2:]], tree) is None and existing([diff.old[2:]], tree) is not None


def _names(diff: FileDiff) -> list[str]:
    return list(dict.fromkeys([*([diff.git] if diff.git else []), *of_sides(diff.old, diff.new)]))


def _shown(diff: FileDiff) -> str:
    return clean_line(next(iter(_names(diff)), "a file"))


def _there(diff: FileDiff, tree: Tree) -> str:
    names = _names(diff)
    found = existing(names, tree) or by_its_end(next(iter(names), ""), tree)
    if found is None:
        raise _no_file(may_be_new(next(iter(names), "")))
    return found


def _no_file(path: str) -> BadPatch:
    return BadPatch(f"The patch changes {clean_line(path)}, which does not exist.", "Name the right file.")


def _with_mode(file: File, diff: FileDiff) -> File:
    mode = diff.headers.get("new mode") or diff.headers.get("new file mode")
    return file.executable(bool(int(mode, 8) & 0o111)) if mode and mode.isdigit() else file


def _old(hunk: Hunk) -> tuple[str, ...]:
    return tuple(line.text for line in hunk.side("-"))


def _edited(diff: FileDiff, path: str, text: FileText) -> FileText:
    """The text after all hunks, whose numbers are those of the text before any."""
    if (
        text.bom
        and text.encoding == "utf-8"
        and any(line.text.startswith(_BOM) for hunk in diff.hunks for line in hunk.lines)
    ):
        text = FileText((_BOM + text.lines[0], *text.lines[1:]), text.newlines, text.encoding) if text.lines else text
    lines = Lines(text)
    places = _places(diff.hunks, path, lines)
    splices = [one for hunk, place in zip(diff.hunks, places, strict=True) for one in _splices(hunk, place, text)]
    return spliced(text, splices)


def _places(hunks: Sequence[Hunk], path: str, lines: Lines) -> list[Place]:
    """Where each hunk goes. Of several places it is the one between its neighbours, or the one that its number says,
    moved as theirs are."""
    found = [_candidates(hunk, path, lines) for hunk in hunks]
    numbers = [hunk.at or 0 for hunk in hunks]
    in_order = numbers == sorted(set(numbers))
    placed: list[Place] = []
    for number, (hunk, places) in enumerate(zip(hunks, found, strict=True)):
        quote = Quote(f"Hunk {hunk.number}", path, _old(hunk))
        if len(places) > 1:
            before, after = _neighbours(hunks, found, number)
            if in_order and len(places) < MOST_PLACES:
                least = found[before][0].start + len(_old(hunks[before])) if before is not None else 0
                most = found[after][0].start if after is not None else len(lines.exact)
                places = [place for place in places if least <= place.start <= most - len(quote.lines)] or places
        if len(places) > 1:
            drifts = {found[one][0].start + 1 - numbers[one] for one in (before, after) if one is not None} or {0}
            said = [hunk.at - 1 + drift for drift in drifts] if hunk.at else []
            there = [place for place in lines.places(quote.lines, said) if place.start in said]
            if len(there) != 1:
                raise doubt(quote, places)
            places = there
        if hunk.at and places[0].start + 1 != hunk.at and quote.lines:
            _check_not_done(hunk, quote, lines)
        if placed and hunk.at and in_order and places[0].start < placed[-1].start:
            raise BadPatch(
                f"{quote.name} fits {clean_line(path)} at line {places[0].start + 1} only, before the hunk above it.",
                "Take it out of the patch, then again.",
            )
        placed.append(places[0])
    return placed


def _neighbours(hunks: Sequence[Hunk], found: Sequence[Sequence[Place]], number: int) -> tuple[int | None, int | None]:
    """The nearest hunks, before and after, that have a number and one place."""
    ways = range(number - 1, -1, -1), range(number + 1, len(hunks))
    before, after = (
        next((at for at in way if len(found[at]) == 1 and hunks[at].at and hunks[at].side("-")), None) for way in ways
    )
    return before, after


def _candidates(hunk: Hunk, path: str, lines: Lines) -> list[Place]:
    old = _old(hunk)
    if old:
        places = lines.places(old)
        if not places:
            quote = Quote(f"Hunk {hunk.number}", path, old)
            _check_not_done(hunk, quote, lines)
            raise missing(quote, lines)
        return places
    if lines.exact and hunk.at not in (0, len(lines.exact)):
        raise BadPatch(
            f"Hunk {hunk.number} has no line of {clean_line(path)}, so it is not clear where it goes.",
            "Add lines around it.",
        )
    return [Place(hunk.at or 0 if lines.exact else 0)]


def _check_not_done(hunk: Hunk, quote: Quote, lines: Lines) -> None:
    """Raise when what the hunk makes is there already, at its number or, without its old lines, anywhere."""
    new = tuple(line.text for line in hunk.side("+"))
    if new == quote.lines or len(new) < 2:
        return
    starts = [place.start + 1 for place in lines.places(new)]
    if starts and (hunk.at in starts or not lines.places(quote.lines)):
        at = hunk.at if hunk.at in starts else starts[0]
        raise BadPatch(
            f"{quote.name} is in {clean_line(quote.path)} already, at line {at}.",
            "Take it out of the patch, then again.",
        )


def _splices(hunk: Hunk, place: Place, text: FileText) -> list[Splice]:
    old = hunk.side("-")
    there = range(place.start, place.start + len(old))
    pairs = [(line.end, text.newlines[at]) for line, at in zip(old, there, strict=True)]
    ended = all((said == "") == (end == "") for said, end in pairs)
    exact = ended and all(line.text == text.lines[at] for line, at in zip(old, there, strict=True))
    kinds = exact and all(said == end for said, end in pairs)
    if not old:
        kinds = not text.lines or text.newline == LF or any(line.end == CRLF for line in hunk.lines)

    def ended_as_said(line: Line) -> tuple[str, str | None]:
        (shifted,) = place.indented([line.text])
        return shifted, line.end if kinds or (ended and not line.end) else None

    changed = runs(place.start, ((line.mark, line) for line in hunk.lines))
    return [Splice(start, stop, tuple(map(ended_as_said, new)), ended) for start, stop, new in changed]
