"""Which definitions matter most for a task: PageRank over which file refers to what another file defines.

A file passes its rank on to the files that define the names it uses; a jump leads to what the task names, or anywhere.
The idea is Aider's repository map (https://aider.chat/2023/10/22/repomap.html), PageRank Brin and Page's (1998).
Not for: finding definitions and references (``symbols``), rendering (``repo_map``).
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgemind.coder.symbols import Definition, Outline

DAMPING = 0.85
"""Share of a rank that follows references; the rest jumps."""

ROUNDS = 40
TOLERANCE = 1e-6

MOST_DEFINERS = 12
"""A name that more files than this define (``main``, ``__init__``) says nothing about either."""

PULL = 20.0
"""How much more of a jump leads to what the task names than to anything else, for each word."""

LEAK = 2.0
"""Weight with which every file refers to nothing, so that one with a single doubtful reference does not give it all."""

FAR = 0.03
"""How much a name counts that is defined in a file which is not imported: mostly another thing of the same name."""

CONTENT = 2.0
"""How much more a file counts whose text says as much of the task as any."""

USUAL = 3.0
"""Of words that one in twenty definitions has, each counts as one; rarer ones for more."""

_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[^\W\d_A-Z]+|[A-Z]+|\d+")
_WORDS = re.compile(r"[^\W\d]\w*")
_ENDING = re.compile(r"(?<=\w{3})(?:ies|ing|ed|es|s|y)$")
_EMPTY = frozenset(
    """
    a add all an and any are as at be but by can change class code could do does file files fix for from
    function has have how if in into is it its let line make me method my new no not of on one or please
    should so some that the their them then there these this to two up use used using want was we what when
    where which who why will with would write you your
    """.split()  # noqa: SIM905
)
_TEST = re.compile(
    r"(^|/)(tests?|spec|__tests__|testing|examples?|docs?)/|(^|/)(test_|conftest)|(_test|[._]spec|\.test)\.\w+$"
)


@dataclass(frozen=True)
class Ranked:
    """A definition and what it is worth: the root of its share of references, times how well it fits the task."""

    path: str
    definition: Definition
    rank: float


def words_of(text: str) -> frozenset[str]:
    """The words of a task or a name, in lower case: whole identifiers, their parts, and all of them without an ending.

    Words that say nothing about code are left out.
    """
    found = set()
    for word in _WORDS.findall(text):
        found.add(word.lower())
        found.update(part.lower() for part in _PARTS.findall(word))
    found |= {_ENDING.sub("", word) for word in found if len(word) > 4}
    return frozenset(word for word in found if len(word) > 1) - _EMPTY


def parts_of(text: str) -> list[str]:
    """The parts of those identifiers of a text that have several, in lower case and in order."""
    found = []
    for word in _WORDS.findall(text):
        parts = _PARTS.findall(word)
        if len(parts) > 1:
            found += [part.lower() for part in parts]
    return found


def ranked(
    outlines: Mapping[str, Outline],
    task: Collection[str] = (),
    named: Collection[str] = (),
    worth: Mapping[str, float] | None = None,
) -> list[Ranked]:
    """All definitions, the most important first; equal ones in the order of paths and lines.

    Args:
        outlines: by path.
        task: its words, as ``words_of`` gives them.
        named: paths that the user named.
        worth: how much the text of each file says of the task.
    """
    paths = sorted(outlines)
    fit = _Fit(task, outlines)
    most = max(worth.values(), default=0.0) if worth else 0.0
    definers = _definers(outlines, paths)
    places = [_place(path) for path in paths]
    links = [_links(at, outlines[path], places, definers, fit) for at, path in enumerate(paths)]
    ranks = _page_rank(links, [_pull(path, outlines[path], fit, path in named) for path in paths])
    given: dict[tuple[int, str], float] = defaultdict(float)
    for at, out in enumerate(links):
        total = sum(out.values()) + LEAK
        for to_name, weight in out.items():
            given[to_name] += ranks[at] * weight / total
    found = []
    for at, path in enumerate(paths):
        definitions = outlines[path].definitions
        beside = 0.3 if places[at].is_test and path not in named and "test" not in task else 1.0
        beside *= 1 + fit.said(path)
        if worth and most:
            beside *= 1 + CONTENT * worth.get(path, 0.0) / most
        share = (1 - DAMPING) * ranks[at] / max(1, len(definitions))
        for definition in definitions:
            rank = math.sqrt(DAMPING * given.get((at, definition.name), 0.0) + share)
            pulled = rank * fit.match(definition.name) * _depth(definition.level) * beside
            found.append(Ranked(path, definition, pulled))
    found.sort(key=lambda one: (-one.rank, one.path, one.definition.first))
    return found


class _Fit:
    """How well names fit the words of a task. A large tree has the same names many times, so what was found is kept."""

    def __init__(self, task: Collection[str], outlines: Mapping[str, Outline]) -> None:
        self.words = frozenset(task)
        self._any = re.compile("|".join(map(re.escape, sorted(task)))) if task else None
        names = Counter(one.name for outline in outlines.values() for one in outline.definitions) if task else Counter()
        with_word: Counter[str] = Counter()
        for name, number in names.items():
            with_word.update(dict.fromkeys(self._found(name), number))
        self._rare = {word: math.log(1 + names.total() / number) / USUAL for word, number in with_word.items()}
        self._matches: dict[str, float] = {}
        self._tellings: dict[str, tuple[float, bool]] = {}

    def _found(self, text: str) -> frozenset[str]:
        if self._any is None or not self._any.search(text.lower()):  # what words_of finds stands in the text
            return frozenset()
        return words_of(text) & self.words

    def said(self, text: str) -> float:
        """How much of the task a name or path says: the number of words, those that few definitions have for more."""
        return sum(self._rare.get(word, 1.0) for word in self._found(text))

    def match(self, name: str) -> float:
        """How much more a name counts because the task says it, whole or in part; two words of it say far more."""
        found = self._matches.get(name)
        if found is None:
            found = 1.0 + 2.0 * self.said(name) ** 2
            if name.lower() in self.words:
                found = max(found, 10.0)
            self._matches[name] = found
        return found

    def telling(self, name: str) -> tuple[float, bool]:
        """What a reference by this name is worth, and whether it is one word only."""
        found = self._tellings.get(name)
        if found is None:
            found = self._tellings[name] = self.match(name) * _telling(name), len(_PARTS.findall(name)) == 1
        return found


@dataclass(frozen=True)
class _Place:
    """What a path says about a file."""

    folder: str
    imported_as: str
    """The word in an import that means it, as far as one can tell."""
    by_folder: bool
    """Whether its language sees the files of one folder without an import."""
    is_test: bool


def _place(path: str) -> _Place:
    folder, _, name = path.rpartition("/")
    stem = name.partition(".")[0].lower()
    if stem in ("__init__", "index", "mod", "lib"):
        stem = folder.rpartition("/")[2].lower()
    return _Place(folder, stem, name.endswith((".go", ".java", ".kt", ".cs")), bool(_TEST.search(path)))


def _definers(outlines: Mapping[str, Outline], paths: Sequence[str]) -> dict[str, dict[int, int]]:
    """The files that define each name, with the least depth it has there; without names that too many define."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for at, path in enumerate(paths):
        for one in outlines[path].definitions:
            if len(one.name) > 1:
                found[one.name][at] = min(one.level, found[one.name].get(at, one.level))
    return {name: files for name, files in found.items() if len(files) <= MOST_DEFINERS}


