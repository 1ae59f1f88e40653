"""What a schema's grammar lets through validates against the schema, by the judgement of ``jsonschema``.

Each case has texts that the grammar must accept and texts that it must not; then a model with random weights writes
what it likes within the grammar, and whatever it finishes is judged.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import pytest
from schema_cases import CASES, obj
from tiny import tiny_model

from edgemind.engine import llama
from edgemind.engine.llama import schema_numbers
from edgemind.errors import BadConstraint

TOKENS = 150
SEEDS = 3
UNJUDGED = ("number", "date-time", "time", "email")
"""``jsonschema`` passes nonsense of these formats, and Python's JSON reads NaN."""
UNFINISHED = ("long", "loose pattern", "pydantic")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[llama.Model]:
    path = tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf", vocab=512)
    with llama.Model.open(str(path)) as opened:
        yield opened


@pytest.fixture(scope="module")
def ctx(model: llama.Model) -> Iterator[llama.Context]:
    with llama.Context(model, n_ctx=256, threads=1, flash_attention=False) as opened:
        batch = llama.Batch(1)
        batch.add(42, 0, 0, True)
        assert opened.decode(batch) is llama.DecodeResult.OK
        yield opened


def accepts(model: llama.Model, grammar: llama.Grammar, text: str) -> bool:
    """Whether the grammar lets a whole text through, and then the end."""
    tokens = model.vocab.tokenize(text, add_special=False, parse_special=False)
    end = next(token for token in range(model.n_vocab) if model.vocab.is_eog(token))
    with grammar.fresh() as current:
        for token in [*tokens, end]:
            if not current.allows(token):
                return False
            if token != end:
                current.accept(token)
    return True


def valid(schema: Any, text: str) -> bool:
    try:
        instance = json.loads(text)
    except json.JSONDecodeError:
        return False
    kind = jsonschema.validators.validator_for(schema)
    return bool(kind(schema, format_checker=kind.FORMAT_CHECKER).is_valid(instance))


@pytest.mark.parametrize("name", CASES)
def test_what_is_accepted(model: llama.Model, name: str) -> None:
    case = CASES[name]
    with llama.Grammar.compile(model, llama.schema_to_grammar(case.schema)) as grammar:
        for text in case.good:
            assert valid(case.schema, text), text
            assert accepts(model, grammar, text), text
        for text in case.bad:
            assert not valid(case.schema, text) or name in UNJUDGED, text
            assert not accepts(model, grammar, text), text
        for text in case.narrow:
            assert valid(case.schema, text), text
            assert not accepts(model, grammar, text), text


@pytest.mark.parametrize("name", CASES)
def test_what_is_written(ctx: llama.Context, name: str) -> None:
    """A walk through the grammar by chance, that tends to close what it opened."""
    model, schema = ctx.model, CASES[name].schema
    closing = {
        token: 7.0 for text in '"}]' for token in model.vocab.tokenize(text, add_special=False, parse_special=False)
    }
    hot = llama.ResolvedSampling(temperature=3.0, top_k=0, top_p=1.0, min_p=0.0, logit_bias=closing)
    finished = 0
    with llama.Grammar.compile(model, llama.schema_to_grammar(schema)) as grammar:
        for seed in range(SEEDS):
            with llama.Sampler.build(model, replace(hot, seed=seed)) as sampler:
                sampler.set_grammar(grammar)
                written: list[int] = []
                while len(written) < TOKENS and not (written and model.vocab.is_eog(written[-1])):
                    written.append(sampler.sample(ctx, 0))
            data = model.vocab.detokenize(written)
            if model.vocab.is_eog(written[-1]) and data == data.decode("utf-8", "ignore").encode():
                finished += 1
                assert valid(schema, data.decode()), data.decode()
    assert finished or name in UNFINISHED


@pytest.mark.parametrize("seed", range(40))
def test_numbers_between_any_bounds(seed: int) -> None:
    """The digits of a range, by comparison with the numbers themselves."""
    from decimal import Decimal

    from edgemind.engine.gbnf import matches

    rng = np.random.default_rng(seed)
    low, high = sorted(
        round(float(rng.normal(0, 10.0 ** rng.integers(0, 4))), int(rng.integers(0, 4))) for _ in range(2)
    )
    ends = bool(rng.integers(2)), bool(rng.integers(2))
    bounds = (Decimal(str(low)), ends[0]), (Decimal(str(high)), ends[1])
    whole, any_number = schema_numbers.integers(*bounds, None), schema_numbers.numbers(*bounds, None)
    assert whole is not None
    assert any_number is not None
    near = [low, high, 0.0, low - 1, high + 1, *rng.uniform(low - 2, high + 2, 60)]
    for number in (round(value, places) for value in near for places in (0, 1, 3, 5)):
        inside = low <= number <= high and not (number == low and ends[0]) and not (number == high and ends[1])
        shown = f"{number:.5f}".rstrip("0").rstrip(".")
        if shown in ("-0", "0"):
            shown = "0"
        assert matches(any_number, shown) == inside, (low, high, ends, shown)
        if number == int(number):
            assert matches(whole, str(int(number))) == inside, (low, high, ends, number)


