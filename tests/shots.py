"""`python -m tests.shots [NAME…]`: a picture of every page into `.shots/`, at 1280 and 390 px, light and dark."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.outside.office import office

SIZES = {"1280": {"width": 1280, "height": 800}, "390": {"width": 390, "height": 844}}
DARK = ("inbox", "message", "home")


def main(wanted: list[str]) -> None:
    target = Path(".shots")
    target.mkdir(exist_ok=True)
    with office() as lived_in:
        for name, (person, path) in lived_in.paths.items():
            if wanted and name not in wanted:
                continue
            for size, viewport in SIZES.items():
                for scheme in ("light", "dark") if name in DARK else ("light",):
                    context = lived_in.open(person, viewport=viewport, color_scheme=scheme)
                    page = context.new_page()
                    page.goto(path)
                    page.screenshot(path=target / f"{name}-{size}{'-dark' if scheme == 'dark' else ''}.png")
                    context.close()
            print(name, path)


if __name__ == "__main__":
    main(sys.argv[1:])
