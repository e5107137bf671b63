"""French first: every sentence that a person may read has its French, in the catalogue of its own room."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import comgov

HERE = Path(comgov.__file__).parent
ROOMS = sorted(path.name for path in HERE.iterdir() if (path / "locale" / "fr.po").is_file())
SPEAKS_FOR = {"authority": ("signing",)}
"""A room that keeps the French of rooms below it, which have no pages of their own."""
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext:babel_extract")]
KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}


def sentences(room: str) -> dict[str | tuple[str, ...], str]:
    """Message ids of a room, each with where it stands."""
    options = {"**/templates/**.html": {"silent": "false", "trimmed": "true"}}
    return {
        message: f"{name}/{file}:{line}"
        for name in (room, *SPEAKS_FOR.get(room, ()))
        for file, line, message, _, _ in extract_from_dir(HERE / name, METHODS, options, keywords=KEYWORDS)
        if message
    }


def catalogue(room: str) -> dict[str | tuple[str, ...], str | tuple[str, ...]]:
    file = HERE / room / "locale" / "fr.po"
    if not file.is_file():
        return {}
    with file.open("rb") as stream:
        return {message.id: message.string for message in read_po(stream, locale="fr") if message.id}


@pytest.mark.parametrize("room", ROOMS)
def test_every_sentence_of_a_room_has_its_french(room: str) -> None:
    french = catalogue(room)
    missing = {message: place for message, place in sentences(room).items() if not _whole(french.get(message))}
    assert missing == {}


def test_rooms_without_a_catalogue_say_nothing() -> None:
    spoken_for = {name for names in SPEAKS_FOR.values() for name in names}
    rooms = {file.parent.name for file in HERE.glob("*/__init__.py")} - set(ROOMS) - spoken_for
    assert {message: place for room in rooms for message, place in sentences(room).items()} == {}


@pytest.mark.parametrize("room", ROOMS)
def test_no_catalogue_keeps_what_nobody_says(room: str) -> None:
    below = "".join(file.read_text() for name in ("mail", "storage") for file in (HERE.parent / name).rglob("*.py"))
    below += (HERE / "db.py").read_text()
    unsaid = catalogue(room).keys() - sentences(room).keys()
    assert {message for message in unsaid if isinstance(message, tuple) or f'"{message}"' not in below} == set()


@pytest.mark.parametrize("room", ROOMS)
def test_a_translation_fills_in_the_same_names(room: str) -> None:
    for message, french in catalogue(room).items():
        ids = (message,) if isinstance(message, str) else message
        strings = (french,) if isinstance(french, str) else french
        for one in strings:
            assert _names(one) == _names(ids[-1]), message


@pytest.mark.parametrize("room", ROOMS)
def test_french_is_set_as_a_printer_would(room: str) -> None:
    """Thin no-break space before ; ! ? %, no-break space before : and inside « », curved apostrophes."""
    wrong = re.compile(
        r"""(?<=\w)'(?=\w)|[^\u202f][;!?](?=[\s»]|$)|[^\u00a0]:(?=\s|$)|«[^\u00a0]|[^\u00a0]»|[^\u202f]%%|\.\.\."""
    )
    for french in catalogue(room).values():
        for one in (french,) if isinstance(french, str) else french:
            assert wrong.search(one) is None, one


def test_a_sentence_said_in_several_rooms_has_one_french() -> None:
    """All catalogues are read into one: of two translations, one room would get the other's."""
    known: dict[tuple[str | None, object], set[object]] = {}
    for room in ROOMS:
        with (HERE / room / "locale" / "fr.po").open("rb") as stream:
            for message in read_po(stream, locale="fr"):
                if message.id:
                    known.setdefault((message.context, message.id), set()).add(message.string)
    assert {message: french for message, french in known.items() if len(french) > 1} == {}


def _whole(french: str | tuple[str, ...] | None) -> bool:
    return bool(french) and (isinstance(french, str) or all(french))


def _names(text: str) -> set[str]:
    """Both kinds: `%(name)s` of templates, `{name}` of errors."""
    braces = {name for _, name, _, _ in string.Formatter().parse(text) if name} if "%(" not in text else set()
    return braces | set(re.findall(r"%\((\w+)\)s", text))
