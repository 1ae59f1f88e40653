"""The stage ``student``: the checkpoint that training starts from, with its tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemind.distill.pipeline.matching import matched, needs_match
from edgemind.distill.pipeline.models import Teacher, named
from edgemind.distill.pipeline.stage import Done, Run, Stage, View
from edgemind.distill.pipeline.stages.problems import TRAINING, file
from edgemind.distill.recipe.schema import ShapeRecipe, StudentRecipe
from edgemind.errors import ModelUnusable, OutOfMemory
from edgemind.models import hardware

if TYPE_CHECKING:
    from edgemind.distill.problems.base import Problem

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")
LEAST_VOCABULARY = 300
TRAINED_BYTES = 12
"""Of memory to a parameter that is trained: weight, gradient and one moment in float32."""


def stages(run: Run) -> list[Stage]:
    needs: dict[str, tuple[str, ...]] = {}
    if needs_match(run) or _has_teachers_tokenizer(run):
        needs["teacher"] = ()
    if run.recipe.student.tokenizer == "train":
        needs["problems"] = (TRAINING,)
    return [Stage("student", "student", needs, _inputs, _work, ready=_ready)]


def _ready(run: Run) -> None:
    check_start(run.recipe.student, "student.shape")


def check_start(recipe: StudentRecipe, where: str) -> None:
    """That the models it names are there, and that a shape could be trained on this machine at all.

    Args:
        where: of the shape in the recipe.

    Raises:
        ModelNotFound, ModelUnusable: a model that it names is missing or none.
        OutOfMemory: the shape is larger than the machine, even with the smallest vocabulary.
    """
    others = None if recipe.tokenizer in ("teacher", "train") else recipe.tokenizer
    grow = recipe.grow.from_ if recipe.grow is not None else None
    for text in (recipe.checkpoint and str(recipe.checkpoint), grow, others):
        if text:
            named(text)
    if recipe.checkpoint is not None and not named(str(recipe.checkpoint)).is_folder:
        raise ModelUnusable(
            f"{recipe.checkpoint} is a GGUF file, and a student starts from a checkpoint.",
            "edgemind pull OWNER/REPOSITORY --format safetensors gets one; name it, or a checkpoint's folder.",
        )
    if recipe.shape is not None:
        count = _least_parameters(recipe.shape)
        memory = hardware.machine().total_ram
        if memory and count * TRAINED_BYTES > memory:
            raise OutOfMemory(
                f"A network of {where} has more than {count / 1e9:,.1f} billion parameters, and training that takes "
                f"{count * TRAINED_BYTES / 1e9:,.0f} GB of memory; this machine has {memory / 1e9:,.0f} GB.",
                f"Make {where} smaller.",
            )


def _least_parameters(shape: ShapeRecipe) -> int:
    """Of a shape with the smallest vocabulary that a tokenizer may have."""
    head, ffn = shape.head_dim or shape.width // shape.heads, shape.ffn or 3 * shape.width
    attention = shape.width * head * 2 * (shape.heads + (shape.kv_heads or shape.heads))
    return shape.layers * (attention + 3 * shape.width * ffn) + LEAST_VOCABULARY * shape.width


def _has_teachers_tokenizer(run: Run) -> bool:
    return run.recipe.student.tokenizer == "teacher" and run.recipe.student.checkpoint is None


def start_folder(run: Run) -> Path:
    """Where it is."""
    return run.directory / "student" / "start"


def start_inputs(recipe: StudentRecipe, run: Run) -> dict[str, Any]:
    """A start, with what the files it names hold."""
    values = recipe.model_dump(mode="json", by_alias=True)
    if recipe.checkpoint is not None:
        values["checkpoint"] = named(str(recipe.checkpoint)).digest(run)
    if recipe.grow is not None:
        values["grow"]["from"] = named(recipe.grow.from_).digest(run)
    if recipe.tokenizer not in ("teacher", "train"):
        values["tokenizer"] = named(recipe.tokenizer).digest(run)
    return values


def start(recipe: StudentRecipe, seed: int, into: Path, teacher: Teacher | None, problems: Sequence[Problem]) -> Path:
    """Make a start of ``recipe`` in ``into``; what is there already stays.

    Args:
        teacher: whose tokenizer ``teacher`` means.
        problems: what a new tokenizer is trained on.
    """
    from edgemind.distill.students import start_student

    if recipe.checkpoint is not None:
        folder = named(str(recipe.checkpoint)).in_folder(into.with_name(f"{into.name}-from"))
        recipe = recipe.model_copy(update={"checkpoint": folder})
    if recipe.grow is not None:
        origin = named(recipe.grow.from_)
        small = str(origin.in_folder(into.with_name(f"{into.name}-from")))
        recipe = recipe.model_copy(update={"grow": recipe.grow.model_copy(update={"from_": small})})
    tokenizer = _tokenizer(recipe, into, teacher, problems)
    if (into / "config.json").is_file() and any(into.glob("*.safetensors*")):
        return into
    return start_student(recipe, seed, into, tokenizer)


def _tokenizer(recipe: StudentRecipe, into: Path, teacher: Teacher | None, problems: Sequence[Problem]) -> Path:
    """A tokenizer's folder, or a GGUF file with one."""
    if recipe.checkpoint is not None:
        return recipe.checkpoint
    if recipe.tokenizer == "train":
        return _trained(recipe.tokenizer_size, into.with_name(f"{into.name}-tokenizer"), problems)
    if recipe.tokenizer == "teacher":
        if teacher is not None and teacher.tokenizer is not None:
            return teacher.tokenizer
        assert recipe.grow is not None
        return Path(recipe.grow.from_)
    model = named(recipe.tokenizer)
    return model.in_folder(into.with_name(f"{into.name}-tokenizer"))


def _trained(size: int, folder: Path, problems: Sequence[Problem]) -> Path:
    from edgemind.distill.tokenizer import train_tokenizer
    from edgemind.distill.tokenizer_files import save_nano_tokenizer

    texts = (text for problem in problems for text in (problem.prompt, problem.thought, problem.answer) if text)
    folder.mkdir(parents=True, exist_ok=True)
    save_nano_tokenizer(folder, train_tokenizer(texts, size))
    return folder


def _inputs(run: Run) -> Mapping[str, Any]:
    found = {"[student]": start_inputs(run.recipe.student, run), "seed": run.recipe.seed}
    return {**found, "targets.across": run.recipe.targets.across} if needs_match(run) else found


def _work(run: Run, folder: Path, view: View) -> Done:
    from edgemind.distill.problems.sources import read_problems

    recipe = run.recipe.student
    problems = read_problems(file(run, TRAINING)) if recipe.tokenizer == "train" else ()
    teacher = Teacher.of(run) if _has_teachers_tokenizer(run) else None
    into = start(recipe, run.recipe.seed, folder / "start", teacher, problems)
    if needs_match(run):
        matched(run, into)
    files = sorted(path for path in into.rglob("*") if path.is_file())
    return Done(files, {"parameters": _parameters(files)})


def _parameters(files: Sequence[Path]) -> int:
    """Of all safetensors files; tied tensors are stored once."""
    import math

    from safetensors import safe_open

    count = 0
    for path in files:
        if path.suffix == ".safetensors":
            with safe_open(path, "np") as opened:
                count += sum(math.prod(opened.get_slice(name).get_shape()) for name in opened.keys())  # noqa: SIM118
    return count
