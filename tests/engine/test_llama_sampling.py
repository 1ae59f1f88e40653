"""Each sampler does what its name says, seeds repeat, grammars hold, and a bad constraint is an error with a reason."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import tiny_model

from edgemind.engine import llama
from edgemind.engine.events import Sampling
from edgemind.errors import BadConstraint, EdgemindError, UsageError

OPEN = llama.ResolvedSampling(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0)
"""Nothing but temperature 1."""
GREEDY = llama.ResolvedSampling(temperature=0)
DRAWS = 300


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[llama.Model]:
    path = tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf", vocab=512)
    with llama.Model.open(str(path)) as opened:
        yield opened


@pytest.fixture(scope="module")
def ctx(model: llama.Model) -> Iterator[llama.Context]:
    """A context whose last batch, one token, has logits at index 0."""
    with llama.Context(model, n_ctx=1024, threads=1, flash_attention=False) as opened:
        decode(opened, 42, 0)
        yield opened


@pytest.fixture(autouse=True)
def _first_logits(ctx: llama.Context) -> None:
    ctx.clear()
    decode(ctx, 42, 0)


def decode(ctx: llama.Context, token: int, position: int) -> None:
    batch = llama.Batch(1)
    batch.add(token, position, 0, True)
    assert ctx.decode(batch) is llama.DecodeResult.OK


def probabilities(ctx: llama.Context) -> np.ndarray:
    row = ctx.logits(0).astype(np.float64)
    weights = np.exp(row - row.max())
    return weights / weights.sum()


def draws(ctx: llama.Context, params: llama.ResolvedSampling, history: tuple[int, ...] = ()) -> set[int]:
    """The tokens that some of ``DRAWS`` seeds choose as the next one."""
    found = set()
    for seed in range(DRAWS):
        with llama.Sampler.build(ctx.model, replace(params, seed=seed)) as sampler:
            for token in history:
                sampler.accept(token)
            found.add(sampler.sample(ctx, 0))
    return found


def write(ctx: llama.Context, sampler: llama.Sampler, count: int) -> list[int]:
    """Go on after what is in the context until the end or for ``count`` tokens."""
    written: list[int] = []
    while len(written) < count:
        written.append(sampler.sample(ctx, 0))
        decode(ctx, written[-1], ctx.seq_max_pos(0) + 1)
        if ctx.model.vocab.is_eog(written[-1]):
            break
    return written


def test_settings_come_from_the_first_layer_that_has_them() -> None:
    resolved = llama.resolve(
        Sampling(temperature=0.1, seed=None), Sampling(temperature=0.9, top_k=7, logit_bias={3: -1.0}), Sampling(seed=5)
    )
    assert resolved == llama.ResolvedSampling(temperature=0.1, top_k=7, logit_bias={3: -1.0}, seed=5)
    assert llama.resolve(Sampling(seed=0)) == llama.ResolvedSampling(seed=0)
    assert llama.resolve(Sampling(temperature=0.0, min_p=0.0)).min_p == 0.0
    assert len({llama.resolve(Sampling()).seed for _ in range(5)}) > 1
    assert set(Sampling.model_fields) == set(llama.ResolvedSampling.__dataclass_fields__)


def test_a_token_is_clear_by_its_lead_over_what_else_could_be_chosen(model: llama.Model, ctx: llama.Context) -> None:
    row = ctx.logits(0).copy()
    first, second, third = (int(token) for token in np.argsort(row)[::-1][:3])
    letters = [model.vocab.tokenize(letter, add_special=False, parse_special=False)[0] for letter in "xy"]
    best, other = sorted(letters, key=lambda token: -row[token])
    with llama.Grammar.compile(model, 'root ::= "x" | "y"') as grammar:
        for params, rules, token, after in (
            (GREEDY, None, first, second),
            (replace(GREEDY, logit_bias={first: -1000.0}), None, second, third),
            (replace(GREEDY, logit_bias={second: -1000.0}), None, first, third),
            (GREEDY, grammar, best, other),
        ):
            lead = float(row[token] - row[after])
            with llama.Sampler.build(model, params) as sampler:
                sampler.set_grammar(rules)
                assert sampler.sample_clear(ctx, 0, 1.01 * lead) is None
                assert sampler.sample_clear(ctx, 0, 0.99 * lead) == token, "nothing was accepted before"


def test_the_order_of_the_chain(model: llama.Model) -> None:
    everything = llama.ResolvedSampling(
        logit_bias={1: 1.0},
        repeat_penalty=1.1,
        dry_multiplier=0.8,
        typical_p=0.9,
        xtc_probability=0.5,
    )
    penalties = ["logit-bias", "penalties", "dry"]

    def names(params: llama.ResolvedSampling) -> list[str]:
        with llama.Sampler.build(model, params) as sampler:
            return sampler.names()

    assert names(everything) == [*penalties, "top-k", "typical", "top-p", "min-p", "xtc", "temp", "dist"]
    assert names(replace(everything, temperature=0)) == [*penalties, "greedy"]
    assert names(replace(everything, mirostat=1)) == [*penalties, "temp", "mirostat"]
    assert names(replace(everything, mirostat=2)) == [*penalties, "temp", "mirostat-v2"]
    assert names(OPEN) == ["dist"]
    assert names(GREEDY) == ["greedy"]


def test_greedy_takes_the_best(ctx: llama.Context) -> None:
    assert draws(ctx, GREEDY) == {int(ctx.logits(0).argmax())}


def test_top_k(ctx: llama.Context) -> None:
    best = set(np.argsort(-probabilities(ctx))[:3].tolist())
    assert draws(ctx, replace(OPEN, top_k=3, temperature=2.0)) == best


def test_top_p(ctx: llama.Context) -> None:
    p = probabilities(ctx)
    order = np.argsort(-p)
    nucleus = set(order[: int(np.searchsorted(np.cumsum(p[order]), 0.5)) + 1].tolist())
    found = draws(ctx, replace(OPEN, top_p=0.5))
    assert len(found) > 1
    assert found <= nucleus


def test_min_p(ctx: llama.Context) -> None:
    p = probabilities(ctx)
    found = draws(ctx, replace(OPEN, min_p=0.2))
    assert len(found) > 1
    assert found <= set(np.flatnonzero(p >= 0.2 * p.max() * 0.999).tolist())


def test_typical(ctx: llama.Context) -> None:
    p = probabilities(ctx)
    entropy = -(p * np.log(p)).sum()
    order = np.argsort(np.abs(-np.log(p) - entropy))
    typical = set(order[: int(np.searchsorted(np.cumsum(p[order]), 0.3)) + 1].tolist())
    assert draws(ctx, replace(OPEN, typical_p=0.3)) <= typical


def test_xtc_leaves_out_the_best(ctx: llama.Context) -> None:
    p = probabilities(ctx)
    threshold = float(np.sort(p)[-3]) * 0.99
    found = draws(ctx, replace(OPEN, xtc_probability=1.0, xtc_threshold=threshold))
    assert found
    assert not found & set(np.argsort(-p)[:2].tolist())


def test_temperature_flattens(ctx: llama.Context) -> None:
    cold, hot = (len(draws(ctx, replace(OPEN, temperature=t))) for t in (0.3, 3.0))
    assert cold < hot


def test_logit_bias(ctx: llama.Context, model: llama.Model) -> None:
    best = int(ctx.logits(0).argmax())
    assert best not in draws(ctx, replace(GREEDY, logit_bias={best: float("-inf")}))
    assert draws(ctx, replace(OPEN, logit_bias={7: 1000.0})) == {7}
    for token in (-1, model.n_vocab):
        with pytest.raises(UsageError, match="logit bias"):
            llama.Sampler.build(model, replace(OPEN, logit_bias={token: 1.0}))


@pytest.mark.parametrize("name", ["repeat_penalty", "presence_penalty", "frequency_penalty"])
def test_penalties_look_back(ctx: llama.Context, name: str) -> None:
    best = int(ctx.logits(0).argmax())
    params = replace(GREEDY, **{name: 100.0})
    assert draws(ctx, params, history=(best,)) != {best}
    assert draws(ctx, params, history=(best, *range(100, 170))) == {best}
    assert draws(ctx, replace(params, penalty_last_n=-1), history=(best, *range(100, 170))) != {best}
    assert draws(ctx, replace(params, penalty_last_n=0), history=(best,)) == {best}


def test_dry_breaks_a_repeated_sequence(ctx: llama.Context) -> None:
    best = int(ctx.logits(0).argmax())
    history = (101, 102, 103, best, 104, 101, 102, 103)
    params = replace(GREEDY, dry_multiplier=100.0)
    assert draws(ctx, params, history=history) != {best}
    assert draws(ctx, params, history=(best, 104, 101, 102, 103)) == {best}
    assert draws(ctx, replace(params, dry_penalty_last_n=4), history=history) == {best}


@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_holds_surprise_down(ctx: llama.Context, version: int) -> None:
    calm = draws(ctx, replace(OPEN, mirostat=version, mirostat_tau=0.5))
    wild = draws(ctx, replace(OPEN, mirostat=version, mirostat_tau=8.0))
    assert len(calm) < len(wild)


@pytest.mark.parametrize("params", [OPEN, llama.ResolvedSampling(), replace(OPEN, mirostat=2)])
def test_a_seed_repeats_its_text(ctx: llama.Context, params: llama.ResolvedSampling) -> None:
    texts = []
    for seed in (1, 1, 2):
        ctx.clear()
        decode(ctx, 42, 0)
        with llama.Sampler.build(ctx.model, replace(params, seed=seed)) as sampler:
            texts.append(write(ctx, sampler, 30))
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("params", [GREEDY, OPEN, replace(OPEN, mirostat=1), replace(OPEN, top_k=1)])
def test_a_grammar_holds(ctx: llama.Context, model: llama.Model, params: llama.ResolvedSampling) -> None:
    with llama.Grammar.compile(model, 'root ::= "<" [a-c]{4} "é" ">"') as grammar:
        for _ in range(2):
            with llama.Sampler.build(model, params) as sampler:
                sampler.set_grammar(grammar)
                ctx.clear()
                decode(ctx, 42, 0)
                written = write(ctx, sampler, 40)
            text = model.vocab.detokenize(written).decode()
            assert text[0] + text[-2:] == "<é>"
            assert set(text[1:5]) <= set("abc")
            assert len(text) == 7
            assert model.vocab.is_eog(written[-1])


def test_a_grammar_armed_late_starts_at_its_beginning(ctx: llama.Context, model: llama.Model) -> None:
    with llama.Grammar.compile(model, 'root ::= "yes" | "no"') as grammar, llama.Sampler.build(model, OPEN) as sampler:
        thought = write(ctx, sampler, 12)
        assert model.vocab.detokenize(thought) not in (b"yes", b"no")
        sampler.set_grammar(grammar)
        assert model.vocab.detokenize(write(ctx, sampler, 12)) in (b"yes", b"no")
        sampler.set_grammar(None)
        assert model.vocab.detokenize(write(ctx, sampler, 12)) not in (b"yes", b"no")


def test_forced_tokens_advance_the_grammar(ctx: llama.Context, model: llama.Model) -> None:
    yes = model.vocab.tokenize("ye", add_special=False, parse_special=False)
    with llama.Grammar.compile(model, 'root ::= "yes" | "no"') as grammar, llama.Sampler.build(model, OPEN) as sampler:
        sampler.set_grammar(grammar)
        for token in yes:
            sampler.accept(token)
        with pytest.raises(BadConstraint, match="does not allow"):
            sampler.accept(yes[0])
        assert model.vocab.piece(sampler.sample(ctx, 0)) == b"s"
        assert model.vocab.is_eog(sampler.sample(ctx, 0))


def test_a_grammar_that_no_token_fits_is_an_error(ctx: llama.Context, model: llama.Model) -> None:
    with llama.Sampler.build(model, GREEDY) as sampler:
        with llama.Grammar.compile(model, "root ::= <[99999999]>") as grammar:
            sampler.set_grammar(grammar)
        with pytest.raises(BadConstraint, match="no token"):
            sampler.sample(ctx, 0)
    biased = replace(GREEDY, logit_bias=dict.fromkeys(range(model.n_vocab), float("-inf")))
    with llama.Sampler.build(model, biased) as sampler, llama.Grammar.compile(model, 'root ::= "a"') as grammar:
        sampler.set_grammar(grammar)
        with pytest.raises(EdgemindError):
            sampler.sample(ctx, 0)


@pytest.mark.parametrize(
    ("gbnf", "message"),
    [
        ('root ::= "a', "unexpected end of input"),
        ("root ::= a", "Undefined rule identifier 'a'"),
        ('root ::= root "a"', "left recursion"),
        ('leaf ::= "a"', "'root'"),
        ('root = "a"', "expecting ::="),
        (" ", "empty"),
        ("# nothing", "failed to parse grammar"),
        ('root ::= ("a"{0,2000}){0,2000}', "sane defaults"),
        ('root ::= "\0"', "NUL"),
        ("root ::= " + "(" * 5000 + '"a"' + ")" * 5000, "nests 5,000"),
        ("# " + "x" * 300_000, "300,002 characters"),
        ("\n".join(f"r{i} ::= r{i + 1} | r{i + 1}" for i in range(40)), "too ambiguous"),
        ("\n".join(f'r{i} ::= (r{i + 1})? r{i + 1} "x"' for i in range(40)), "too ambiguous"),
    ],
)
def test_a_grammar_that_cannot_be_used(model: llama.Model, gbnf: str, message: str) -> None:
    with pytest.raises(BadConstraint, match=message):
        llama.Grammar.compile(model, gbnf)


def test_grammars_that_look_dangerous_but_are_not(model: llama.Model) -> None:
    nested = '("a" ' * 1000 + ")?" * 1000
    chain = "\n".join(f"r{i} ::= r{i + 1}" for i in range(5000))
    for gbnf in (f"root ::= {nested}", f'root ::= r0\n{chain}\nr5000 ::= "x"', 'root ::= "((((" [(]* # ((('):
        llama.Grammar.compile(model, gbnf).close()


def test_a_grammar_error_is_not_printed(tmp_path: Path) -> None:
    path = tiny_model(tmp_path / "tiny.gguf")
    code = (
        "from edgemind.engine import llama; from edgemind.errors import BadConstraint\n"
        f"model = llama.Model.open({str(path)!r})\n"
        "for gbnf in ('root ::= (', '# ' + 'x' * 200000 + '\\nroot ::= ('):\n"
        "    try: llama.Grammar.compile(model, gbnf)\n"
        "    except BadConstraint as problem: print('said', len(problem.message) < 400)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["said", "True"] * 2
    assert result.stderr == ""


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "kind": {"enum": ["cat", "dog"]},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 1, "maxItems": 3},
        "code": {"type": "string", "pattern": r"^[A-Z]{2}\d{3}[^a-z]{4}.[\w.]$"},
        "next": {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
    },
    "required": ["name", "kind", "age", "tags", "code", "next"],
    "additionalProperties": False,
    "$defs": {"tag": {"const": "x"}},
}


@pytest.mark.parametrize("seed", range(20))
def test_what_a_schema_allows_parses_and_fits_it(ctx: llama.Context, model: llama.Model, seed: int) -> None:
    with (
        llama.Grammar.compile(model, llama.schema_to_grammar(SCHEMA)) as grammar,
        llama.Sampler.build(model, replace(OPEN, seed=seed)) as sampler,
    ):
        sampler.set_grammar(grammar)
        written = write(ctx, sampler, 400)
    found = json.loads(model.vocab.detokenize(written).decode("utf-8", "replace"))
    assert list(found) == SCHEMA["required"]
    assert found["kind"] in ("cat", "dog")
    assert isinstance(found["age"], int)
    assert 1 <= len(found["tags"]) <= 3
    assert set(found["tags"]) == {"x"}
    assert re.fullmatch(r"[A-Z]{2}\d{3}.*", found["code"])
    assert found["next"] in (None, True, False)


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def doubling(levels: int) -> dict[str, Any]:
    """Each definition offers the next one twice: 2 to the power of ``levels`` paths to the first symbol."""
    definitions = {f"a{i}": {"anyOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": definitions | {f"a{levels}": {"type": "null"}}}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "https://example.com/schema.json"}, "not within the schema"),
        ({"properties": {"a": {"$ref": "http://169.254.169.254/"}}}, "not within the schema"),
        ({"$ref": "#/nowhere"}, "nowhere"),
        ({"type": "dragon"}, "dragon"),
        ({"type": "string", "pattern": "(("}, "cannot be used"),
        ({"type": "string", "pattern": "^a{1000000}$"}, "repeats more than"),
        ({"type": "string", "pattern": "^" + "a" * 5000 + "$"}, "5,002 characters"),
        ({"type": "string", "minLength": 10**9}, "minLength"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "larger"),
        ({"type": "array", "items": {}, "maxItems": -1}, "maxItems"),
        (deep(60), "levels deep"),
        ({"enum": list(range(100_000))}, "more than 4,000 parts"),
        ({"enum": ["x" * 70_000]}, "characters"),
        ({"properties": {f"p{i}": {"type": "null"} for i in range(1500)}}, "optional properties|too large"),
        ({"enum": [{1, 2}]}, "not JSON"),
        ([], "must be an object"),
        ({"properties": []}, "cannot be used"),
        ({"required": 5, "properties": {"a": {}}}, "cannot be used"),
    ],
)
def test_a_schema_that_cannot_be_used(schema: Any, message: str) -> None:
    with pytest.raises(BadConstraint, match=message):
        llama.schema_to_grammar(schema)


@pytest.mark.parametrize("schema", [{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, doubling(60)])
def test_a_schema_that_only_its_grammar_betrays(model: llama.Model, schema: dict[str, Any]) -> None:
    with pytest.raises(BadConstraint):
        llama.Grammar.compile(model, llama.schema_to_grammar(schema))


def test_recursive_schemas_are_fine(model: llama.Model) -> None:
    tree = {
        "$ref": "#/$defs/node",
        "$defs": {"node": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2}},
    }
    llama.Grammar.compile(model, llama.schema_to_grammar(tree)).close()
    llama.Grammar.compile(model, llama.schema_to_grammar({})).close()
    llama.Grammar.compile(model, llama.schema_to_grammar(deep(40))).close()


def test_a_schema_is_not_changed_by_converting_it() -> None:
    before = json.dumps(SCHEMA)
    llama.schema_to_grammar(SCHEMA)
    assert json.dumps(SCHEMA) == before
