"""Every sentence of the web kernel, and of what lies below it, is said in French too."""

from __future__ import annotations

from pathlib import Path

from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.pofile import read_po

from comgov import web

ROOM = Path(web.__file__).parent
KEYWORDS = {"N_": None, "_": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}


def test_the_french_catalogue_is_complete() -> None:
    methods = [("**.py", "python"), ("templates/**.html", "jinja2")]
    found = [(message, context) for _, _, message, _, context in extract_from_dir(ROOM, methods, keywords=KEYWORDS)]
    for below in (ROOM.parent / f"{name}.py" for name in ("db", "errors", "feature", "postgres")):
        found += [
            (message, context) for _, message, _, context in extract_from_file("python", below, keywords=KEYWORDS)
        ]
    wanted = {(context, message if isinstance(message, str) else message[0]) for message, context in found}
    with (ROOM / "locale" / "fr.po").open("rb") as file:
        known = {
            (message.context, message.id if isinstance(message.id, str) else message.id[0])
            for message in read_po(file, locale="fr")
            if message.id and all(message.string if isinstance(message.string, tuple) else (message.string,))
        }
    assert len(wanted) > 40
    assert wanted - known == set()
