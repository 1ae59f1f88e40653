"""The map shows what a task is about and what everything uses, within its budget, whatever stands in the files."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import pytest
from small_repositories import SOURCES, workspace

from edgemind.coder import repo_map as repo_map_module
from edgemind.coder.parsers import Parsers
from edgemind.coder.ranking import ranked, words_of
from edgemind.coder.repo_map import RepoMap, repo_map
from edgemind.coder.symbols import Definition, Outline

ROOT = Path(__file__).parent.parent.parent


def count(text: str) -> int:
    return len(text) // 4


def shop(root: Path, task: str = "", budget: int = 400, **more: object) -> RepoMap:
    files: dict[str, str | bytes] = {
        "shop/money.py": "class Money:\n    pass\n\n\ndef parse_amount(text):\n    return Money()\n",
        "shop/cart.py": "from shop.money import Money, parse_amount\n\n\nclass ShoppingCart:\n"
        "    def add_item(self, price):\n"
        "        return parse_amount(price)\n",
        "shop/invoice.py": "from shop.money import Money\nfrom shop.cart import ShoppingCart\n\n\n"
        "def print_invoice(cart: ShoppingCart) -> Money:\n    return Money()\n",
        "shop/weather.py": "def forecast_for(day):\n    return day\n",
        "tests/test_cart.py": "from shop.cart import ShoppingCart\n\n\ndef test_cart():\n    assert ShoppingCart()\n",
        "README.md": "# Shop\n",
    }
    place, listing = workspace(root, files)
    return repo_map(place, listing, task, budget, count, **more)  # type: ignore[arg-type]


def test_what_everything_uses_comes_first(tmp_path: Path) -> None:
    found = shop(tmp_path)
    assert {line.path for line in sorted(found.lines, key=lambda line: -line.rank)[:2]} == {
        "shop/money.py",
        "shop/cart.py",
    }
    assert "shop/money.py:\n    1|class Money:\n" in found.text
    assert found.files_seen == 5
    assert {line.path for line in found.lines} >= {"shop/money.py", "shop/cart.py"}


def test_the_words_of_a_task_pull(tmp_path: Path) -> None:
    assert shop(tmp_path, "change the weather forecasts").lines[0].path == "shop/weather.py"


def test_what_named_files_use_ranks_higher(tmp_path: Path) -> None:
    best = max(shop(tmp_path, named=("shop/cart.py",)).lines, key=lambda line: line.rank)
    assert best.path == "shop/money.py"


def test_excluded_files_are_not_on_it(tmp_path: Path) -> None:
    assert "shop/money.py" not in shop(tmp_path, exclude=("shop/money.py",)).text


@pytest.mark.parametrize("budget", [0, 1, 5, 12, 30, 60, 10_000])
def test_it_keeps_to_its_budget(tmp_path: Path, budget: int) -> None:
    found = shop(tmp_path, budget=budget)
    assert found.tokens <= budget
    assert found.tokens == count(found.text)
    assert bool(found.lines) == bool(found.text)
    assert found.lines or budget < 12


def test_every_line_of_the_map_of_this_repository_is_there() -> None:
    place, listing = workspace(ROOT / "edgemind" / "engine", {})
    found = repo_map(place, listing, "sampling", 2_000, count)
    assert len(found.lines) > 30
    for line in found.lines:
        text = (place.root / line.path).read_text(encoding="utf-8").splitlines()
        assert line.text.split("(")[0].split()[-1].rstrip(":") in text[line.line - 1]


def test_a_second_map_reads_only_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, listing = workspace(
        tmp_path, {"a.py": "def alpha_one():\n    pass\n", "b.py": "def beta_two():\n    pass\n"}
    )
    repo_map(place, listing, "", 200, count)
    (tmp_path / "b.py").write_text("def gamma_three():\n    pass\n\n")
    _, listing = workspace(tmp_path, {})
    read: list[str] = []
    real = place.read

    def noted(path: str, most: int = 0) -> object:
        read.append(path)
        return real(path, most)

    monkeypatch.setattr(place, "read", noted)
    found = repo_map(place, listing, "", 200, count)
    assert read == ["b.py"]
    assert "gamma_three" in found.text
    assert "beta_two" not in found.text


def test_a_file_whose_parser_failed_is_parsed_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '"""\ndef only_text():\n    pass\n"""\n\n\ndef area():\n    pass\n'
    place, listing = workspace(tmp_path, {"a.py": text})

    def refuse(*_: object) -> None:
        raise OSError("no process left")

    with monkeypatch.context() as busy:
        busy.setattr(Parsers, "_take", refuse)
        found = repo_map(place, listing, "", 200, count)
    assert found.unread == (("a.py", "no parser could be started"),)
    assert "def only_text():" in found.text
    assert repo_map(place, listing, "", 200, count).text == "a.py:\n    7|def area():"


def test_kept_outlines_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repo_map_module, "MOST_KEPT", 10)
    kept = repo_map_module._Kept()
    for number in range(50):
        kept.put(("root", str(number), 1, 1), Outline(references={"a": 1}))
    assert len(kept._found) == 10
    assert kept.get(("root", "49", 1, 1)) is not None
    assert kept.get(("root", "39", 1, 1)) is None


def test_many_languages_and_hostile_files_in_one_tree(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"src/{name}": text for name, (text, _) in SOURCES.items()}
    files |= {
        "bad/min.js": b"function a(b){return b+1;}" * 8_000,
        "bad/nested.py": b"(" * 100_000,
        "bad/wide.java": b"List<" * 20_000,
        "bad/latin.py": b"def caf\xe9():\n    pass\n",
        "bad/controls.py": "def f():\n    return '\u202e\x1b[31m'\n".encode(),
        "bad/large.py": b"x = 1\n" * 120_000,
        "bad/empty.py": b"",
    }
    place, listing = workspace(tmp_path, files)
    began = time.monotonic()
    found = repo_map(place, listing, "draw a shape", 1_500, count)
    assert time.monotonic() - began < 60
    assert all(line.isprintable() for line in found.text.split("\n"))
    assert not set("\x1b\u202e\x00") & set(found.text)
    unread = dict(found.unread)
    assert unread["bad/min.js"] == "minified"
    assert unread["bad/nested.py"] == "minified"
    assert unread["bad/large.py"] == "larger than 512 KiB"
    assert len({line.path for line in found.lines if line.path.startswith("src/")}) > 15


def test_time_that_is_up_leaves_files_out(tmp_path: Path) -> None:
    place, listing = workspace(tmp_path, {"late.py": "def late():\n    pass\n"})
    found = repo_map(place, listing, "", 100, count, most_seconds=-1)
    assert found.unread == (("late.py", "no time was left"),)
    assert found.beyond == 1
    assert found.text == ""


def test_of_too_many_files_those_of_the_task_are_ranked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repo_map_module, "MOST_RANKED", 2)
    files: dict[str, str | bytes] = {f"{number}.py": f"def other_{number}():\n    pass\n" for number in range(9)}
    files |= {"deep/z.py": "def forecast():\n    return weather\n", "named.py": "def named():\n    pass\n"}
    place, listing = workspace(tmp_path, files)
    found = repo_map(place, listing, "the weather", 1_000, count, named=("named.py",))
    assert {line.path for line in found.lines} == {"deep/z.py", "named.py"}
    assert (found.files_seen, found.beyond) == (2, 9)


def test_a_file_that_goes_away_is_left_out(tmp_path: Path) -> None:
    place, listing = workspace(
        tmp_path, {"here.py": "def here_it_is():\n    pass\n", "gone.py": "def gone():\n    pass\n"}
    )
    os.unlink(tmp_path / "gone.py")
    found = repo_map(place, listing, "", 100, count)
    assert [path for path, _ in found.unread] == ["gone.py"]
    assert "here_it_is" in found.text


def test_ranks_do_not_depend_on_the_order_of_files() -> None:
    rng = random.Random(7)
    names = [f"helper_number_{number}" for number in range(40)]
    outlines = {
        f"f{number}.py": Outline(
            "python",
            (Definition(names[number], 1, 2, f"def {names[number]}():"),),
            {name: rng.randint(1, 9) for name in rng.sample(names, 8)},
            frozenset(f"f{other}" for other in range(40)),
        )
        for number in range(40)
    }
    first = json.dumps([(one.path, round(one.rank, 12)) for one in ranked(outlines)])
    shuffled = dict(sorted(outlines.items(), key=lambda _: rng.random()))
    assert json.dumps([(one.path, round(one.rank, 12)) for one in ranked(shuffled)]) == first
    assert ranked({}) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("parse HTTPResponse", {"parse", "httpresponse", "http", "response"}),
        ("the file is in it", set()),
        ("snake_case_name", {"snake_case_name", "snake", "case", "name"}),
        ("größeDerDatei transfers", {"größe", "der", "datei", "transfer"}),
        ("", set()),
    ],
)
def test_words(text: str, expected: set[str]) -> None:
    assert expected <= words_of(text)
    if not expected:
        assert words_of(text) == frozenset()
