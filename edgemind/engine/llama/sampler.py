"""How a token is chosen: llama.cpp's sampler chain, and a grammar beside it.

Not for: where the settings come from (``loader``), or when a grammar starts (``live``).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemind.engine.events import Sampling
from edgemind.engine.llama.bindings import C, Handle
from edgemind.engine.llama.context import Context
from edgemind.engine.llama.grammar import CANDIDATE, Grammar, candidates
from edgemind.engine.llama.model import Model
from edgemind.errors import BadConstraint, EdgemindError, UsageError

DRY_BREAKERS = (b"\n", b":", b'"', b"*")
MIN_KEEP = 1
MIROSTAT_CANDIDATES = 100
"""Tokens that mirostat 1 estimates its exponent from; llama.cpp's own value."""
MAX_SEED = 0xFFFFFFFE
"""One more is llama.cpp's ``LLAMA_DEFAULT_SEED``: draw one."""


@dataclass(frozen=True)
class ResolvedSampling:
    """``events.Sampling`` with every value known; the defaults are those of llama.cpp's ``common.h``."""

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    typical_p: float = 1.0
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    penalty_last_n: int = 64
    """Tokens looked back on; -1 is the whole trained context."""
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = 64
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int = 0


def resolve(*layers: Sampling) -> ResolvedSampling:
    """Merge settings, the first that is not None wins; a missing seed is drawn from the system."""
    chosen: dict[str, Any] = {}
    for item in fields(ResolvedSampling):
        given = (getattr(layer, item.name) for layer in layers)
        value = next((value for value in given if value is not None), None)
        if value is not None:
            chosen[item.name] = value
    chosen.setdefault("seed", int.from_bytes(os.urandom(4), "little") % (MAX_SEED + 1))
    return ResolvedSampling(**chosen)


