"""Which models fill a gap between two texts: those whose vocabulary has tokens for its prefix, suffix and middle.

Read from the header of the file, so that nothing has to be loaded.
Not for: how these tokens are spelled (``fim``), building such a prompt (the worker's).
"""

from __future__ import annotations

from edgemind.errors import EdgemindError
from edgemind.models import builtin, fim, names
from edgemind.models.gguf import read_array
from edgemind.models.header import Header

_TOKENS = "tokenizer.ggml.tokens"
_OLD_KEYS = {"fim_pre": "prefix", "fim_suf": "suffix", "fim_mid": "middle"}


def fills_gaps(header: Header) -> bool:
    """Whether the file names all three tokens, or its vocabulary has them.

    Raises:
        ModelUnusable: the file has changed since its header was read.
    """
    if all(
        any(header.number(f"tokenizer.ggml.{key}_token_id") is not None for key in (use, _OLD_KEYS[use]))
        for use in fim.FRAME
    ):
        return True
    if _TOKENS not in header.arrays:
        return False
    vocabulary = frozenset(read_array(header, _TOKENS))
    if all(vocabulary.intersection(fim.NAMES[use]) for use in fim.FRAME):
        return True
    return fim.bare(header.text("general.name")) and vocabulary.issuperset(fim.BARE.values())


def next_command(command: str) -> str:
    """How to go on after a model that cannot: with one that is installed, else with one that the catalog has.

    Args:
        command: what to type, up to the name of a model.
    """
    here = _installed()
    if here is not None:
        return f"{command} {here}"
    from edgemind.models import catalog

    known = [entry for entry in catalog.load().values() if "infill" in entry.use and entry.repository]
    smallest = min(known, key=lambda entry: entry.parameters or 0, default=None)
    if smallest is None:
        return "edgemind catalog list --for code"
    return f"edgemind pull {smallest.name}   and then   {command} {smallest.name}"


def _installed() -> str | None:
    """The name of the first installed model that fills gaps; one that cannot be read is passed over."""
    for model in names.installed():
        if model.name == builtin.NAME:
            continue
        try:
            if fills_gaps(model.header):
                return model.name
        except EdgemindError:
            continue
    return None
