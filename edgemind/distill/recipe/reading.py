"""From a recipe's file, or the name of one that ships, to a checked ``Recipe``; a slip is one sentence with its line.

Not for: whether a teacher or a dataset that a recipe names is there (the stages of ``distill.pipeline`` look).
"""

from __future__ import annotations

import difflib
import types
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from edgemind.distill.recipe.schema import Recipe
from edgemind.errors import BadConfig, UsageError
from edgemind.models.toml_lines import Lines
from edgemind.models.toml_reading import NotReadable, read_toml

Keys = tuple[str | int, ...]


def read_recipe(file: Path) -> Recipe:
    """Read and check a recipe; its paths are meant from its folder.

    Raises:
        BadConfig: it is no TOML, or says something that cannot be; the message names file and line.
    """
    try:
        table, lines = read_toml(file, "recipe")
    except NotReadable as problem:
        raise problem.told(file) from problem
    try:
        return Recipe.model_validate(table, context={"folder": file.absolute().parent})
    except ValidationError as problem:
        raise BadConfig(_complaint(file, lines, problem), f"Mend that in {file}.") from problem


def find_recipe(text: str) -> Path:
    """The file that a command line means: a path, or the name of a recipe that ships.

    Raises:
        UsageError: there is neither.
    """
    file = Path(text).expanduser()
    if file.is_file():
        return file
    known = shipped_recipes()
    if text in known:
        return known[text]
    if file.is_dir():
        raise UsageError(f"{text} is a folder, not a recipe.", "Name a .toml file in it.")
    near = difflib.get_close_matches(file.stem, known, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else "."
    hint = f"edgemind distill {near[0]}" if near else "See those that ship: edgemind distill --list"
    raise UsageError(f"There is no recipe {text!r}{guess}", hint)


def shipped_recipes() -> dict[str, Path]:
    """Recipes that come with EdgeMind, by name."""
    return {file.stem: file for file in sorted(_shipped_folder().glob("*.toml"))}


def _shipped_folder() -> Path:
    """In the package, or in a source checkout beside it."""
    package = Path(__file__).resolve().parents[2]
    packaged = package / "data" / "recipes"
    return packaged if packaged.is_dir() else package.parent / "recipes"


def _complaint(file: Path, lines: Lines, problem: ValidationError) -> str:
    """What is wrong first. An unknown key comes before all else: it is often why another one is missing."""
    errors = problem.errors(include_url=False)
    errors.sort(key=lambda error: (error["type"] != "extra_forbidden", lines.find(_written(error["loc"]))))
    first = errors[0]
    keys = _written(first["loc"])
    more = f" ({len(errors)} problems in all)" if len(errors) > 1 else ""
    where = "".join(f"[{key + 1}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    said = _said(first, keys)
    end = "" if f"{said}{more}".endswith("?") else "."
    place = f"{file}, line {lines.find(keys)}: {where}" if keys else str(file)
    return f"{place}: {said}{more}{end}"


def _written(loc: Keys) -> Keys:
    """A place as it is written in the file, without what pydantic adds for keys of a table (``[key]``)."""
    return tuple(key for key in loc if key != "[key]")


def _said(error: Any, keys: Keys) -> str:
    kind, wrong = error["type"], error["msg"]
    if kind == "extra_forbidden":
        return f"unknown key{_near(keys)}"
    if kind == "missing":
        return "this must be given"
    if kind == "value_error":
        return str(wrong).removeprefix("Value error, ")
    if kind in ("model_type", "model_attributes_type"):
        return "it should be a table"
    if kind == "string_pattern_mismatch":
        variable = "A-Z" in error["ctx"]["pattern"]
        letters = "small letters, digits, '.', '_' and '-', with a letter or digit first"
        return f"it should be {'the name of an environment variable' if variable else letters}"
    if kind in ("too_long", "too_short"):
        return f"it should have {error['ctx'].get('max_length', error['ctx'].get('min_length'))} elements"
    wrong = str(wrong).replace("valid tuple", "list").replace("valid dictionary", "table").replace("valid ", "")
    wrong = wrong.replace("a integer", "a whole number").replace("Input should be", "it should be")
    return wrong[:1].lower() + wrong[1:]


def _near(keys: Keys) -> str:
    """The key that was probably meant: a like one of the same table, or the same one of another table."""
    name = str(keys[-1])
    table = _table_at(keys[:-1])
    known = _names(table) if table else []
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    places = [place for place, cls in _tables() if name in _names(cls)]
    if places:
        return f"; it belongs in {_bracketed(places[0])}"
    return f"; known here are {', '.join(known)}" if known else ""


def _bracketed(place: str) -> str:
    return f"[{place}]" if place else "the first lines, before any table"


def _names(table: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in table.model_fields.items()]


def _table_at(keys: Keys) -> type[BaseModel] | None:
    table: type[BaseModel] | None = Recipe
    for key in keys:
        if isinstance(key, int):
            continue
        table = _inner(table, key) if table else None
    return table


def _inner(table: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The class of the table, or of the tables of a list, that stands under ``key``."""
    field = next((field for name, field in table.model_fields.items() if key == (field.alias or name)), None)
    return _class_in(field.annotation) if field else None


def _class_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    inside = (_class_in(part) for part in typing.get_args(annotation))
    return next((found for found in inside if found), None)


def _tables() -> list[tuple[str, type[BaseModel]]]:
    """Every table of a recipe by its place, those further up first."""
    found: list[tuple[str, type[BaseModel]]] = [("", Recipe)]
    for place, table in found:
        for name in _names(table):
            inner = _inner(table, name)
            if inner and len(found) < 100:
                found.append((f"{place}.{name}".lstrip("."), inner))
    return found
