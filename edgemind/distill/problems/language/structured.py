"""Small sums and comparisons whose answer is asked for as one line of JSON."""

from __future__ import annotations

import json
import random
import re

from edgemind.distill.problems.base import Problem
from edgemind.distill.problems.language.dressing import slip
from edgemind.distill.problems.language.working import work_line

KEYS = (
    "answer", "answer", "answer", "result", "result", "sum", "value", "total", "output", "solution", "response",
    "number", "res", "ans", "final", "reply", "data", "x", "r", "final_answer",
)  # fmt: skip
ASKED = (
    "{q} Answer as JSON with the key {k}.", '{q} Reply in JSON with the key "{k}".',
    "{q} Reply in JSON with key {k}.", '{q} Answer in JSON: {{"{k}": ...}}',
    "{q} Return JSON with a single key {k}.", "{q} Give the answer as a JSON object with the key {k}.",
    "Answer as JSON with the key {k}: {q}", 'Reply only with JSON, key "{k}". {q}',
    "In JSON, under the key {k}: {q}", "{q} Respond with JSON using the key '{k}'.",
    "Return a JSON object with the field {k}. {q}", "{q} Output JSON only, key {k}.",
    "{q} Format the answer as JSON with {k} as the key.", "{q} I want JSON with the key {k}.",
    "Use JSON with key {k}. {q}", "{q} Put the answer in JSON under {k}.",
    'Respond in JSON like {{"{k}": value}}. {q}', "{q} JSON please, key: {k}",
    "{q} Answer with a JSON object that has the field {k}.", "{q} Write it as JSON, field {k}.",
    "JSON only, key {k}: {q}", "{q} Reply with one JSON object, key `{k}`.", "Give me JSON ({k}) for this: {q}",
    "{q} Make the output JSON with key {k}.",
)  # fmt: skip
ASKED_PLAIN = (
    "{q} Reply in JSON.", "{q} Answer as JSON.", "{q} Give the answer as JSON.", "Reply in JSON: {q}",
    "{q} Output JSON.", "{q} Respond only with JSON.", "As JSON: {q}", "{q} Return JSON.", "{q} Use JSON format.",
    "Answer in JSON format. {q}", "{q} JSON please.", "{q} I need a JSON answer.", "JSON: {q}", "{q} Format: JSON.",
    "{q} Respond in JSON format.",
)  # fmt: skip
TYPED = {
    "string": (
        " Use a string.", " The value must be a string.", " The value should be text.", " Value as a string.",
        " (string value)",
    ),
    "number": (
        " Use a number.", " The value must be a number.", "", "", "", " The value should be an integer.", "",
    ),
    "boolean": (
        " Use true or false.", " The value must be a boolean.", "", "", " (boolean)", " Answer true or false.", "",
    ),
    "yes or no": (
        ' Use "yes" or "no".', " The value must be yes or no.", " Value: yes or no.", " Say yes or no.",
    ),
}  # fmt: skip
SUMS = {
    "+": (
        "What is {a} + {b}?", "{a} + {b}?", "Add {a} and {b}.", "What is {a} plus {b}?", "Compute {a} + {b}.",
        "{a}+{b}.", "What is the sum of {a} and {b}?", "Calculate {a} + {b}.", "How much is {a} plus {b}?",
    ),
    "-": (
        "What is {a} - {b}?", "{a} - {b}?", "Subtract {b} from {a}.", "What is {a} minus {b}?", "Compute {a} - {b}.",
        "{a}-{b}.", "What is the difference of {a} and {b}?", "Calculate {a} - {b}.", "Take {b} from {a}.",
    ),
    "×": (
        "What is {a} × {b}?", "{a} x {b}?", "Multiply {a} by {b}.", "What is {a} times {b}?", "Compute {a} * {b}.",
        "{a}*{b}.", "What is the product of {a} and {b}?", "Calculate {a} * {b}.", "How much is {a} times {b}?",
    ),
}  # fmt: skip
COMPARISONS = {
    ">": (
        "Is {a} > {b}?", "Is {a} greater than {b}?", "Is {a} more than {b}?", "Is {a} bigger than {b}?",
        "Is {a} larger than {b}?",
    ),
    "<": (
        "Is {a} < {b}?", "Is {a} less than {b}?", "Is {a} smaller than {b}?", "Is {a} lower than {b}?",
        "Is {a} below {b}?",
    ),
    "=": (
        "Is {a} equal to {b}?", "Does {a} equal {b}?", "Is {a} the same as {b}?", "Are {a} and {b} equal?",
        "Is {a} == {b}?",
    ),
}  # fmt: skip


def compared(a: int, b: int) -> str:
    """The order of two numbers as a line."""
    return f"{a} {'>' if a > b else '<' if a < b else '='} {b}."


class Structured:
    """JSON replies."""

    name = "structured"
    description = "answers as a one-key JSON object, for sums up to 2 digits and comparisons up to 3 digits"
    levels = 1

    def sample(self, rng: random.Random, level: int) -> Problem:
        """Two thirds sums, one third comparisons."""
        key = rng.choice(KEYS)
        plain = rng.random() < 0.2
        if plain:
            key = "answer"
        value: int | str | bool
        if rng.random() < 0.67:
            sign = rng.choice(("+", "+", "+", "-", "-", "×"))
            a, b = rng.randint(2, 99), rng.randint(2, 9 if sign == "×" else 99)
            if sign == "-" and a < b:
                a, b = b, a
            number = a + b if sign == "+" else a - b if sign == "-" else a * b
            kind = "string" if rng.random() < 0.15 else "number"
            question = rng.choice(SUMS[sign]).format(a=a, b=b)
            thought = "\n".join(work_line("", a, sign, b))
            value = str(number) if kind == "string" else number
        else:
            sign = rng.choice((">", ">", "<", "<", "="))
            top = rng.choice((9, 99, 999))
            a, b = rng.randint(0, top), rng.randint(0, top)
            if sign == "=" and rng.random() < 0.5:
                b = a
            truth = a > b if sign == ">" else a < b if sign == "<" else a == b
            kind = "string" if rng.random() < 0.12 else "boolean"
            question = rng.choice(COMPARISONS[sign]).format(a=a, b=b)
            if rng.random() < 0.3:
                question = f"True or false: {question[3:] if question.startswith('Is ') else question}"
            thought = f"{compared(a, b)}\nSo the answer is {'yes' if truth else 'no'}."
            value = ("yes" if truth else "no") if kind == "string" else truth
        typed = rng.choice(TYPED["yes or no" if value in ("yes", "no") else kind])
        prompt = rng.choice(ASKED_PLAIN if plain else ASKED).format(q=question, k=key) + typed
        if rng.random() < 0.12:
            prompt = prompt[:1].lower() + prompt[1:]
        if rng.random() < 0.04 and "_" not in key:
            prompt = slip(rng, question) + prompt[len(question) :] if prompt.startswith(question) else prompt
        answer = json.dumps({key: value})
        problem_key = f"json:{sign}:{a}:{b}:{key}:{kind}"
        return Problem(self.name, problem_key, prompt, f"{thought}\nKey: {key}, {kind}.", answer, answer, level)

    def check(self, problem: Problem, answer: str) -> bool:
        """The answer is the wanted object, alone or in a fenced block."""
        found = re.search(r"\{[^{}]*\}", answer)
        try:
            said = json.loads(found.group()) if found else None
        except ValueError:
            return False
        wanted = json.loads(problem.result)
        return isinstance(said, dict) and said == wanted and all(type(said[k]) is type(wanted[k]) for k in wanted)
