"""Every sentence of administration is said in French too."""

from __future__ import annotations

from pathlib import Path

from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from comgov import administration

ROOM = Path(administration.__file__).parent
KEYWORDS = {"N_": None, "_": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}


def test_the_french_catalogue_is_complete_and_holds_nothing_else() -> None:
    methods = [("**.py", "python"), ("templates/**.html", "jinja2")]
    wanted = {
        (context, message if isinstance(message, str) else message[0])
        for _, _, message, _, context in extract_from_dir(ROOM, methods, keywords=KEYWORDS)
    }
    with (ROOM / "locale" / "fr.po").open("rb") as file:
        known = {
            (message.context, message.id if isinstance(message.id, str) else message.id[0])
            for message in read_po(file, locale="fr")
            if message.id and all(message.string if isinstance(message.string, tuple) else (message.string,))
        }
    assert known == wanted
