"""``docs/chat.md`` says what the app does: its keys, its settings, its pictures."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from edgemind.settings import ChatSettings

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs" / "chat.md").read_text(encoding="utf-8")


def test_the_table_of_keys_is_the_one_that_binds_them() -> None:
    spec = importlib.util.spec_from_file_location("screenshots_chat", ROOT / "scripts" / "screenshots_chat.py")
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.keys_table() in TEXT, "Try: python scripts/screenshots_chat.py --keys"


def test_every_setting_of_the_chat_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", TEXT.partition("\n## Settings\n")[2].partition("\n## ")[0], re.MULTILINE)
    assert sorted(rows) == sorted(ChatSettings.model_fields)


def test_links_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in TEXT.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        file, _, part = target.partition("#")
        assert not file or (ROOT / "docs" / file).is_file(), target
        assert file or part in headings, target


def test_pictures_are_small_and_hold_nothing_of_the_machine_they_were_made_on() -> None:
    pictures = sorted((ROOT / "docs" / "images").glob("chat-*.svg"))
    assert {f"images/{one.name}" for one in pictures} == set(re.findall(r"images/[\w-]+\.svg", TEXT))
    for one in pictures:
        svg = one.read_text(encoding="utf-8")
        assert len(svg) < 100_000, one.name
        assert not re.search(r"<script|@font-face|<image", svg), one.name
        assert set(re.findall(r"https?://[^\"' )<]+", svg)) <= {"http://www.w3.org/2000/svg"}, one.name
        assert not re.search(r"/(home|root|tmp|work|Users)/", svg), one.name
