"""Every sentence of files is said in French too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from comgov import files
from storage import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOM = Path(files.__file__).parent
KEYWORDS = {"N_": None, "_": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}


def said() -> Iterator[tuple[str | None, str]]:
    """Context and sentence of all that the room, or the store below it, says to people."""
    methods = [("**.py", "python"), ("templates/**.html", "jinja2")]
    for _, _, message, _, context in extract_from_dir(ROOM, methods, keywords=KEYWORDS):
        yield context, message if isinstance(message, str) else message[0]
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.StorageError):
            yield None, kind.public


def test_the_french_catalogue_is_complete() -> None:
    known = {}
    for catalogue in ROOM.parent.glob("*/locale/fr.po"):
        with catalogue.open("rb") as file:
            for message in read_po(file, locale="fr"):
                sentence = message.id if isinstance(message.id, str) else message.id[0]
                known[message.context, sentence] = message.string and not message.fuzzy
    wanted = set(said())
    assert len(wanted) > 150
    assert [pair for pair in sorted(wanted, key=str) if not known.get(pair)] == []
