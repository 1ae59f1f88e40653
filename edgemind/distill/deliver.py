"""A trained checkpoint's folder made a model that runs: converted, proven, quantized; in the store or as a file.

Not for: the steps themselves (``convert.making``), the model's card (``model_card``).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.distill.metadata import annotated
from edgemind.errors import ModelUnusable, UsageError
from edgemind.models.opening import shown
from edgemind.models.store.files import explained
from edgemind.models.unfinished import Unfinished, check_target

if TYPE_CHECKING:
    from edgemind.convert.making import Made
    from edgemind.engine.production import Stages

PLAIN = {"F32": "f32", "F16": "f16", "BF16": "bf16", "Q8_0": "q8_0"}
"""Quantizations that are written while converting; the others come after it."""

RUN = "distillation"
"""The note by which a later run of the same distillation knows what it may replace."""

MOST_NOTE = 2000
"""Characters of a note in the store."""


@dataclass(frozen=True)
class About:
    """What a file says of itself.

    Attributes:
        provenance: plain facts; ``edgemind.KEY`` in the file, and notes of the model in the store.
    """

    name: str
    description: str = ""
    author: str = ""
    licence: str = ""
    provenance: Mapping[str, str | int] = field(default_factory=dict)

    def facts(self) -> dict[str, str | int]:
        """As keys of a GGUF file; what is empty is left as it is."""
        general = {
            "name": re.sub("(?i)(phi)-?3", r"\1 3", self.name),
            "description": self.description,
            "author": self.author,
            "license": self.licence.lower() if self.licence.lower() == "apache-2.0" else self.licence,
        }
        own = {f"edgemind.{re.sub('[^a-z0-9]+', '_', key.lower())}": value for key, value in self.provenance.items()}
        return {**{f"general.{key}": value for key, value in general.items() if value}, **own}


@dataclass(frozen=True)
class Delivered:
    """What was made.

    Attributes:
        name: in the store; ``None`` for a file.
        parity: how it was compared with the checkpoint, in a sentence.
    """

    path: Path
    name: str | None
    size: int
    type: str
    sha256: str
    parity: str


def gguf_of(folder: Path, path: Path, *, type: str = "f16") -> Path:  # noqa: A002
    """A plain GGUF file of a checkpoint, to be evaluated: not quantized, not proven. One that is there is replaced."""
    from edgemind.convert.convert import convert

    with explained("make the folder", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    return convert(folder, path, type=type, replace=True).path


def deliver_file(
    folder: Path, path: Path, quantization: str, about: About, stages: Stages, *, force: bool = True
) -> Delivered:
    """Write a GGUF file.

    Args:
        force: replace a file that is there.

    Raises:
        EdgemindError: one sentence; nothing is left then.
    """
    path = path.absolute()
    check_target(path, [], replace=force)
    with tempfile.TemporaryDirectory(prefix=".edgemind-", dir=folder.parent) as work:
        made = _made(folder, Path(work) / "model.gguf", quantization, about.name, stages)
        with Unfinished(path) as output:
            annotated(made.path, output, about.facts())
            _check(output)
            output.publish(replace=force)
    return Delivered(path, None, path.stat().st_size, quantization, _sha256(path), _parity(made))


def deliver_to_store(
    folder: Path, name: str, quantization: str, about: About, stages: Stages, *, run: str, command: str = ""
) -> Delivered:
    """Make it a model of the store. A model of this name is replaced only when it came from the same ``run``.

    The one that is there stays until the new one is complete.

    Args:
        run: what tells this distillation from others, such as the recipe's name and the run directory.

    Raises:
        UsageError: another model has this name.
        EdgemindError: one sentence; nothing is left then.
    """
    from edgemind.models.store.made import MadeModel
    from edgemind.models.store.store import own_store

    store = own_store()
    may_replace(name, run)
    store.prepare()
    notes = {"made": f"distilled, {quantization}", RUN: run, "command": command}
    notes |= {key: str(value)[:MOST_NOTE] for key, value in about.provenance.items()}
    with tempfile.TemporaryDirectory(prefix=".edgemind-", dir=folder.parent) as work:
        made = _made(folder, Path(work) / "model.gguf", quantization, about.name, stages)
        notes["compared"] = _parity(made)
        complete = Path(work) / "complete.gguf"
        with Unfinished(complete) as output:
            annotated(made.path, output, about.facts())
            _check(output)
            output.publish()
        if may_replace(name, run):
            store.remove(name)
        with MadeModel(store, name) as model, Unfinished(model.target, mode=0o600) as output:
            annotated(complete, output, {})
            output.publish()
            stages.begin("hashing")
            manifest = model.finish({key: text for key, text in notes.items() if text}, about.licence or None, stages)
    stored = manifest.files[0]
    return Delivered(store.blob(stored.sha256), name, stored.size, quantization, stored.sha256, _parity(made))


def _made(folder: Path, target: Path, quantization: str, name: str, stages: Stages) -> Made:
    """Convert, prove, quantize."""
    from edgemind.convert.making import Order, make

    plain = PLAIN.get(quantization)
    order = Order(
        folder=folder,
        type=plain or "f32",
        output=target,
        quantize=None if plain else quantization,
        prove=_provable(),
        force=True,
    )
    return make(order, stages)


def _provable() -> bool:
    """Comparing needs torch, which whoever trained has."""
    import importlib.util

    return importlib.util.find_spec("torch") is not None


def _check(output: Unfinished) -> None:
    """The file that gets a name is one that our own reader takes.

    Raises:
        ModelUnusable: it is not, which would be a fault of ours.
    """
    from edgemind.models.gguf import read_headers

    header = read_headers([output.path])
    if not header.tensors:
        raise ModelUnusable(f"{shown(output.target.name)} has no weights.", "Train again.")


def may_replace(name: str, run: str) -> bool:
    """Whether a model is there that this run may replace.

    Raises:
        UsageError: another has the name, or it cannot be one.
    """
    from edgemind.errors import StoreProblem
    from edgemind.models.store.made import check_name
    from edgemind.models.store.store import own_store

    store = own_store()
    present = store.get(name)
    if present is not None and present.source.kind == "made" and present.source.notes.get(RUN) == run:
        return True
    try:
        check_name(store, name)
    except StoreProblem as problem:
        raise UsageError(
            f"There is a model named {name} already, and it is not from this distillation.",
            f"Give export.name another value in the recipe, or first: edgemind rm {name}",
        ) from problem
    return False


def _parity(made: Made) -> str:
    if made.parity is None:
        return made.unproven or "not compared with the checkpoint"
    parity = made.parity
    if parity.logits is None:
        return f"same tokens as the checkpoint for {parity.tokenizer.texts:,} texts"
    return (
        f"same tokens as the checkpoint; {parity.logits.mean_kl:.1e} nats from it a token, "
        f"the same best token at {parity.logits.top_1} of {parity.logits.tokens}"
    )


def _sha256(path: Path) -> str:
    from edgemind.models.store.made import digest_of

    return digest_of([path])[0]
