"""The files of a tokenizer as a ``Vocabulary``: ``tokenizer.json`` where there is one, else ``tokenizer.model``.

Not for: cutting text before BPE (``pretokenizers``), special tokens and templates (``special``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edgemind.convert.checkpoint import Checkpoint
from edgemind.convert.tokenizer import characters, sentencepiece
from edgemind.convert.tokenizer.layout import SAVE, Added, lay_out
from edgemind.convert.tokenizer.pretokenizers import recognise
from edgemind.convert.tokenizer.special import added_around, chat_template, special_ids, starting
from edgemind.convert.tokenizer.vocabulary import Vocabulary
from edgemind.errors import BadInput

NO_TEMPLATE = (
    "The checkpoint has no chat template, so a plain one is used for it. To give it its own, put chat_template.jinja "
    "into its folder, or use --template FILE."
)
BEHIND = (
    "This tokenizer puts a space in front of the first word only, llama.cpp behind every special token or never. The "
    "file says never, which is right in a chat; a bare text lacks its first space."
)


def read(checkpoint: Checkpoint, template: str | None = None) -> Vocabulary:
    """The vocabulary of a checkpoint.

    Args:
        template: a chat template in place of its own.

    Raises:
        BadInput: there is no tokenizer, or one of a kind that llama.cpp does not have.
    """
    config = checkpoint.json("tokenizer_config.json") or {}
    tokenizer = checkpoint.json("tokenizer.json")
    data = checkpoint.bytes("tokenizer.model")
    pieces = None if data is None else _parsed(data, tokenizer is not None)
    if tokenizer is not None:
        found = _from_json(checkpoint, tokenizer, config, pieces)
    elif pieces is not None:
        found = _from_pieces(checkpoint, config, pieces)
    else:
        raise BadInput(f"{checkpoint.folder.name} has neither tokenizer.json nor tokenizer.model.", SAVE)
    chosen = template or chat_template(checkpoint, config)
    if not chosen:
        return replace(found, notes=(*found.notes, NO_TEMPLATE))
    if found.spacing == "first":
        found = replace(found, space_prefix=False, notes=(*found.notes, BEHIND))
    return replace(found, template=chosen)


def _parsed(data: bytes, spare: bool) -> sentencepiece.Pieces | None:
    """Some checkpoints have a ``tokenizer.model`` of another kind beside ``tokenizer.json``: it is not needed then."""
    try:
        return sentencepiece.parse(data)
    except BadInput:
        if spare:
            return None
        raise


def _from_json(
    checkpoint: Checkpoint, tokenizer: Mapping[str, Any], config: Mapping[str, Any], pieces: sentencepiece.Pieces | None
) -> Vocabulary:
    model = tokenizer.get("model")
    if not isinstance(model, dict):
        raise BadInput("tokenizer.json has no model.", SAVE)
    kind = model.get("type") or ("BPE" if "merges" in model else "Unigram" if "unk_id" in model else "")
    added = _added(tokenizer, config)
    if kind == "Unigram":
        found = characters.unigram(tokenizer, model, added, pieces)
    elif kind == "BPE" and _is_byte_level(tokenizer):
        found = _byte_level(tokenizer, model, added)
    elif kind == "BPE":
        found = characters.bpe(tokenizer, model, added, pieces)
    else:
        raise BadInput(
            f"tokenizer.json is of the kind {kind or 'that it does not say'}, which is not converted here.",
            "Byte-level BPE and SentencePiece (BPE or unigram) are.",
        )
    ids = {token.text: token.id for token in added} | _plain_ids(model)
    start = starting(tokenizer.get("post_processor"))
    own = {"bos": start} if start is not None and start in ids.values() else {}
    special = own | special_ids(checkpoint, ids, config)
    return replace(
        found,
        special=special,
        add=added_around(tokenizer.get("post_processor"), {}, special),
        strips=any(token.strips for token in added),
    )


def _plain_ids(model: Mapping[str, Any]) -> dict[str, int]:
    vocab = model.get("vocab")
    if isinstance(vocab, dict):
        return vocab
    return {str(entry[0]): number for number, entry in enumerate(vocab or ())}


def _from_pieces(checkpoint: Checkpoint, config: Mapping[str, Any], pieces: sentencepiece.Pieces) -> Vocabulary:
    """Without ``tokenizer.json``: the pieces, and the tokens that were added beside them."""
    extra = {int(number): entry for number, entry in (config.get("added_tokens_decoder") or {}).items()}
    by_name = checkpoint.json("added_tokens.json") or {}
    extra = {number: {"content": text} for text, number in by_name.items()} | extra
    added = [
        Added(number, str(entry.get("content")), bool(entry.get("special")), bool(entry.get("rstrip")))
        for number, entry in sorted(extra.items())
    ]
    found = characters.from_pieces(pieces, added)
    ids = {text: number for number, text in enumerate(pieces.pieces)} | {token.text: token.id for token in added}
    special = special_ids(checkpoint, ids, config)
    own = {"bos": pieces.start, "eos": pieces.end, "unk": pieces.unknown, "pad": pieces.padding}
    special = {name: token for name, token in own.items() if token >= 0} | special
    flags = {"add_bos_token": found.model == "llama", "add_eos_token": found.model == "t5", **config}
    strips = any(token.strips for token in added)
    return replace(found, special=special, add=added_around(None, flags, special), strips=strips)


def _added(tokenizer: Mapping[str, Any], config: Mapping[str, Any]) -> list[Added]:
    found = {
        entry["id"]: Added(entry["id"], str(entry["content"]), bool(entry.get("special")), bool(entry.get("rstrip")))
        for entry in tokenizer.get("added_tokens") or ()
        if isinstance(entry, dict) and isinstance(entry.get("id"), int) and entry.get("content")
    }
    return [found[number] for number in sorted(found)]


def _is_byte_level(tokenizer: Mapping[str, Any]) -> bool:
    """Whether bytes become letters before BPE: a step says so, in the pre-tokenizer or the normalizer."""
    return '"ByteLevel"' in str([tokenizer.get("pre_tokenizer"), tokenizer.get("normalizer")]).replace("'", '"')


def _byte_level(tokenizer: Mapping[str, Any], model: Mapping[str, Any], added: list[Added]) -> Vocabulary:
    characters.check_bpe(model)
    tokens, kinds = lay_out(_plain_ids(model), added)
    recognised = recognise(tokenizer.get("pre_tokenizer"), bool(model.get("ignore_merges")))
    normal_form, strange = _normal_form(tokenizer.get("normalizer"))
    doubts = [recognised.doubt] if recognised.doubt else []
    if strange:
        doubts.append(f"its normalizer {strange!r} is not in llama.cpp")
    notes = (f"llama.cpp does not normalize text to {normal_form}, which this tokenizer does.",) if normal_form else ()
    return Vocabulary(
        model="gpt2",
        pre=recognised.name,
        tokens=tokens,
        kinds=kinds,
        merges=[" ".join(part.replace(" ", "\u0120") for part in pair) for pair in characters.merges_of(model)],
        normal_form=normal_form,
        loose=recognised.loose,
        notes=notes,
        doubt="; ".join(doubts),
    )


def _normal_form(normalizer: Any) -> tuple[str, str]:
    """The Unicode form that text is brought into, and the first step that is something else."""
    form = strange = ""
    for step in characters.normalizers(normalizer):
        kind = str(step.get("type"))
        if kind in ("NFC", "NFD", "NFKC", "NFKD") and not form:
            form = kind
        else:
            strange = strange or kind
    return form, strange
