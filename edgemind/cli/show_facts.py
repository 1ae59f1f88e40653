"""What ``edgemind show`` tells about a model, as plain values: from its header, its manifest and the catalog.

Nothing is loaded and no template is rendered: a header is read with limits, and what a template does is told from its
text. Not for: how it looks (``show``), what the engine finds out when it opens the model.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemind.errors import ModelUnusable, OutOfMemory
from edgemind.models import builtin
from edgemind.models.summary import check_model, summary

if TYPE_CHECKING:
    from edgemind.models.catalog import CatalogEntry
    from edgemind.models.checkpoint import Checkpoint
    from edgemind.models.header import Header
    from edgemind.models.names import ModelFile
    from edgemind.models.summary import Summary

CONTEXTS = (2048, 8192, 32768)
"""Tokens for which the memory is told, besides all that the model was trained for."""

SMALLEST = 2048
"""The context that has to fit for a model to be opened."""

HASHED_AT_ONCE = 64 << 20
"""Bytes: a file up to this size is hashed for the showing, in a fraction of a second."""

LONGEST_TEMPLATE = 256 << 10
"""Characters; those of known models have up to 30,000."""

SWITCHES = ("enable_thinking", "reasoning_effort", "thinking")
"""Variables by which templates turn reasoning on and off, in the order the engine looks for them."""


def examine(model: ModelFile) -> dict[str, Any]:
    """Everything about a model. Bytes are bytes; what is not known is ``None`` or empty.

    Raises:
        ModelUnusable: its file is damaged, or is no model file.
    """
    about: dict[str, Any] = {
        "name": model.name,
        "kind": model.manifest.kind if model.manifest else "gguf",
        "built_in": model.name == builtin.NAME and model.installed,
        "installed": model.installed,
        "path": str(model.path),
        "problem": None,
    }
    if about["kind"] == "safetensors":
        return about | _of_checkpoint(model)
    header = model.header
    entry = model.entry
    about |= _of_header(header, entry) | _of_template(header, entry)
    if model.manifest:  # a blob's own name says nothing
        about["title"] = header.text("general.name") or header.text("general.basename")
        about["quantization"] = model.manifest.facts.quantization or about["quantization"]
    about |= {"sampling": _sampling(header, entry), "licence": _licence(model, entry, header)}
    return about | _origin(model, entry) | _memory(header)


def examine_folder(folder: Path) -> dict[str, Any]:
    """The same for a folder with a safetensors checkpoint.

    Raises:
        ModelUnusable: there is none in it, or a file is damaged.
    """
    files = {path.name: path for path in folder.iterdir() if path.is_file()}
    about: dict[str, Any] = {
        "name": folder.resolve().name,
        "kind": "safetensors",
        "built_in": False,
        "installed": False,
        "path": str(folder),
        "problem": None,
        "licence": None,
    }
    about |= _of_config(files)
    about["files"] = [
        {"path": name, "size": path.stat().st_size, "sha256": None} for name, path in sorted(files.items())
    ]
    return about


def _of_header(header: Header, entry: CatalogEntry | None) -> dict[str, Any]:
    facts = summary(header)
    return {
        **_counted(facts),
        "title": facts.name,
        "description": entry.description if entry else None,
        "catalog_name": entry.name if entry else None,
        "heads": max(facts.heads, default=0),
        "kv_heads": max(facts.kv_heads, default=0),
        "head_dim": facts.key_length,
        "sliding_window": facts.sliding_window or None,
        "recurrent": facts.recurrent,
        "experts": {"count": facts.experts, "used": facts.experts_used} if facts.experts else None,
        "tokenizer": {
            "kind": header.text("tokenizer.ggml.model"),
            "pre": header.text("tokenizer.ggml.pre"),
            "tokens": facts.vocabulary,
        },
    }


def _of_template(header: Header, entry: CatalogEntry | None) -> dict[str, Any]:
    template = header.text("tokenizer.chat_template")
    tokens = functools.cache(lambda: _tokens(header))
    return _template_facts(template, lambda token: token in tokens(), header.architecture, entry)


def _template_facts(
    template: str | None, has_token: Callable[[str], bool], architecture: str, entry: CatalogEntry | None
) -> dict[str, Any]:
    """Family of the template, format of the reasoning and how it is switched."""
    from edgemind.engine.reasoning_formats import from_template, from_vocabulary
    from edgemind.engine.template_fallbacks import fallback_template

    text = template or ""
    written = (lambda token: token in text) if text else has_token
    family, _ = fallback_template("" if text else architecture, written)
    found = from_template(text, architecture.lower())
    said = entry.reasoning if entry else None
    name, evidence = said or found, "catalog" if said else "template"
    if name is None:
        name = from_vocabulary(has_token)
        evidence = "vocabulary" if name else "none"
    return {
        "template": {"family": family if family != "plain" else None, "own": bool(text)},
        "reasoning": {
            "format": name or "none",
            "evidence": evidence,
            "switch": switch_in(text) if found else None,
            "thinking": entry.thinking if entry else "auto",
        },
    }


_JINJA = re.compile(r"\{[{%].*?(?:[%}]\}|\Z)", re.DOTALL)
_LITERAL = re.compile(r"""'(?:[^'\\]|\\.?)*(?:'|\Z)|"(?:[^"\\]|\\.?)*(?:"|\Z)""", re.DOTALL)
"""Both match to the end where nothing closes, so that no text is gone over twice."""


def switch_in(template: str) -> str | None:
    """The variable that a template asks whether to reason; by its text, nothing is rendered.

    One that it sets before it looks at it is its own.
    """
    code = " ".join(_JINJA.findall(template[:LONGEST_TEMPLATE]))
    code = _LITERAL.sub("''", code)
    for name in SWITCHES:
        first = re.search(rf"(?<![\w.])(set\s+|for\s+)?{name}\b([^%]*)", code)
        if first and (not first[1] or re.search(rf"\b{name}\b", first[2])):
            return name
    return None


def _tokens(header: Header) -> frozenset[object]:
    from edgemind.models.gguf import read_array

    try:
        return frozenset(read_array(header, "tokenizer.ggml.tokens"))
    except KeyError:
        return frozenset()


def _sampling(header: Header, entry: CatalogEntry | None) -> dict[str, Any]:
    from edgemind.models import catalog

    return catalog.sampling_for(header, entry).given()


def _licence(model: ModelFile, entry: CatalogEntry | None, header: Header | None) -> str | None:
    """What the hub said, else the file, else the catalog."""
    in_store = model.manifest.licence if model.manifest else None
    in_file = (header.text("general.license.name") or header.text("general.license")) if header else None
    return in_store or in_file or (entry.licence if entry else None)


def _origin(model: ModelFile, entry: CatalogEntry | None) -> dict[str, Any]:
    """Where it came from, and its files."""
    manifest = model.manifest
    if manifest is None:
        files = [{"path": file.name, "size": file.stat().st_size, "sha256": _small_hash(file)} for file in model.files]
        return {"source": None, "created": None, "trouble": None, "files": files}
    return {
        "source": manifest.source.model_dump(exclude_defaults=True),
        "created": manifest.created,
        "trouble": manifest.trouble,
        "files": [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in manifest.files],
    }


def _small_hash(file: Path) -> str | None:
    import hashlib

    if file.stat().st_size > HASHED_AT_ONCE:
        return None
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _memory(header: Header) -> dict[str, Any]:
    """Memory at several contexts, and what of it this machine has."""
    from edgemind.models import fit, hardware

    facts = summary(header)
    trained = facts.context_trained
    available = hardware.machine().available_ram
    try:
        check_model(header)
    except ModelUnusable as problem:
        return {"memory": [], "fits": None, "problem": problem.message}
    sizes = [size for size in CONTEXTS if not trained or size < trained] + ([trained] if trained else [])
    rows = []
    for size in sizes:
        needed = fit.estimate(header, n_ctx=size)
        rows.append({
            "context": size,
            "bytes": needed.total,
            "weights": needed.weights_bytes,
            "kv": needed.kv_bytes,
            "buffers": needed.compute_bytes,
            "fits": needed.host.total <= available,
        })  # fmt: skip
    here = {"available_bytes": available, "largest_context": 0}
    try:
        fit.check_memory(fit.estimate(header, n_ctx=min(SMALLEST, trained or SMALLEST)).host, available)
    except OutOfMemory as refused:
        return {"memory": rows, "fits": here, "problem": refused.message}
    here["largest_context"] = fit.max_context(header, available)
    return {"memory": rows, "fits": here, "problem": None}


def _of_checkpoint(model: ModelFile) -> dict[str, Any]:
    manifest = model.manifest
    assert manifest is not None
    files = {stored.path: path for stored, path in zip(manifest.files, model.files, strict=True)}
    entry = model.entry
    about = _of_config(files) | _origin(model, entry)
    return about | {
        "licence": _licence(model, entry, None),
        "sampling": entry.sampling.given() if entry else {},
        "description": entry.description if entry else None,
    }


def _counted(facts: Summary | Checkpoint) -> dict[str, Any]:
    """What a GGUF file and a checkpoint both say."""
    return {
        "architecture": facts.architecture,
        "parameters": facts.parameters,
        "size_bytes": facts.size_bytes,
        "quantization": facts.quantization,
        "types": [{"type": name, "bytes": count} for name, count in facts.types],
        "context_trained": facts.context_trained,
        "layers": facts.layers,
        "embedding": facts.embedding,
    }


def _of_config(files: dict[str, Path]) -> dict[str, Any]:
    from edgemind.models.checkpoint import read_checkpoint

    facts: Checkpoint = read_checkpoint(files)
    return {
        **_counted(facts),
        "heads": facts.heads,
        "kv_heads": facts.kv_heads,
        "tokenizer": {"kind": None, "pre": None, "tokens": facts.vocabulary},
        **_template_facts(facts.template, lambda token: False, facts.architecture, None),
        "memory": [],
        "fits": None,
        "problem": "llama.cpp does not run safetensors; it is for converting and training.",
    }
