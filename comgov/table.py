"""Rows for the terminal and for other programs: aligned columns, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TypeAlias

Cell: TypeAlias = str | int | bool | None


class Format(StrEnum):
    """TABLE is for people; CSV (RFC 4180, UTF-8) and JSON (an array of objects) are exact."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def render(rows: Sequence[Mapping[str, Cell]], style: Format, *, columns: Sequence[str] | None = None) -> str:
    """The rows as text that ends with a line end.

    rows: each with the same keys, in the order of the columns. columns: the keys to show, all of them if None;
    needed for a header when there is no row.
    """
    keys = list(columns if columns is not None else rows[0] if rows else ())
    match style:
        case Format.JSON:
            return json.dumps([{key: row[key] for key in keys} for row in rows], ensure_ascii=False, indent=2) + "\n"
        case Format.CSV:
            stream = io.StringIO()
            writer = csv.writer(stream)
            writer.writerow(keys)
            writer.writerows([_plain(row[key]) for key in keys] for row in rows)
            return stream.getvalue()
        case Format.TABLE:
            return _aligned(keys, rows)


def record(row: Mapping[str, Cell]) -> str:
    """One row, a line for each cell, for people."""
    return "".join(f"{key.replace('_', ' ')}: {_plain(value)}\n" for key, value in row.items())


def _aligned(keys: Sequence[str], rows: Sequence[Mapping[str, Cell]]) -> str:
    cells = [[key.replace("_", " ") for key in keys], *([_plain(row[key]) for key in keys] for row in rows)]
    is_figure = [bool(rows) and all(type(row[key]) is int for row in rows) for key in keys]
    widths = [max(_width(line[place]) for line in cells) for place in range(len(keys))]
    lines = (
        "  ".join(_pad(cell, width, right) for cell, width, right in zip(line, widths, is_figure, strict=True)).rstrip()
        for line in cells
    )
    return "".join(f"{line}\n" for line in lines)


def _plain(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case _:
            return str(cell)


def _pad(text: str, width: int, right: bool) -> str:
    room = " " * (width - _width(text))
    return room + text if right else text + room


def _width(text: str) -> int:
    """Columns that a terminal gives it."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
