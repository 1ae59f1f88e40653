"""SentencePiece: BPE on characters and unigram models, from ``tokenizer.json`` or from ``tokenizer.model``.

llama.cpp's ``llama`` vocabulary joins whatever makes a token, the best score first, and knows no merges. That is the
same as the merges of ``tokenizer.json`` when every way to put a token together is among them, in the order of the
scores; it is so for tokenizers that come from SentencePiece. Others keep their merges, in the vocabulary that
llama.cpp has for BPE on plain characters, as far as no space has to be put in front.
Not for: byte-level BPE (``reading``).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from edgemind.convert.tokenizer.layout import SAVE, SPACE, Added, lay_out
from edgemind.convert.tokenizer.sentencepiece import BPE, Pieces
from edgemind.convert.tokenizer.vocabulary import Kind, Spacing, Vocabulary
from edgemind.errors import BadInput

BYTES = frozenset(f"<0x{byte:02X}>" for byte in range(256))
PLAIN_BPE = "sarvam-moe"
"""llama.cpp's pre-tokenizer that only escapes spaces, for BPE with merges on characters."""

ADDED_SCORE = -1000.0
UNREACHED = -1e9
"""Score of tokens that no merge makes: they are never joined."""


def check_bpe(model: Mapping[str, Any]) -> None:
    """Refuse the variants of BPE that llama.cpp does not have.

    Raises:
        BadInput: one of them is in use.
    """
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise BadInput(f"tokenizer.json uses {name}, which llama.cpp does not have.", "Train it without.")
    if not model.get("vocab") or not isinstance(model.get("vocab"), dict):
        raise BadInput("tokenizer.json has no vocabulary.", SAVE)
    merges_of(model)


