"""The stage ``student``: the checkpoint that training starts from, with its tokenizer.

Where the student starts from its teacher and a variant does not, there is a second one, ``student random``: the same
network with random weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemind.distill.pipeline.matching import matched, needs_match
from edgemind.distill.pipeline.models import Teacher, named
from edgemind.distill.pipeline.stage import Done, Run, Stage, View
from edgemind.distill.pipeline.stages.problems import TRAINING, file
from edgemind.distill.pipeline.variants import adjusted, from_nothing
from edgemind.distill.recipe.networks import ShapeRecipe, StudentRecipe
from edgemind.errors import ModelUnusable, OutOfMemory
from edgemind.models import hardware

if TYPE_CHECKING:
    from edgemind.distill.inheriting import Measures
    from edgemind.distill.problems.base import Problem

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")
START, FROM_NOTHING = "student", "student random"
"""Names of the stages."""
LEAST_VOCABULARY = 300
TRAINED_BYTES = 12
"""Of memory to a parameter that is trained: weight, gradient and one moment in float32."""

UNREAD = {"tensorboard", "checkpoint_every", "cold_rate", "cold_embedding_rate"}
"""What a training's outcome does not depend on: how it is watched, and what ``variants`` makes of the recipe."""


def stages(run: Run) -> list[Stage]:
    recipe = run.recipe.student
    needs: dict[str, tuple[str, ...]] = {}
    if needs_match(run) or _has_teachers_tokenizer(run):
        needs["teacher"] = ()
    if recipe.tokenizer == "train" or recipe.start == "teacher":
        needs["problems"] = (TRAINING,)
    found = [
        Stage(START, "student", needs, partial(_inputs, recipe=recipe), partial(_work, recipe=recipe), ready=_ready)
    ]
    others = [adjusted(run.recipe, variant).student for variant in run.variants]
    if any(other != recipe for other in others):
        bare = from_nothing(recipe)
        found.append(
            Stage(
                FROM_NOTHING,
                "student",
                {"teacher": (), START: ("config.json",)},
                partial(_inputs, recipe=bare),
                partial(_work, recipe=bare),
            )
        )
    return found


def stage_of(run: Run, recipe: StudentRecipe) -> str:
    """The name of the stage that makes the start of a variant's student."""
    return START if recipe == run.recipe.student else FROM_NOTHING


def _ready(run: Run) -> None:
    recipe = run.recipe.student
    check_start(recipe, "student.shape")
    if recipe.start == "teacher":
        _check_teacher(run)


def _check_teacher(run: Run) -> None:
    """That the student can be cut out of its teacher, as far as is known before there is one.

    Raises:
        UsageError, ModelUnusable: it cannot.
    """
    from edgemind.distill.inheriting import Measures, check_fits

    teacher, found = run.recipe.teacher, None
    name = "the teacher"
    text = teacher.model if teacher.model and named(teacher.model).is_folder else teacher.score_with or teacher.model
    if text is not None:
        name, found = named(text).name, _measures(text)
    elif teacher.start is not None and teacher.start.shape is not None:
        found = Measures.of_shape(teacher.start.shape)
    elif teacher.start is not None and teacher.start.checkpoint is not None:
        found = _measures(str(teacher.start.checkpoint))
    elif teacher.start is not None and teacher.start.grow is not None:
        small, new = _measures(teacher.start.grow.from_), len(set(teacher.start.grow.layers_after))
        found = replace(
            small, width=2 * small.width, layers=small.layers + new, heads=2 * small.heads, ffn=2 * small.ffn
        )
    if found is not None:
        check_fits(run.recipe.student, found, name)


def _measures(text: str) -> Measures:
    from edgemind.distill.inheriting import Measures

    model = named(text)
    if not model.is_folder:
        return Measures.of_gguf(model.path, model.name)
    return Measures.of_config(dict(model.links).get("config.json", model.path / "config.json"), model.name)


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


def start_folder(run: Run, recipe: StudentRecipe | None = None) -> Path:
    """Where it is; of a variant's student, when that is given."""
    return run.directory / stage_of(run, recipe or run.recipe.student).replace(" ", "/") / "start"


def start_inputs(recipe: StudentRecipe, run: Run) -> dict[str, Any]:
    """A start, with what the files it names hold."""
    values = recipe.model_dump(mode="json", by_alias=True, exclude={"start", "keep_layers"})
    if recipe.start == "teacher":
        values.update(start="teacher", keep_layers=recipe.keep_layers)
    if recipe.checkpoint is not None:
        values["checkpoint"] = named(str(recipe.checkpoint)).digest(run)
    if recipe.grow is not None:
        values["grow"]["from"] = named(recipe.grow.from_).digest(run)
    if recipe.tokenizer not in ("teacher", "train"):
        values["tokenizer"] = named(recipe.tokenizer).digest(run)
    return values


def start(
    recipe: StudentRecipe,
    seed: int,
    into: Path,
    teacher: Teacher | None,
    problems: Sequence[Problem],
    like_teacher: bool = False,
) -> Path:
    """Make a start of ``recipe`` in ``into``; what is there already stays.

    Args:
        teacher: whose tokenizer ``teacher`` means.
        problems: what a new tokenizer is trained on, and what a teacher is cut down by.
        like_teacher: a shape is made a network of the teacher's kind.
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
    network = teacher.network if teacher is not None and like_teacher else None
    return start_student(recipe, seed, into, tokenizer, network, problems)


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


def _inputs(run: Run, recipe: StudentRecipe) -> Mapping[str, Any]:
    found = {"[student]": start_inputs(recipe, run), "seed": run.recipe.seed}
    return {**found, "targets.across": run.recipe.targets.across} if needs_match(run) else found


def _work(run: Run, folder: Path, view: View, recipe: StudentRecipe) -> Done:
    from edgemind.distill.problems.sources import read_problems
    from edgemind.distill.students import INHERITED

    inherits = recipe.start == "teacher"
    problems = read_problems(file(run, TRAINING)) if recipe.tokenizer == "train" or inherits else ()
    teacher = Teacher.of(run) if _has_teachers_tokenizer(run) else None
    if inherits:
        view.progress(0, 0, "cutting the teacher down")
    like_teacher = run.recipe.student.start == "teacher"
    into = start(recipe, run.recipe.seed, folder / "start", teacher, problems, like_teacher)
    if needs_match(run):
        matched(run, into)
    files = sorted(path for path in into.rglob("*") if path.is_file())
    figures: dict[str, Any] = {"parameters": _parameters(files)}
    if inherits:
        figures["inherited"] = json.loads((into / INHERITED).read_text("utf-8"))
    return Done(files, figures)


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
