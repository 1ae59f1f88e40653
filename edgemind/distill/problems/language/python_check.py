"""Running a model's function against the cases of its task, in a short-lived process of its own.

The code is a model's, so it is looked at before it runs (no imports but ``math``, no dunder names, few built-ins) and
it runs without an environment, in an empty folder, under limits of processor time, memory and wall-clock time.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from edgemind.distill.problems.language.python_tasks import Task

BLOCK = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL)
SECONDS = 5
MEMORY = 512 * 2**20
BANNED_NAMES = frozenset(
    [
        "exec",
        "eval",
        "compile",
        "globals",
        "locals",
        "vars",
        "getattr",
        "setattr",
        "delattr",
        "input",
        "breakpoint",
        "help",
    ]
)
RUNNER = """
import contextlib, io, json, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
with contextlib.suppress(ValueError, OSError):
    resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
job = json.load(sys.stdin)
made = []
for arguments in job["arguments"]:
    space = {{"__name__": "answer"}}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(job["code"], space)
        printed.seek(0)
        printed.truncate()
        value = space[job["name"]](*eval(arguments))
    made.append(printed.getvalue().strip() if job["printed"] else repr(value))
print(json.dumps(made))
"""


def code_of(answer: str) -> str:
    """The first fenced block of ``answer``, or an empty string."""
    found = BLOCK.search(answer)
    return found.group(1) if found else ""


def opens_otherwise(call: ast.Call) -> bool:
    """Whether ``call`` opens a file in any mode but plain reading."""
    opens = isinstance(call.func, ast.Name) and call.func.id == "open"
    return opens and (len(call.args) != 1 or bool(call.keywords))


def harmless(code: str) -> bool:
    """Whether ``code`` parses and keeps to plain functions."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):  # the last two: brackets or signs without end
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            return False
        if isinstance(node, ast.Import) and [alias.name for alias in node.names] != ["math"]:
            return False
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            return False
        if isinstance(node, ast.Name) and (node.id.startswith("__") or node.id in BANNED_NAMES):
            return False
        if isinstance(node, ast.Call) and opens_otherwise(node):
            return False
    return True


def passes(task: Task, name: str, answer: str) -> bool:
    """Whether the code in ``answer`` defines ``name`` and gives what every case of ``task`` expects."""
    code = code_of(answer)
    if not code or not harmless(code):
        return False
    job = {"code": code, "name": name, "printed": task.printed, "arguments": [arguments for arguments, _ in task.cases]}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "cases.txt").write_text("one\ntwo\n")
        try:
            run = subprocess.run(
                [sys.executable, "-I", "-S", "-c", RUNNER.format(seconds=SECONDS, memory=MEMORY)],
                input=json.dumps(job), capture_output=True, text=True, timeout=SECONDS, cwd=folder, env={}, check=False,
            )  # fmt: skip
            made = json.loads(run.stdout)
        except (subprocess.TimeoutExpired, ValueError):
            return False
    wanted = [value if task.printed else repr(value) for _, value in task.cases]
    return bool(made == wanted)
