"""Small Python functions: a plan, a fenced block, one sentence."""

from __future__ import annotations

import random

from edgemind.distill.problems.base import Problem
from edgemind.distill.problems.language.dressing import slip, typed
from edgemind.distill.problems.language.python_check import passes
from edgemind.distill.problems.language.python_tasks import TASKS, Task

NAMING = (
    " called {}", " called {}", " named {}", " with the name {}", " `{}`", " {}",
)  # fmt: skip
FILING = (
    " in {}", " in a file called {}", " in {} please", " for {}", " and put it in {}", " and save it as {}",
    " (file {})",
)  # fmt: skip
BY_INFINITIVE = (
    "Write a Python function{n} to {v}.", "Write Python code to {v}.", "Python code to {v}",
    "How do I {v} in Python?", "How to {v} in python?", "How can I {v} in Python?", "Python function to {v}",
    "Show me how to {v} in Python.", "I need a Python function{n} to {v}.", "Give me Python code to {v}.",
    "Can you write a Python function{n} to {v}?", "Please write a function{n} to {v}.",
    "Write a function{n} to {v} in Python.", "Create a Python function{n} to {v}.",
    "Make a Python function{n} to {v}.", "Write a program to {v}.", "Write a Python program to {v}.",
    "Write a short Python script to {v}.", "Code to {v}", "Help me {v} in Python.",
    "What is the Python code to {v}?", "Define a function{n} to {v}.", "Using Python, {v}.",
    "In Python, how do you {v}?", "Write a method{n} to {v}.", "I want to {v} in Python.", "Function to {v}",
    "Write code to {v}.", "Can you {v} in Python?", "Give me a function{n} to {v}.", "python: {v}",
    "Write a small Python function{n} to {v}.", "Write a simple function{n} to {v}.", "a python snippet to {v}",
    "Implement a function{n} to {v}.", "I have to {v} with Python. How?", "What's the best way to {v} in Python?",
    "python def{n} to {v}", "Write me some Python to {v}.", "I'm learning Python. How do I {v}?",
    "How would you {v} with Python?",
)  # fmt: skip
BY_THIRD = (
    "Write a Python function{n} that {v}.", "Write a function{n} that {v}.",
    "Write a function{n} in Python that {v}.", "I need a function{n} that {v}.",
    "Create a Python function{n} which {v}.", "Give me a Python function{n} that {v}.",
    "Please write Python code that {v}.", "Can you give me a Python function{n} that {v}?",
    "Make a function{n} that {v}.", "Define a Python function{n} that {v}.", "Write a program that {v}.",
    "Python function{n} that {v}", "Implement a Python function{n} that {v}.",
    "I want a Python function{n} which {v}.", "Write a tiny Python function{n} that {v}.",
    "Could you write a function{n} that {v}?", "Show me a Python function{n} that {v}.",
    "Code a function{n} that {v}.", "Write a Python script that {v}.", "a function{n} that {v}",
    "Write a def{n} that {v}.", "Provide a Python function{n} that {v}.", "Generate a Python function{n} that {v}.",
    "Let's write a Python function{n} that {v}.", "Write Python 3 code that {v}.",
)  # fmt: skip
BY_GERUND = (
    "Write a Python function{n} for {v}.", "Python code for {v}", "Show me Python for {v}.",
    "I need help with {v} in Python.", "Give me a function{n} for {v}.", "What is a Python function for {v}?",
    "Example of {v} in Python", "{v} in Python", "Write code for {v} in Python.", "function{n} for {v}",
    "Help with {v} in python?",
)  # fmt: skip
BY_NOUN = (
    "Write {v} in Python.", "{v} in Python", "def for {v} please", "Python {v}",
    "Write a Python function{n} for {v}.", "code for {v}", "Show me {v} in Python.", "Implement {v} in Python.",
    "Give me {v} in Python.", "python code for {v}", "Write {v}.", "Can you write {v} in Python?",
    "function{n} for {v}", "Please code {v}.", "How do you write {v} in Python?", "Python: {v}",
    "I need {v} in Python.", "{v} function", "{v} python code", "Do {v} in Python.", "{v} implementation in Python",
    "Write the code for {v}.", "Program {v} in Python.", "{v}, in Python please", "Create {v} in Python.",
    "Python program for {v}", "Code {v} in Python.", "simple {v} in python", "Can you show me {v} in Python?",
    "Write a def{n} for {v}.",
)  # fmt: skip
FORMS = {"infinitive": BY_INFINITIVE, "third": BY_THIRD, "gerund": BY_GERUND, "noun": BY_NOUN}
DOUBLING = frozenset(["put", "get", "swap", "flip", "drop", "run", "strip"])
"""Verbs that double their last letter before an ending."""
NAME_STARTS = (
    "my", "do", "get", "run", "the", "make", "calc", "compute", "simple", "fast", "new", "easy", "test", "custom",
    "our", "quick",
)  # fmt: skip
BARE_NAMES = (
    "foo", "bar", "solve", "f", "helper", "func", "process", "main", "solution", "answer", "run", "calculate",
    "my_function", "g", "work", "transform", "handler", "convert", "check", "compute", "task", "do_it", "apply",
    "execute", "my_func", "function1", "example", "baz",
)  # fmt: skip
FILE_STEMS = (
    "main", "utils", "helpers", "script", "program", "code", "tools", "app", "test", "solution", "exercise",
    "my_code", "lib", "functions",
)  # fmt: skip