def _links(
    at: int, outline: Outline, places: Sequence[_Place], definers: Mapping[str, Mapping[int, int]], fit: _Fit
) -> dict[tuple[int, str], float]:
    """Where the rank of a file goes: to names in other files, each by how often it is used and how telling it is."""
    found = {}
    here = places[at]
    for name, count in outline.references.items():
        files = definers.get(name)
        if files and at not in files:
            telling, one_word = fit.telling(name)
            weight = math.sqrt(count) * telling / len(files)
            for other, level in files.items():
                there = places[other]
                if there.is_test and not here.is_test:
                    continue
                near = there.imported_as in outline.imports or (there.by_folder and there.folder == here.folder)
                vague = level and one_word  # a method of one word: mostly another class's
                found[other, name] = weight * (1.0 if near else FAR) * (FAR if vague or (level and not near) else 1.0)
    return found


def _page_rank(links: list[dict[tuple[int, str], float]], pulls: list[float]) -> list[float]:
    """The stationary share of each file; what a file does not pass on by references jumps."""
    if not pulls:
        return []
    total = sum(pulls)
    jump = [pull / total for pull in pulls]
    flows = [_shares(out) for out in links]
    ranks = jump
    for _ in range(ROUNDS):
        stuck = sum(rank * kept for rank, (kept, _) in zip(ranks, flows, strict=True))
        new = [share * (1 - DAMPING + DAMPING * stuck) for share in jump]
        for rank, (_, flow) in zip(ranks, flows, strict=True):
            for to, share in flow:
                new[to] += DAMPING * rank * share
        change = sum(abs(a - b) for a, b in zip(ranks, new, strict=True))
        ranks = new
        if change < TOLERANCE:
            break
    return ranks


def _shares(out: Mapping[tuple[int, str], float]) -> tuple[float, list[tuple[int, float]]]:
    """How much of a file's rank jumps, and how much goes where."""
    sums: dict[int, float] = defaultdict(float)
    for (to, _), weight in out.items():
        sums[to] += weight
    total = sum(sums.values()) + LEAK
    return LEAK / total, [(to, weight / total) for to, weight in sums.items()]


def _pull(path: str, outline: Outline, fit: _Fit, named: bool) -> float:
    if not (fit.words or named):
        return 1.0
    hits = fit.said(path.rpartition(".")[0] or path)
    hits += sum(0.5 for name in {one.name for one in outline.definitions} if fit.match(name) > 1)
    return 1.0 / PULL + min(hits, 8.0) + (10.0 if named else 0.0)


def _telling(name: str) -> float:
    """Names of several parts, and those of types, were made for this code; other words are variables everywhere."""
    if name.startswith("_") or len(name) < 4:
        return 0.1
    if len(_PARTS.findall(name)) > 1:
        return 2.0 if len(name) >= 8 else 1.0
    return 1.0 if name[0].isupper() else 0.2


def _depth(level: int) -> float:
    return (1.0, 0.7, 0.3, 0.2)[min(level, 3)]
