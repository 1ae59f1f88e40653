"""``edgemind convert`` and ``edgemind verify-conversion``: a Hugging Face checkpoint as a GGUF file, and the proof.

Not for: how it is done (``convert.making``), what the comparison is (``convert.parity``).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind.cli import completion, console
from edgemind.errors import BadInput, ModelUnusable, UsageError

if TYPE_CHECKING:
    from edgemind.convert.making import Made
    from edgemind.convert.parity import Parity

CHECKPOINT = "A folder with config.json and .safetensors, or an installed model of that kind."
TYPES = ("f16", "f32", "bf16", "q8_0")
MOST_TEMPLATE = 4 << 20
EPILOG = (
    "Converting needs nothing beyond EdgeMind; comparing the result with the checkpoint, which is part of it, needs "
    "`pip install 'edgemind[distill]'`."
)


def register(app: typer.Typer) -> None:
    app.command(name="convert", epilog=EPILOG)(convert)
    app.command(name="verify-conversion", epilog=EPILOG)(verify_conversion)


def convert(
    checkpoint: Annotated[
        str, typer.Argument(metavar="DIR|NAME", help=CHECKPOINT, autocompletion=completion.installed_names)
    ],
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="Write this file.")] = None,
    type_: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="f16 (usual), f32, bf16 or q8_0; of an adapter f32 is usual."),
    ] = None,
    quantize: Annotated[
        str | None, typer.Option("--quantize", metavar="TYPE", help="Quantize the result: Q4_K_M, Q6_K, ...")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Make it a model of this name in the store.")
    ] = None,
    lora: Annotated[
        str | None,
        typer.Option("--lora", metavar="ADAPTER_DIR", help="Convert this PEFT adapter for the checkpoint instead."),
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Add the adapter to the weights and convert both.")] = False,
    template: Annotated[
        str | None, typer.Option("--template", metavar="FILE", help="A chat template in place of the checkpoint's.")
    ] = None,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not compare the result with the checkpoint.")
    ] = False,
    threads: Annotated[int | None, typer.Option("--threads", min=1, max=1024, help="Threads to work with.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Turn a Hugging Face checkpoint into a GGUF model.

    It runs here then, and is proved to be the same.
    """
    from edgemind.cli.shut_in import shut_in
    from edgemind.cli.stages import Stages

    if type_ is not None and type_ not in TYPES:
        raise UsageError(f"--type is one of {', '.join(TYPES)}, not {type_!r}.", "Smaller ones are for --quantize.")
    shut_in()
    from edgemind.convert.making import Order, make

    with _folder(checkpoint) as folder, Stages() as stages:
        order = Order(
            folder=folder,
            type=type_,
            output=_path(output) if output else None,
            name=name,
            quantize=quantize,
            lora=_path(lora) if lora else None,
            merge=merge,
            prove=not no_verify,
            template=_template(template),
            force=force,
            threads=threads,
            command=" ".join(["edgemind", *sys.argv[1:]])[:2000],
        )
        made = make(order, stages)
    if json_output:
        console.out_json(_json(made))
    else:
        _tell(made, adapter=lora is not None and not merge)
    return 0


def verify_conversion(
    checkpoint: Annotated[
        str, typer.Argument(metavar="DIR|NAME", help=CHECKPOINT, autocompletion=completion.installed_names)
    ],
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME", help="The GGUF file, or its name.", autocompletion=completion.installed_names
        ),
    ],
    lora: Annotated[
        str | None, typer.Option("--lora", metavar="ADAPTER_DIR", help="The adapter that was merged into the file.")
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, max=1024, help="Threads to work with.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Compare a GGUF file with the checkpoint it came from.

    They have to make the same tokens and the same logits.
    """
    from edgemind.cli.shut_in import shut_in
    from edgemind.cli.stages import Stages

    shut_in()
    from edgemind.convert.lora import read_adapter
    from edgemind.convert.parity import verify
    from edgemind.models import names

    model = names.resolve(file)
    with _folder(checkpoint) as folder, Stages() as stages:
        adapter = read_adapter(_path(lora)) if lora else None
        parity = verify(folder, model.path, lambda what: stages.begin(what, "pieces"), adapter=adapter, threads=threads)
    if json_output:
        console.out_json({"file": str(model.path), **_parity_json(parity)})
    else:
        console.out(_report(parity))
    if parity.passed:
        return 0
    if json_output:
        return ModelUnusable.exit_code
    where = f" The first difference is {parity.first_difference}." if parity.first_difference else ""
    raise ModelUnusable(f"{model.path.name} is not this checkpoint. {parity.reason}{where}", "Convert it again.")


@contextlib.contextmanager
def _folder(checkpoint: str) -> Iterator[Path]:
    """The checkpoint's folder; of an installed one, its files under their names in a folder for the moment."""
    import tempfile

    path = _path(checkpoint)
    manifest = None
    if not path.is_dir() and not os.path.lexists(path):
        from edgemind.models.store.manifest import is_model_name
        from edgemind.models.store.store import own_store

        manifest = own_store().get(checkpoint) if is_model_name(checkpoint) else None
    if manifest is None or manifest.kind != "safetensors":
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="edgemind-") as temporary:
        folder = Path(temporary) / manifest.name
        for file, blob in zip(manifest.files, own_store().files(manifest), strict=True):
            link = folder / file.path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(blob)
        yield folder


