"""A roster: the CSV file from which many people are added at once.

UTF-8, with a header; commas, semicolons or tabs, as spreadsheets write them. Columns, in any order, in English or in
French: `address` and `name`, and if wanted `roles` (separated by spaces or `+`), `language`, `quota_bytes`, `password`.
Nothing here asks the directory; every fault is collected with its line, so that one reading is enough to mend them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from comgov.errors import ComgovError, Invalid, TooLarge
from comgov.institutions.model import check_name, check_quota
from comgov.language import LANGUAGES, N_, Language
from comgov.people.model import Role, check_address, check_password

LARGEST_BYTES = 16 << 20
MOST_ROWS = 50_000

_COLUMNS = {
    "address": "address",
    "adresse": "address",
    "name": "name",
    "nom": "name",
    "roles": "roles",
    "rôles": "roles",
    "language": "language",
    "langue": "language",
    "quota_bytes": "quota_bytes",
    "quota_octets": "quota_bytes",
    "password": "password",
    "mot de passe": "password",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One person to be. line: where it begins in the file, from 1. None: the file does not say."""

    line: int
    address: str
    name: str
    roles: frozenset[Role] | None = None
    language: Language | None = None
    quota_bytes: int | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Fault:
    """What is wrong and on which line."""

    line: int
    error: ComgovError

    def __str__(self) -> str:
        return f"line {self.line}: {self.error.public.format(**self.error.values)}"


@dataclass(frozen=True)
class Roster:
    """The good rows, and the faults of the others."""

    rows: list[Row]
    faults: list[Fault]


def read(content: bytes) -> Roster:
    """What the file says. Raises TooLarge above 16 MiB or 50,000 people."""
    if len(content) > LARGEST_BYTES:
        raise TooLarge(N_("The file is larger than {most} bytes: cut it in parts."), most=LARGEST_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return Roster([], [Fault(line, Invalid(N_("The file is not UTF-8: save it as “CSV UTF-8”.")))])
    return _read(text)


def _read(text: str) -> Roster:
    rows: list[Row] = []
    faults: list[Fault] = []
    lines = _records(text, faults)
    _, header = next(lines, (1, []))
    columns = _header(header, faults)
    if faults:
        return Roster([], faults)
    seen: dict[str, int] = {}
    for line, fields in lines:
        try:
            row = _row(line, columns, fields)
            _must_be_new(row, seen)
        except Invalid as error:
            faults.append(Fault(line, error))
        else:
            seen[row.address] = line
            rows.append(row)
    return Roster(rows, faults)


def _must_be_new(row: Row, seen: dict[str, int]) -> None:
    if row.address in seen:
        raise Invalid(N_("{address} is on line {other} already."), address=row.address, other=seen[row.address])


def _records(text: str, faults: list[Fault]) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not blank with the line where it begins; what breaks the reading is the last fault."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    count, line = 0, 1
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            faults.append(Fault(line, Invalid(N_("This is not CSV: {what}."), what=str(error))))
            return
        if any(cell.strip() for cell in fields):
            count += 1
            if count > MOST_ROWS + 1:
                raise TooLarge(N_("The file names more than {most} people: cut it in parts."), most=MOST_ROWS)
            yield line, [cell.strip() for cell in fields]


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _header(header: list[str], faults: list[Fault]) -> list[str]:
    columns = [_COLUMNS.get(name.casefold(), "") for name in header]
    for name, column in zip(header, columns, strict=True):
        if not column:
            faults.append(Fault(1, Invalid(N_("There is no column “{name}”."), name=name[:80])))
        elif columns.count(column) > 1:
            faults.append(Fault(1, Invalid(N_("The column “{name}” is there twice."), name=name[:80])))
    faults += [
        Fault(1, Invalid(N_("The column “{name}” is missing."), name=name))
        for name in ("address", "name")
        if name not in columns
    ]
    return columns


def _row(line: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        raise Invalid(N_("The line does not have as many cells as the header."))
    fields = dict(zip(columns, cells, strict=True))
    local_part, domain = check_address(fields["address"])
    address, name = f"{local_part}@{domain}", check_name(fields["name"])
    given = {column: value for column, value in fields.items() if value}
    return Row(
        line=line,
        address=address,
        name=name,
        roles=_roles(given.get("roles")),
        language=_language(given.get("language")),
        quota_bytes=_quota(given.get("quota_bytes")),
        password=check_password(given["password"], address=address, name=name) if "password" in given else None,
    )


def _roles(text: str | None) -> frozenset[Role] | None:
    if text is None:
        return None
    words = text.replace("+", " ").split()
    unknown = [word for word in words if word not in list(Role)]
    if unknown:
        raise Invalid(N_("There is no role “{role}”; there are {roles}."), role=unknown[0][:80], roles=", ".join(Role))
    return frozenset(Role(word) for word in words) | {Role.CIVIL_SERVANT}


def _language(text: str | None) -> Language | None:
    for language in LANGUAGES:
        if text == language:
            return language
    if text is not None:
        raise Invalid(
            N_("“{language}” is not a language spoken here: {known}."), language=text[:80], known=", ".join(LANGUAGES)
        )
    return None


def _quota(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Invalid(N_("A quota is a number of bytes, 0 or more."))
    return check_quota(int(text))