REFUSED = [
    ({"type": "array", "uniqueItems": True}, '"uniqueItems" at #'),
    (obj({"a": {"if": {}, "then": {}}}), '"if" at #/properties/a'),
    (obj({"a": {"type": "integer", "multipleOf": 7}}), '"multipleOf" at #/properties/a'),
    ({"type": "number", "multipleOf": 0.3}, "multipleOf"),
    ({"type": "string", "maxlength": 5}, '"maxlength" at # is no keyword'),
    ({"name": "person", "strict": True, "schema": {"type": "object"}}, '"name" at #'),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, '"oneOf" at #'),
    ({"oneOf": [{"type": "string", "pattern": "a"}, {"type": "string", "pattern": "b"}]}, "oneOf"),
    ({"not": {"pattern": "a"}}, '"not" at #'),
    ({"type": "string", "pattern": "(?=a)b"}, "look-ahead"),
    ({"type": "string", "pattern": r"(a)\1"}, "not supported"),
    ({"type": "string", "pattern": "(a*)*b*(c*d*)*"}, "may be empty"),
    ({"type": "string", "pattern": "a", "allOf": [{"pattern": "b"}]}, "pattern"),
    ({"type": "string", "minLength": -1}, "minLength"),
    ({"type": "string", "maxLength": "5"}, "maxLength"),
    ({"type": "integer", "minimum": "5"}, '"minimum" at # is not a number'),
    ({"type": "object", "minProperties": 3}, "minProperties"),
    ({"type": "array", "contains": {}, "minContains": 2}, "contains"),
    ({"anyOf": []}, '"anyOf" at #'),
    ({"allOf": {}}, '"allOf" at #'),
    ({"enum": []}, '"enum" at #'),
    ({"items": 5}, '"items" at #'),
    ({"$ref": "#/$defs/a", "$defs": {"a": 5}}, "leads to no schema"),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}, "leads back to itself"),
    ({"$ref": "#"}, "leads back to itself"),
    ({"$ref": "other.json"}, "not within the schema"),
    ({"type": "string", "enum": [1, 2]}, "allows nothing"),
    ({"type": "integer", "minimum": 3, "maximum": 2}, "allows nothing"),
    ({"allOf": [{"type": "integer"}, {"type": "string"}]}, "allows nothing"),
    (obj({"a": {"$ref": "#"}}, "a"), "allows nothing"),
    (obj({"a": False}, "a"), "allows nothing"),
]


@pytest.mark.parametrize(("schema", "message"), REFUSED)
def test_what_cannot_be_enforced_is_refused(schema: Any, message: str) -> None:
    with pytest.raises(BadConstraint, match=message):
        llama.schema_to_grammar(schema)


def nested(levels: int, keyword: str) -> Any:
    schema: Any = {}
    for _ in range(levels):
        schema = {keyword: [schema, schema]} if keyword != "items" else {keyword: schema}
    return schema


def chain(length: int) -> Any:
    steps = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}]} for i in range(length)}
    return {"$ref": "#/$defs/a0", "$defs": {**steps, f"a{length}": {}}}


HOSTILE = {
    "depth": nested(10_000, "items"),
    "enum": {"enum": list(range(50_000))},
    "anyOf product": {"allOf": [{"anyOf": [{"minLength": i * 10 + j} for j in range(10)]} for i in range(30)]},
    "chain": chain(1000),
    "cycle": {"$defs": {f"a{i}": {"$ref": f"#/$defs/a{(i + 1) % 500}"} for i in range(500)}, "$ref": "#/$defs/a0"},
    "repeats": {"pattern": "^(((a{0,900}){0,900}b){0,900}c){0,900}$"},
    "stars": {"pattern": "^" + "(a+" * 30 + ")+" * 30 + "$"},
    "groups": {"pattern": "^" + "(" * 240 + "a" + ")" * 240 + "$"},
    "optional letters": {"pattern": "^" + "a?" * 240 + "$"},
    "bomb against an enum": {"enum": ["a" * 3000 + "!"], "pattern": "^(a+a+)+$"},
    "number": {"type": "integer", "minimum": 10**5000},
    "names": {"properties": {"x" * 5000: {}}, "additionalProperties": True},
    "conjunctions": {
        "$ref": "#/$defs/a0",
        "$defs": {
            f"a{i}": obj({c: {"allOf": [{"$ref": f"#/$defs/a{(i + k) % 24}"} for k in (1, 2, 5)]} for c in "abc"})
            for i in range(24)
        },
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_schemas_end_soon(model: llama.Model, name: str) -> None:
    started = time.process_time()
    try:
        with llama.Grammar.compile(model, llama.schema_to_grammar(HOSTILE[name])) as grammar:
            for token in range(5):
                grammar.allows(token)
    except BadConstraint:
        pass
    assert time.process_time() - started < 3


def test_control_tokens_are_not_letters(model: llama.Model) -> None:
    """llama.cpp would take ``<|im_start|>``, which is not shown, for twelve letters."""
    control = model.vocab.find("<|im_start|>")
    quote = model.vocab.tokenize('"', add_special=False, parse_special=False)[0]
    assert control is not None
    with llama.Grammar.compile(model, llama.schema_to_grammar({"type": "string", "minLength": 3})) as grammar:
        grammar.accept(quote)
        assert not grammar.allows(control)
        everything = np.zeros(model.n_vocab, llama.grammar.CANDIDATE)
        everything["id"] = np.arange(model.n_vocab)
        grammar.filter(everything)
        assert everything["logit"][control] == -np.inf
    with llama.Grammar.compile(model, "root ::= <|im_start|>") as grammar:
        assert grammar.allows(control)


def test_a_long_row_of_optional_items_is_refused(model: llama.Model) -> None:
    for gbnf in ("root ::= " + '"a"* ' * 500, "root ::= " + '("a" "b")? ' * 500):
        with pytest.raises(BadConstraint, match="500 optional items in a row"):
            llama.Grammar.compile(model, gbnf)
    llama.Grammar.compile(model, "root ::= " + '"a"? "b" ' * 500).close()