def merges_of(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The merges in order of rank; older files write them as one string.

    Raises:
        BadInput: they are neither pairs nor such strings.
    """
    found = []
    for merge in model.get("merges") or ():
        pair = tuple(merge.split(" ", 1)) if isinstance(merge, str) else tuple(merge) if isinstance(merge, list) else ()
        if len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise BadInput("tokenizer.json has merges that are no pairs.", SAVE)
        found.append((pair[0], pair[1]))
    return found


def bpe(
    tokenizer: Mapping[str, Any], model: Mapping[str, Any], added: Sequence[Added], pieces: Pieces | None
) -> Vocabulary:
    """BPE on characters with spaces as ``▁`` and bytes for what is unknown.

    Raises:
        BadInput: without byte tokens; llama.cpp ends its process over a character that it cannot write.
    """
    check_bpe(model)
    vocab: Mapping[str, int] = model["vocab"]
    if not model.get("byte_fallback") or not vocab.keys() >= BYTES:
        raise BadInput(
            "The tokenizer has no token for every byte (byte_fallback), which llama.cpp needs for this kind.",
            "Train it with byte_fallback, or as byte-level BPE.",
        )
    tokens, kinds = lay_out(vocab, added)
    _mark(vocab, kinds, str(model.get("unk_token") or ""))
    merges = merges_of(model)
    scores = _known_scores(tokens, kinds, pieces)
    prefix, spacing, strange = _spaces(tokenizer)
    exact = scores is not None or _is_complete(vocab, merges, added)
    doubts = [f"its step {strange!r} is not in llama.cpp"] if strange else []
    if not exact and not prefix:
        return Vocabulary(
            "gpt2",
            tokens,
            kinds,
            pre=PLAIN_BPE,
            merges=[" ".join(pair) for pair in merges],
            doubt="; ".join(doubts),
        )
    if not exact:
        doubts.append("llama.cpp knows no merges for this kind of tokenizer, and these cannot be told by scores")
    return Vocabulary(
        "llama",
        tokens,
        kinds,
        scores=scores or _ranked(tokens, kinds, merges),
        space_prefix=prefix,
        spacing=spacing,
        doubt="; ".join(doubts),
    )


def unigram(
    tokenizer: Mapping[str, Any], model: Mapping[str, Any], added: Sequence[Added], pieces: Pieces | None
) -> Vocabulary:
    """A unigram model: the most probable way to cut a text.

    Raises:
        BadInput: the vocabulary makes no sense.
    """
    entries = model.get("vocab")
    if not isinstance(entries, list) or not all(isinstance(entry, list) and len(entry) == 2 for entry in entries):
        raise BadInput("tokenizer.json has no vocabulary with scores.", SAVE)
    ids = {str(text): number for number, (text, _) in enumerate(entries)}
    tokens, kinds = lay_out(ids, added)
    unknown = model.get("unk_id")
    _mark(ids, kinds, str(entries[unknown][0]) if isinstance(unknown, int) and unknown < len(entries) else "")
    scores = [float(score) for _, score in entries] + [0.0] * (len(tokens) - len(entries))
    prefix, spacing, strange = _spaces(tokenizer)
    doubts = [f"its step {strange!r} is not in llama.cpp"] if strange else []
    if model.get("byte_fallback"):
        doubts.append("llama.cpp writes no bytes for unknown characters in a unigram model")
    return Vocabulary(
        "t5",
        tokens,
        kinds,
        scores=scores,
        space_prefix=prefix,
        merge_spaces=_merges_spaces(tokenizer),
        charsmap=_charsmap(tokenizer) or (pieces.charsmap if pieces else b""),
        spacing=spacing,
        doubt="; ".join(doubts),
    )


def from_pieces(pieces: Pieces, added: Sequence[Added]) -> Vocabulary:
    """A vocabulary from ``tokenizer.model`` alone."""
    tokens, kinds, scores = list(pieces.pieces), list(pieces.kinds), list(pieces.scores)
    for token in added:
        while len(tokens) <= token.id:
            tokens.append(f"[PAD{len(tokens)}]")
            kinds.append(Kind.UNUSED)
            scores.append(-10_000.0)
        kinds[token.id] = token.kind
        tokens[token.id] = token.text if token.kind is Kind.CONTROL else token.text.replace(SPACE, " ")
        scores[token.id] = ADDED_SCORE
    if pieces.model == BPE:
        if not set(tokens) >= BYTES:
            raise BadInput("tokenizer.model has no token for every byte, which llama.cpp needs for BPE.", SAVE)
        return Vocabulary("llama", tokens, kinds, scores=scores, space_prefix=pieces.space_prefix)
    return Vocabulary(
        "t5",
        tokens,
        kinds,
        scores=scores,
        space_prefix=pieces.space_prefix,
        merge_spaces=pieces.merge_spaces,
        charsmap=pieces.charsmap,
    )


def normalizers(step: Any) -> list[Mapping[str, Any]]:
    """The steps of a normalizer, without the sequences around them."""
    if not isinstance(step, dict):
        return []
    if step.get("type") == "Sequence":
        return [inner for part in step.get("normalizers") or () for inner in normalizers(part)]
    return [step]


def _mark(ids: Mapping[str, int], kinds: list[Kind], unknown: str) -> None:
    """Bytes and the unknown token by their kind."""
    for text in BYTES & ids.keys():
        kinds[ids[text]] = Kind.BYTE
    if unknown in ids:
        kinds[ids[unknown]] = Kind.UNKNOWN


def _known_scores(tokens: Sequence[str], kinds: Sequence[Kind], pieces: Pieces | None) -> list[float] | None:
    """The scores of ``tokenizer.model``, where it is of the same tokens."""
    if pieces is None or pieces.model != BPE or len(pieces.pieces) > len(tokens):
        return None
    plain = (Kind.NORMAL, Kind.BYTE)
    if any(kinds[number] in plain and tokens[number] != piece for number, piece in enumerate(pieces.pieces)) or any(
        kind is Kind.NORMAL for kind in kinds[len(pieces.pieces) :]
    ):
        return None
    own = [*pieces.scores, *[ADDED_SCORE] * (len(tokens) - len(pieces.scores))]
    added = (Kind.CONTROL, Kind.USER_DEFINED)
    return [ADDED_SCORE if kind in added else score for kind, score in zip(kinds, own, strict=True)]


def _ranked(tokens: Sequence[str], kinds: Sequence[Kind], merges: Sequence[tuple[str, str]]) -> list[float]:
    """Scores that put merges in the order of their ranks."""
    ranks: dict[str, int] = {}
    for rank, (left, right) in enumerate(merges):
        ranks.setdefault(left + right, rank)

    def score(token: str, kind: Kind) -> float:
        if token in ranks:
            return float(-ranks[token])
        return {Kind.BYTE: 0.0, Kind.NORMAL: UNREACHED}.get(kind, ADDED_SCORE)

    return [score(token, kind) for token, kind in zip(tokens, kinds, strict=True)]


def _is_complete(vocab: Mapping[str, int], merges: Sequence[tuple[str, str]], added: Sequence[Added]) -> bool:
    """Whether every way to put a token together from two is a merge, and those of one token stand side by side."""
    known = set(merges)
    skipped = {token.text for token in added} | BYTES
    for token in vocab.keys() - skipped:
        for at in range(1, len(token)):
            left, right = token[:at], token[at:]
            if left in vocab and right in vocab and (left, right) not in known:
                return False
    last: dict[str, int] = {}
    for rank, (left, right) in enumerate(merges):
        token = left + right
        if token in last and last[token] != rank - 1:
            return False
        last[token] = rank
    return True


def _spaces(tokenizer: Mapping[str, Any]) -> tuple[bool, Spacing, str]:
    """Whether a space is put in front of a text, and how; and the first step that has nothing to do with it."""
    prefix = False
    spacing: Spacing = "exact"
    strange = ""
    for step in normalizers(tokenizer.get("normalizer")):
        kind = step.get("type")
        if kind == "Prepend" and step.get("prepend") == SPACE:
            prefix = True
        elif kind not in ("Replace", "Precompiled", "Nmt", "Strip"):
            strange = strange or str(kind)
    pre = tokenizer.get("pre_tokenizer")
    steps = pre.get("pretokenizers") or () if isinstance(pre, dict) and pre.get("type") == "Sequence" else (pre,)
    for part in steps:
        if not isinstance(part, dict):
            continue
        kind = part.get("type")
        if kind == "Metaspace":
            scheme = part.get("prepend_scheme") or ("always" if part.get("add_prefix_space", True) else "never")
            if scheme != "never":
                prefix, spacing = True, "first" if scheme == "first" else "always"
        elif kind not in ("Split", "WhitespaceSplit"):
            strange = strange or str(kind)
    return prefix, spacing, strange


def _merges_spaces(tokenizer: Mapping[str, Any]) -> bool:
    """Whether runs of spaces become one."""
    for step in normalizers(tokenizer.get("normalizer")):
        pattern = step.get("pattern") or {}
        if step.get("type") == "Replace" and pattern.get("Regex") in (" {2,}", "\\s{2,}", " +"):
            return True
    return False


def _charsmap(tokenizer: Mapping[str, Any]) -> bytes:
    for step in normalizers(tokenizer.get("normalizer")):
        if step.get("type") == "Precompiled" and isinstance(step.get("precompiled_charsmap"), str):
            try:
                return base64.b64decode(step["precompiled_charsmap"], validate=True)
            except binascii.Error as problem:
                raise BadInput("tokenizer.json has a table of normalization that is damaged.", SAVE) from problem
    return b""