def inflect(infinitive: str, form: str) -> str:
    """``infinitive`` with its first word as "third" person or "gerund"."""
    verb, _, rest = infinitive.partition(" ")
    if form == "third":
        verb = "does" if verb == "do" else verb + ("es" if verb.endswith(("s", "sh", "ch", "x")) else "s")
        verb = verb[:-2] + "ies" if verb.endswith("lys") else verb
    elif form == "gerund":
        verb = (verb + verb[-1] if verb in DOUBLING else verb.removesuffix("e")) + "ing"
    return f"{verb} {rest}"


def requested_name(rng: random.Random, task: Task) -> str:
    """A function name that somebody might ask for."""
    draw = rng.random()
    if draw < 0.2:
        return rng.choice(BARE_NAMES)
    if draw < 0.4:
        return task.name
    other = task.name if draw < 0.7 else rng.choice(TASKS).name
    if draw > 0.93:
        return rng.choice(NAME_STARTS) + "".join(part.capitalize() for part in other.split("_"))
    return f"{rng.choice(NAME_STARTS)}_{other}"


class PythonFunctions:
    """Code on request."""

    name = "python_functions"
    description = f"{len(TASKS)} small Python functions such as sorting, primes, FizzBuzz or counting words"
    levels = 1

    def sample(self, rng: random.Random, level: int) -> Problem:
        """A task in one of the phrasings, sometimes with a function name or a file name of the asker's."""
        task = rng.choice(TASKS)
        last = "noun" if task.named else "infinitive"
        form = rng.choice(("infinitive", "infinitive", "third", "third", "gerund", last))
        number = rng.randrange(len(FORMS[form]))
        template = FORMS[form][number]
        wanted = "{n}" in template and rng.random() < 0.35
        name = requested_name(rng, task) if wanted else task.name
        clause = rng.choice(NAMING).format(name) if wanted else ""
        what = rng.choice(task.named) if form == "noun" else inflect(rng.choice(task.infinitives), form)
        prompt = template.format(n=clause, v=what)
        stem = ""
        if template.endswith(".") and rng.random() < 0.14:
            stem = rng.choice((*FILE_STEMS, task.name, task.name.split("_")[0]))
            prompt = prompt.rstrip(".?") + rng.choice(FILING).format(f"{stem}.py") + "."
        if wanted or stem:
            prompt = prompt if rng.random() < 0.85 else prompt.rstrip(".")
            prompt = prompt if rng.random() < 0.85 else prompt[:1].lower() + prompt[1:]
        else:
            prompt = typed(rng, prompt, 0)
            if rng.random() < 0.08:
                prompt = slip(rng, prompt)
        thought = f"Name: {name}.\n{task.plan}" + (f"\nFile: {stem}.py." if stem else "")
        answer = f"```python\n{task.code.replace('NAME', name)}\n```\n{task.says}"
        if stem:
            answer += f" Save it as {stem}.py."
        key = f"python:{task.name}:{form}:{number}"
        return Problem(self.name, key, prompt, thought, answer, f"{task.name}:{name}", level)

    def check(self, problem: Problem, answer: str) -> bool:
        """The fenced code defines a function of the wanted name that passes every case."""
        task_name, _, name = problem.result.partition(":")
        return passes(next(t for t in TASKS if t.name == task_name), name, answer)
