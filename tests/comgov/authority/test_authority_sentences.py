"""Every sentence of signing and authority is there in French, with the same values."""

from __future__ import annotations

import ast
from pathlib import Path
from string import Formatter

import pytest

from comgov.language import Catalogue

COMGOV = Path(__file__).parents[3] / "comgov"
FRENCH = Catalogue("fr", [COMGOV / "authority" / "locale" / "fr.po"])


def sentences() -> list[str]:
    """What stands in `N_("…")` in the two rooms."""
    files = [path for room in ("signing", "authority") for path in sorted((COMGOV / room).glob("*.py"))]
    return [
        ast.literal_eval(node.args[0])
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "N_"
    ]


def values(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


@pytest.mark.parametrize("sentence", sorted(set(sentences())))
def test_a_sentence_is_there_in_french(sentence: str) -> None:
    french = FRENCH.gettext(sentence)
    assert french != sentence
    assert values(french) == values(sentence)
