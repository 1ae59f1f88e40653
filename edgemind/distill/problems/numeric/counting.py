"""Counting items, occurrences, words, and even or odd numbers."""

from __future__ import annotations

import random
from dataclasses import dataclass

from edgemind.distill.problems.base import Problem
from edgemind.distill.problems.numeric.checking import last_number
from edgemind.distill.problems.numeric.phrasing import dress

NOUNS = (
    "apple", "pear", "plum", "banana", "cherry", "lemon", "grape", "peach", "cat", "dog", "bird", "fish", "horse",
    "cow", "sheep", "mouse", "red", "blue", "green", "yellow", "black", "white", "pink", "brown", "car", "bus",
    "train", "bike", "boat", "plane", "book", "pen", "cup", "plate", "fork", "spoon", "table", "chair", "lamp", "door",
    "tree", "leaf", "rose", "sun", "moon", "star", "rain", "snow", "wind", "hat", "coat", "shoe", "sock", "ball",
    "kite", "drum", "bell", "egg", "milk", "bread", "cheese", "rice", "soup", "salt", "tea",
)  # fmt: skip
SUBJECTS = (
    "the cat", "a dog", "my brother", "the old man", "she", "he", "they", "our teacher", "the little girl", "Anna",
    "Tom", "we", "the big red bus", "a bird", "my best friend", "the train", "I", "this book", "every child", "nobody",
)  # fmt: skip
VERBS = (
    "sees", "likes", "finds", "wants", "buys", "carries", "has", "found", "took", "likes to eat", "is looking for",
    "saw", "made", "never forgets", "will bring", "looked at", "can draw", "lost",
)  # fmt: skip
OBJECTS = (
    "the moon", "a small house", "an apple", "two green pears", "the river", "a very long letter", "music", "his hat",
    "some bread", "the last train", "a cup of tea", "three books", "nothing", "the blue door", "it", "her new shoes",
)  # fmt: skip
TAILS = (
    "", "", "", "today", "in the garden", "every morning", "at night", "again", "with a smile", "after the rain",
    "near the old bridge", "because it is late", "on Monday", "for lunch",
)  # fmt: skip

ITEMS = (
    "How many items are in this list: {l}?", "How many items are in the list {l}?", "Count the items: {l}",
    "Count these: {l}", "How many things are listed here: {l}?", "How many words are in this list: {l}?",
    "How many elements does this list have: {l}?", "Count the words in this list: {l}",
    "What is the length of this list: {l}?", "len([{l}])", "How many entries: {l}?", "How many are there: {l}?",
    "Count: {l}", "How long is the list {l}?", "Tell me how many items I have: {l}", "Count the elements of [{l}].",
    "How many objects do you see: {l}?", "Number of items in {l}?", "My list is {l}. How many items is that?",
)  # fmt: skip
OCCURRENCES = (
    "How often does {x} occur in {l}?", "How many times does {x} appear in {l}?",
    "How many times is {x} in this list: {l}?", "Count {x} in {l}.", "Count how often {x} appears in {l}.",
    "How many {x} are in this list: {l}?", "How often is {x} in the list {l}?",
    "In the list {l}, how many times does {x} occur?", "In {l}, how often do you see {x}?",
    "Count the number of {x} in: {l}", "How many times do you see {x} here: {l}?", "What is the count of {x} in {l}?",
    "How often does {x} appear in this list: {l}?", "[{l}].count({x})", "Number of times {x} appears in {l}?",
    "How many times does the list {l} contain {x}?", "Here is a list: {l}. How many {x} are there?",
    "Find how many times {x} shows up in {l}.",
)  # fmt: skip
WORDS = (
    "How many words are in this sentence: {s}", "How many words are in the sentence \"{s}\"?", "Count the words: {s}",
    "Count the words in \"{s}\".", "How many words does this sentence have: {s}", "How many words does \"{s}\" have?",
    "What is the word count of \"{s}\"?", "Word count: {s}", "How many words: {s}",
    "Count the words in this sentence: {s}", "How many words are there in \"{s}\"?", "Number of words in \"{s}\"?",
    "How many words can you count in \"{s}\"?", "Tell me how many words are in this: {s}",
    "How long in words is \"{s}\"?", "The sentence is: {s} How many words is that?",
)  # fmt: skip
PARITY = (
    "How many {p} numbers are in {l}?", "How many {p} numbers are in this list: {l}?", "Count the {p} numbers: {l}",
    "Count the {p} numbers in {l}.", "How many of these are {p}: {l}?", "How many of the numbers {l} are {p}?",
    "How many {p} numbers: {l}?", "In the list {l}, how many numbers are {p}?", "Among {l}, how many are {p}?",
    "How many {p} ones are in {l}?", "Number of {p} numbers in {l}?", "Tell me how many numbers are {p}: {l}",
    "Here are some numbers: {l}. How many are {p}?", "Count how many of {l} are {p}.",
    "What is the number of {p} numbers in {l}?",
)  # fmt: skip


def listed(rng: random.Random, items: list[str]) -> str:
    """The items as people write a list."""
    if rng.random() < 0.25 and len(items) > 2:
        return f"{', '.join(items[:-1])}{rng.choice((' and ', ', and '))}{items[-1]}"
    return rng.choice((", ", ", ", ", ", ",", " ")).join(items)


