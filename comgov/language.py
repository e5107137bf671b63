"""The languages the platform speaks: catalogues read from each room's `locale/fr.po`.

Message ids are the English sentences themselves, so English needs no catalogue and a missing translation still
reads as a sentence. Catalogues are read as they are (no compiled files to forget) once, when a node starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from babel.messages.pofile import read_po

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Language = Literal["fr", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT_LANGUAGE: Language = "fr"


def N_(message: str) -> str:  # noqa: N802  # gettext's own name, which extraction tools look for
    """Mark a sentence for translation where it is written; it is translated where it is shown."""
    return message


class Catalogue:
    """Every sentence of every room in one language."""

    def __init__(self, language: Language, files: Iterable[Path] = ()) -> None:
        self.language = language
        self._singular: dict[tuple[str | None, str], str] = {}
        self._plural: dict[str, tuple[str, ...]] = {}
        for file in files:
            self._add(file)

    def gettext(self, message: str) -> str:
        """The sentence in this language; itself when no catalogue has it."""
        return self._singular.get((None, message), message)

    def pgettext(self, context: str, message: str) -> str:
        """The same for a word that needs its context (gettext's msgctxt)."""
        return self._singular.get((context, message), message)

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        """The form for `count`: French uses the singular for 0 and 1, English for 1."""
        is_singular = count in (0, 1) if self.language == "fr" else count == 1
        forms = self._plural.get(singular, (singular, plural))
        return forms[0] if is_singular else forms[-1]

    def _add(self, file: Path) -> None:
        with file.open("rb") as stream:
            for message in read_po(stream, locale=self.language):
                if message.fuzzy or not message.id or not message.string:
                    continue
                if isinstance(message.id, str):
                    self._singular[message.context, message.id] = str(message.string)
                else:
                    self._plural[message.id[0]] = tuple(message.string)
