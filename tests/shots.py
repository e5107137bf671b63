"""`python -m tests.shots [NAME…]`: pictures of every page, whole, into `.shots/fr/` and `.shots/en/`.

At 1280 and at 390 px; some in the dark too. NAMEs are those of `tests/outside/pages.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.outside.office import office
from tests.outside.pages import EVERYONE, PAGES

if TYPE_CHECKING:
    from tests.outside.office import Office
    from tests.outside.pages import Page

LOCALES = {"fr": "fr-FR", "en": "en-GB"}
WIDTHS = (1280, 390)
DARK = ("inbox", "message", "home", "dossier", "usage", "sign-in", "file-wrong", "directory")


def main(wanted: list[str]) -> None:
    with office() as lived_in:
        for language in LOCALES:
            target = Path(".shots") / language
            target.mkdir(parents=True, exist_ok=True)
            for person in EVERYONE:
                lived_in.speak(person, language)
            for page in PAGES:
                if not wanted or page.name in wanted:
                    _picture(lived_in, page, language, target)
                    print(language, page.name)


def _picture(office: Office, page: Page, language: str, target: Path) -> None:
    for scheme in ("light", "dark") if page.name in DARK else ("light",):
        with office.tab(page.person, locale=LOCALES[language], color_scheme=scheme) as tab:
            office.visit(page, tab)
            for width in WIDTHS:
                tab.set_viewport_size({"width": width, "height": 844})
                tab.screenshot(path=target / f"{page.name}-{width}{'-dark' * (scheme == 'dark')}.png", full_page=True)


if __name__ == "__main__":
    main(sys.argv[1:])