@dataclass(frozen=True)
class Walk:
    """A way through a list: what is said at each item, and what comes out."""

    key: str
    prompt: str
    head: list[str]
    entries: list[str]
    """One for each item."""
    items: list[str]
    separator: str
    result: int
    answer: str


class OneByOne:
    """Walks through a list item by item; the first exercise on the way to ``Counting``, never asked for later."""

    name = "one_by_one"
    description = "up to 12 items, one a line"
    levels = 2
    longest = (6, 12)

    def sample(self, rng: random.Random, level: int) -> Problem:
        """1 and 2: up to ``longest`` items."""
        count = rng.randint(2, self.longest[level - 1])
        walk = rng.choice((items_of, occurrences, occurrences, words, parity))(rng, count)
        return Problem(
            self.name,
            walk.key,
            dress(rng, walk.prompt),
            "\n".join(self.steps(walk)),
            walk.answer,
            str(walk.result),
            level,
        )

    def steps(self, walk: Walk) -> list[str]:
        """The lines of the thought."""
        return walk.head + walk.entries

    def check(self, problem: Problem, answer: str) -> bool:
        """The last number is the count (a counted number may be named before it)."""
        return last_number(answer) == problem.result


class Counting(OneByOne):
    """Items of a list, occurrences of one, words of a sentence, even or odd numbers.

    Each step takes the first item off and writes down what is left, so that a small model need not remember where in
    a list full of equal items it is.
    """

    name = "counting"
    description = "lists of up to 8 items: how many, how often one occurs, even or odd numbers; words of a sentence"
    longest = (5, 8)

    def steps(self, walk: Walk) -> list[str]:
        left = [walk.separator.join(walk.items[i:]) or "none" for i in range(1, len(walk.items) + 1)]
        return walk.head + [f"{entry}. Rest: {rest}" for entry, rest in zip(walk.entries, left, strict=True)]


def items_of(rng: random.Random, count: int) -> Walk:
    """How long a list is."""
    numeric = rng.random() < 0.4
    pool = [str(rng.randint(0, 99)) for _ in range(count)]
    items = pool if numeric else [rng.choice(NOUNS) for _ in range(count)]
    entries = [f"{i}: {item}" for i, item in enumerate(items, 1)]
    prompt = rng.choice(ITEMS).format(l=listed(rng, items))
    return Walk("items:" + ":".join(items), prompt, [], entries, items, ", ", count, f"There are {count} items.")


def occurrences(rng: random.Random, count: int) -> Walk:
    """How often one thing is in a list."""
    if rng.random() < 0.5:
        pool = [str(n) for n in rng.sample(range(10 if rng.random() < 0.6 else 100), 3)]
    else:
        pool = rng.sample(NOUNS, 3)
    items = [rng.choice(pool) for _ in range(count)]
    wanted = rng.choice(items) if rng.random() < 0.9 else rng.choice(pool)
    entries, seen = [], 0
    for item in items:
        seen += item == wanted
        entries.append(f"{item}: yes, {seen}" if item == wanted else f"{item}: no")
    answer = f"{wanted} occurs {seen} times." if seen != 1 else f"{wanted} occurs 1 time."
    prompt = rng.choice(OCCURRENCES).format(x=wanted, l=listed(rng, items))
    return Walk(f"occ:{wanted}:" + ":".join(items), prompt, [f"Look for {wanted}."], entries, items, ", ", seen, answer)


def words(rng: random.Random, count: int) -> Walk:
    """How many words a sentence has."""
    parts = [rng.choice(SUBJECTS), rng.choice(VERBS), rng.choice(OBJECTS), rng.choice(TAILS) if count > 4 else ""]
    items = " ".join(p for p in parts if p).split()
    text = " ".join(items)
    sentence = text[:1].upper() + text[1:] + "." if rng.random() < 0.7 else text
    entries = [f"{i}: {word}" for i, word in enumerate(items, 1)]
    prompt = rng.choice(WORDS).format(s=sentence)
    return Walk("words:" + text, prompt, [], entries, items, " ", len(items), f"There are {len(items)} words.")


def parity(rng: random.Random, count: int) -> Walk:
    """How many numbers of a list are even, or odd."""
    values = [rng.randint(0, 9 if rng.random() < 0.4 else 99) for _ in range(count)]
    wanted = rng.choice(("even", "odd"))
    entries, seen = [], 0
    for value in values:
        word = "odd" if value % 2 else "even"
        seen += word == wanted
        entries.append(f"{value}: {word}, {seen}" if word == wanted else f"{value}: {word}")
    prompt = rng.choice(PARITY).format(p=wanted, l=listed(rng, [str(v) for v in values]))
    answer = f"There are {seen} {wanted} numbers." if seen != 1 else f"There is 1 {wanted} number."
    return Walk(
        f"{wanted}:" + ":".join(map(str, values)),
        prompt,
        [f"Look for {wanted} numbers."],
        entries,
        [str(v) for v in values],
        ", ",
        seen,
        answer,
    )