def _path(text: str) -> Path:
    return Path(os.path.expanduser(text))


def _template(file: str | None) -> str | None:
    """The text of a chat template.

    Raises:
        BadInput: it cannot be read.
    """
    if file is None:
        return None
    try:
        with _path(file).open(encoding="utf-8") as stream:
            text = stream.read(MOST_TEMPLATE)
    except (OSError, UnicodeDecodeError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
        raise BadInput(f"The template {file} cannot be read: {why}.", "Name a file with a Jinja template.") from problem
    if not text.strip():
        raise BadInput(f"The template {file} is empty.", "Name a file with a Jinja template.")
    return text


def _tell(made: Made, adapter: bool) -> None:
    from edgemind.cli.table import facts, screen_width
    from edgemind.models.sizes import human_bytes

    rows = [("name" if made.name else "file", made.name or str(made.path))]
    rows += [("architecture", made.converted.architecture), ("type", made.type), ("size", human_bytes(made.size))]
    if not adapter:
        rows.append(("parameters", f"{made.converted.parameters:,}"))
    console.out(facts(rows, screen_width()))
    if made.parity:
        console.out(_report(made.parity))
    for note in () if made.parity else made.converted.notes:
        console.err(f"  {note}\n")
    if made.unproven:
        console.err(f"edgemind: It is not proven: {made.unproven}\n")
    if adapter:
        console.err(f"  edgemind run --model MODEL --lora {made.path} 'your prompt'\n")
    else:
        console.err(f"  edgemind run --model {made.name or made.path} 'your prompt'\n")


def _report(parity: Parity) -> str:
    """The comparison as a table."""
    from edgemind.cli.table import facts, screen_width

    tokens, logits = parity.tokenizer, parity.logits
    same = tokens.texts - len({mismatch.text for mismatch in tokens.mismatches}) - tokens.excused
    rows = [("texts with the same tokens", f"{same} of {tokens.texts}")]
    if logits:
        ties = f", {logits.ties} between equals" if logits.ties else ""
        rows += [
            ("same best token", f"{logits.top_1} of {logits.tokens}{ties}"),
            ("largest error of a logit", f"{logits.largest_error:.2g} of the largest"),
            ("divergence, nats a token", f"{logits.mean_kl:.2g} mean, {logits.largest_kl:.2g} most"),
        ]
    rows.append(("verdict", f"the same model, as {parity.type}" if parity.passed else "not the same model"))
    rows += [("" if number else "note", note) for number, note in enumerate(tokens.notes)]
    rows += [
        (f"text {number}", f"{mismatch.text[:40]!r}: {_tokens(mismatch.found)} for {_tokens(mismatch.wanted)}")
        for number, mismatch in enumerate(tokens.mismatches[:5], 1)
    ]
    if parity.first_difference:
        rows.append(("first difference", parity.first_difference))
    return facts(rows, screen_width())


def _tokens(tokens: tuple[int, ...]) -> str:
    return " ".join(map(str, tokens[:8])) + (" …" if len(tokens) > 8 else "")


def _json(made: Made) -> dict[str, Any]:
    return {
        "path": str(made.path),
        "name": made.name,
        "size_bytes": made.size,
        "architecture": made.converted.architecture,
        "type": made.type,
        "parameters": made.converted.parameters,
        "tensors": made.converted.tensors,
        "notes": list(made.converted.notes),
        "verified": _parity_json(made.parity) if made.parity else None,
        "unproven": made.unproven,
    }


def _parity_json(parity: Parity) -> dict[str, Any]:
    from dataclasses import asdict

    tokens = parity.tokenizer
    return {
        "passed": parity.passed,
        "type": parity.type,
        "reason": parity.reason,
        "first_difference": parity.first_difference,
        "tokenizer": {
            "texts": tokens.texts,
            "excused": tokens.excused,
            "notes": list(tokens.notes),
            "mismatches": [asdict(mismatch) for mismatch in tokens.mismatches[:100]],
        },
        "logits": asdict(parity.logits) if parity.logits else None,
    }
