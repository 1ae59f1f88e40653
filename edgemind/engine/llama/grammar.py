"""A GBNF grammar, compiled for one vocabulary.

llama.cpp ends the process when a grammar is fed a token that it forbids, and prints parse errors on standard error;
this module is the guard rail for both. It would also count a control token as the letters of its name, which are not
shown; here control tokens are forbidden, unless the grammar itself names a token.
Not for: when a grammar applies (``sampler``), JSON schemas (``json_schema``).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemind.engine.llama import grammar_limits
from edgemind.engine.llama.bindings import C, Handle, reason, recording
from edgemind.engine.llama.model import Model
from edgemind.errors import BadConstraint

CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""``llama_token_data``."""


class Grammar(Handle):
    """What may be written, and how far one answer has got in it. ``fresh`` starts another answer."""

    def __init__(self, model: Model, address: Any, unseen: npt.NDArray[np.bool_] | None) -> None:
        super().__init__(address, C.llama_sampler_free)
        self._model = model
        self._unseen = unseen
        """By token: whether it is one that is not shown, and so not allowed."""
        model.depends_on_me(self)

    @classmethod
    def compile(cls, model: Model, gbnf: str) -> Grammar:
        """Compile a GBNF grammar whose root rule is ``root``.

        Raises:
            BadConstraint: it cannot be used; the message has llama.cpp's own line.
        """
        grammar_limits.check(gbnf)
        with recording() as lines, _standard_error() as printed:
            address = C.llama_sampler_init_grammar(model.vocab.raw, gbnf.encode("utf-8", "replace"), b"root")
        if not address:
            said = re.search(r"error parsing grammar: ([^\n]{1,200})", printed[0] if printed else "")
            why = said[1] if said else reason(lines)
            raise BadConstraint(f"The grammar cannot be used: {why}.", "See llama.cpp's grammars/README.md for GBNF.")
        return cls(model, address, None if grammar_limits.names_tokens(gbnf) else _unseen(model))

    def fresh(self) -> Grammar:
        """The same grammar in the same state, to be advanced on its own."""
        return Grammar(self._model, C.llama_sampler_clone(self.raw), self._unseen)

    def allows(self, token: int) -> bool:
        """Whether ``token`` may come next; an end-of-generation token only where the grammar may end."""
        if self._unseen is not None and self._unseen[token]:
            return False
        one = np.zeros(1, CANDIDATE)
        one["id"] = token
        C.llama_sampler_apply(self.raw, ctypes.byref(candidates(one)))
        return bool(one["logit"][0] != -np.inf)

    def filter(self, tokens: npt.NDArray[Any]) -> None:
        """Set the logit of every forbidden candidate to -inf, in place."""
        if self._unseen is not None:
            tokens["logit"][self._unseen[tokens["id"]]] = -np.inf
        C.llama_sampler_apply(self.raw, ctypes.byref(candidates(tokens)))

    def accept(self, token: int) -> None:
        """Advance.

        Raises:
            BadConstraint: the grammar does not allow ``token`` here.
        """
        if not self.allows(token):
            raise BadConstraint(f"The grammar does not allow token {token} here.")
        C.llama_sampler_accept(self.raw, token)


def _unseen(model: Model) -> npt.NDArray[np.bool_]:
    """The control tokens, but for those that end an answer."""
    if model in _UNSEEN:
        return _UNSEEN[model]
    vocab = model.vocab
    control = (C.llama_vocab_is_control(vocab.raw, token) for token in range(model.n_vocab))
    found = np.fromiter(control, np.bool_, model.n_vocab)
    found[list(vocab.eog)] = False
    _UNSEEN[model] = found
    return found


_UNSEEN: weakref.WeakKeyDictionary[Model, npt.NDArray[np.bool_]] = weakref.WeakKeyDictionary()


def candidates(tokens: npt.NDArray[Any]) -> Any:
    """llama.cpp's view of an array of ``CANDIDATE``; the array must outlive it."""
    return C.llama_token_data_array(
        data=tokens.ctypes.data_as(C.llama_token_data_p), size=tokens.size, selected=-1, sorted=False
    )


@contextlib.contextmanager
def _standard_error() -> Iterator[list[str]]:
    """Catch what C code prints on standard error; up to a pipe's worth, the rest is dropped."""
    printed: list[str] = []
    if os.name == "nt":
        yield printed
        return
    sys.stderr.flush()
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    saved = os.dup(2)
    os.dup2(writer, 2)
    try:
        yield printed
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(writer)
        with contextlib.suppress(BlockingIOError):
            printed.append(os.read(reader, 65536).decode("utf-8", "replace"))
        os.close(reader)