class Sampler(Handle):
    """A chain of samplers with its history and its random numbers, for one answer."""

    def __init__(self, address: Any, n_vocab: int) -> None:
        super().__init__(address, C.llama_sampler_free)
        self.greedy = False
        """The most likely token is chosen, whatever the random numbers."""
        self._plain = False
        """Greedy, and nothing changes the logits before."""
        self._gain = 1.0
        """By how much the chain makes differences between logits larger, at most."""
        self._n_vocab = n_vocab
        self._grammar: Grammar | None = None
        self._candidates: Any = None
        self._ids: Any = None

    @classmethod
    def build(cls, model: Model, params: ResolvedSampling) -> Sampler:
        """The chain for these settings; samplers that would change nothing are left out.

        Raises:
            UsageError: a logit bias for a token that does not exist.
        """
        params_c = C.llama_sampler_chain_default_params()
        params_c.no_perf = True
        sampler = cls(C.llama_sampler_chain_init(params_c), model.n_vocab)
        try:
            links = _links(model, params)
            sampler.greedy = params.temperature <= 0
            sampler._plain = sampler.greedy and len(links) == 1
            if params.repeat_penalty > 0:
                sampler._gain = max(params.repeat_penalty, 1 / params.repeat_penalty)
            for link in links:
                C.llama_sampler_chain_add(sampler.raw, link)
        except BaseException:
            sampler.close()
            raise
        return sampler

    def sample(self, ctx: Context, index: int) -> int:
        """Choose the next token from the logits at ``index`` of the last batch, and accept it.

        With a grammar the chain chooses first and the grammar is asked about that one token; only when it says no
        are all tokens filtered and the chain runs again (as llama.cpp's ``common_sampler_sample`` does), which keeps
        the usual token as cheap as without.

        Raises:
            BadConstraint: no token fits the grammar.
            EdgemindError: no logits were asked for at this index.
        """
        if self._grammar is None:
            if not C.llama_get_logits_ith(ctx.raw, index):
                raise EdgemindError(f"The last batch computed no logits at index {index}.")
            return int(C.llama_sampler_sample(self.raw, ctx.raw, index))
        token = self._chosen(ctx, index)
        self._grammar.accept(token)
        C.llama_sampler_accept(self.raw, token)
        return token

    def sample_clear(self, ctx: Context, index: int, least: float) -> int | None:
        """As ``sample``, for a greedy chain, where the token leads what else could be chosen by ``least`` logits.

        None where it does not; nothing is accepted then.

        Raises:
            BadConstraint: no token fits the grammar.
            EdgemindError: no logits were asked for at this index.
        """
        least *= self._gain
        token, lead = self._leader(ctx, index, least)
        if not lead >= least:  # nor where it is not a number
            return None
        if self._grammar is not None:
            self._grammar.accept(token)
        C.llama_sampler_accept(self.raw, token)
        return token

    def accept(self, token: int) -> None:
        """Take a token that was not sampled here into the history: of the prompt, or forced.

        Raises:
            BadConstraint: a grammar is armed and does not allow it.
        """
        if not 0 <= token < self._n_vocab:
            raise EdgemindError(f"There is no token {token}: this vocabulary has {self._n_vocab:,}.")
        if self._grammar is not None:
            self._grammar.accept(token)
        C.llama_sampler_accept(self.raw, token)

    def set_grammar(self, grammar: Grammar | None) -> None:
        """Constrain what is sampled from now on, from the grammar's beginning; None lifts it.

        The sampler advances a copy: the caller keeps ``grammar``, may share it and closes it.
        """
        if self._grammar is not None:
            self._grammar.close()
        self._grammar = grammar.fresh() if grammar is not None else None

    def names(self) -> list[str]:
        """llama.cpp's names of the samplers in the chain, in order."""
        links = (C.llama_sampler_chain_get(self.raw, i) for i in range(C.llama_sampler_chain_n(self.raw)))
        return [C.llama_sampler_name(link).decode() for link in links]

    def close(self) -> None:
        if getattr(self, "_grammar", None) is not None:
            self.set_grammar(None)
        super().close()

    def _chosen(self, ctx: Context, index: int) -> int:
        """What the chain chooses; where the grammar says no to that, what it chooses of all that fits."""
        token = self._choose(ctx, index, None)
        if self._grammar is not None and not self._grammar.allows(token):
            token = self._choose(ctx, index, self._grammar)
        return token

    def _leader(self, ctx: Context, index: int, least: float) -> tuple[int, float]:
        """What a greedy chain chooses, and its lead in logits; a small one is that over what fits the grammar."""
        if self._plain:
            row = ctx.logits(index)
            token = int(row.argmax())
            lead = _ahead(row, token)
        else:
            token, lead = self._led(ctx, index, None)
        if self._grammar is None or (lead >= least and self._grammar.allows(token)):
            return token, lead
        return self._led(ctx, index, self._grammar)

    def _led(self, ctx: Context, index: int, grammar: Grammar | None) -> tuple[int, float]:
        token = self._choose(ctx, index, grammar)
        place = int((self._candidates["id"] == token).argmax())
        return token, _ahead(self._candidates["logit"], place)

    def _choose(self, ctx: Context, index: int, grammar: Grammar | None) -> int:
        """Run the chain over all candidates, after the grammar if one is given, accepting nothing."""
        if self._candidates is None:
            self._ids = np.arange(self._n_vocab, dtype=np.int32)
            self._candidates = np.empty(self._n_vocab, CANDIDATE)
        self._candidates["id"] = self._ids
        self._candidates["logit"] = ctx.logits(index)
        self._candidates["p"] = 0
        if grammar is not None:
            grammar.filter(self._candidates)
            if not (self._candidates["logit"] > -np.inf).any():
                raise BadConstraint("The grammar cannot be continued: no token of this model fits it here.")
        array = candidates(self._candidates)
        C.llama_sampler_apply(self.raw, ctypes.byref(array))
        if not 0 <= array.selected < array.size:
            raise EdgemindError("The sampler chain chose no token.")
        return int(array.data[array.selected].id)


def _ahead(logits: npt.NDArray[np.float32], best: int) -> float:
    """The logit at ``best`` less the largest of the others; not a number where one of them is none."""
    others = np.array([part.max() for part in (logits[:best], logits[best + 1 :]) if part.size])
    return float(logits[best] - others.max()) if others.size else float("inf")


def _links(model: Model, params: ResolvedSampling) -> list[Any]:
    """The samplers of the chain, in order."""
    links = [*_bias(model, params), *_penalties(model, params)]
    if params.temperature <= 0:
        return [*links, C.llama_sampler_init_greedy()]
    if params.mirostat == 1:
        draw = C.llama_sampler_init_mirostat(
            model.n_vocab, params.seed, params.mirostat_tau, params.mirostat_eta, MIROSTAT_CANDIDATES
        )
        return [*links, C.llama_sampler_init_temp(params.temperature), draw]
    if params.mirostat == 2:
        draw = C.llama_sampler_init_mirostat_v2(params.seed, params.mirostat_tau, params.mirostat_eta)
        return [*links, C.llama_sampler_init_temp(params.temperature), draw]
    links += _truncations(model, params)
    if params.temperature != 1:
        links.append(C.llama_sampler_init_temp(params.temperature))
    links.append(C.llama_sampler_init_dist(params.seed))
    return links


def _bias(model: Model, params: ResolvedSampling) -> list[Any]:
    """The caller's biases, and minus infinity for the tokens that the model file says never to write."""
    unknown = [token for token in params.logit_bias if not 0 <= token < model.n_vocab]
    if unknown:
        raise UsageError(
            f"A logit bias is given for token {unknown[0]}, but the vocabulary has {model.n_vocab:,}.",
            "Leave that one out: edgemind run --help shows --logit-bias.",
        )
    count = ctypes.c_int32()
    suppressed = C.llama_vocab_get_suppress_tokens(model.vocab.raw, ctypes.byref(count))
    pairs = [*params.logit_bias.items(), *((suppressed[i], float("-inf")) for i in range(count.value))]
    if not pairs:
        return []
    array = (C.llama_logit_bias * len(pairs))(*pairs)
    return [C.llama_sampler_init_logit_bias(model.n_vocab, len(pairs), array)]


def _penalties(model: Model, params: ResolvedSampling) -> list[Any]:
    links = []
    last_n = _look_back(model, params.penalty_last_n)
    if last_n and (params.repeat_penalty, params.frequency_penalty, params.presence_penalty) != (1.0, 0.0, 0.0):
        links.append(
            C.llama_sampler_init_penalties(
                model.n_vocab, last_n, params.repeat_penalty, params.frequency_penalty, params.presence_penalty
            )
        )
    last_n = _look_back(model, params.dry_penalty_last_n)
    if last_n and params.dry_multiplier > 0:
        breakers = (ctypes.c_char_p * len(DRY_BREAKERS))(*DRY_BREAKERS)
        allowed = min(params.dry_allowed_length, model.n_ctx_train)
        links.append(
            C.llama_sampler_init_dry(
                model.vocab.raw, params.dry_multiplier, params.dry_base, allowed, last_n, breakers, len(breakers)
            )
        )
    return links


def _truncations(model: Model, params: ResolvedSampling) -> list[Any]:
    links = []
    if 0 < params.top_k < model.n_vocab:
        links.append(C.llama_sampler_init_top_k(params.top_k))
    if params.typical_p < 1:
        links.append(C.llama_sampler_init_typical(params.typical_p, MIN_KEEP))
    if params.top_p < 1:
        links.append(C.llama_sampler_init_top_p(params.top_p, MIN_KEEP))
    if params.min_p > 0:
        links.append(C.llama_sampler_init_min_p(params.min_p, MIN_KEEP))
    if params.xtc_probability > 0 and params.xtc_threshold <= 0.5:
        links.append(C.llama_sampler_init_xtc(params.xtc_probability, params.xtc_threshold, MIN_KEEP, params.seed))
    return links


def _look_back(model: Model, tokens: int) -> int:
    return model.n_ctx_train if tokens < 0 else min(tokens, model.n_ctx_train)
