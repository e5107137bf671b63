"""The zip of receipts that a stranger hands over: read within bounds, or refused in a sentence."""

from __future__ import annotations

import struct
import warnings
import zipfile
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comgov.dossiers.documents import MAX_EVIDENCE_BYTES
from comgov.dossiers.receipts import bundle
from comgov.signing.errors import Malformed

RECEIPTS = [
    bundle.Kept("", 0, "SEALED", b'{"a":1}' * 50, b"signature", "proof"),
    bundle.Kept("finances", 1, "SubmissionAcceptance", b'{"b":2}' * 50, b"other"),
]


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def test_what_is_written_is_read() -> None:
    [(code, chain)] = bundle.read(BytesIO(bundle.write(RECEIPTS))).items()
    assert code == "finances"
    assert [(each.name, each.body, each.signature) for each in chain] == [
        ("00-SEALED", RECEIPTS[0].body, b"signature"),
        ("finances/01-SubmissionAcceptance", RECEIPTS[1].body, b"other"),
    ]
    assert bundle.is_begun(bundle.write(RECEIPTS)[:512])


SEALED = ("00-SEALED.json", b"{}"), ("00-SEALED.p7s", b"s")


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "not a zip of receipts"),
        (zipped(*SEALED)[:-30], "not a zip of receipts"),
        (zipped(*SEALED, SEALED[0]), "a receipt twice"),
        (zipped(SEALED[0]), "without its signature"),
        (zipped(("../00-SEALED.json", b"")), "may not hold a file named"),
        (zipped(("finances/../00-SEALED.json", b"")), "may not hold a file named"),
        (zipped(("/00-SEALED.json", b"")), "may not hold a file named"),
        (zipped(("00-SEALED.json\n", b"")), "may not hold a file named"),
        (zipped(("00-SEALED.json", bytes(MAX_EVIDENCE_BYTES + 1))), "is larger than"),
        (zipped(("00-SEALED.json", bytes(50_000_000))), "is larger than"),
        (
            zipped(*((f"{n:02d}-{k}.json", b"") for n in range(100) for k in ["A" * m for m in range(1, 41)])),
            "signature",
        ),
        (zipped(*((f"f{n}/00-SEALED.json", b"") for n in range(5001))), "more than 5000"),
    ],
)
def test_a_hostile_bundle_is_refused_with_a_reason(raw: bytes, sentence: str) -> None:
    with pytest.raises(Malformed) as refusal:
        bundle.read(BytesIO(raw))
    assert sentence in refusal.value.public.format(**refusal.value.values)


def test_a_bomb_that_declares_itself_small_is_noticed_as_it_bursts() -> None:
    raw = bytearray(zipped(("00-SEALED.json", bytes(50_000_000))))
    for signature, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        place = raw.index(signature) + at
        raw[place : place + 4] = struct.pack("<I", 10)
    with pytest.raises(Malformed):
        bundle.read(BytesIO(bytes(raw)))


def test_bundles_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_BUNDLE_BYTES", 100_000)
    many = zipped(*((f"{n:02d}-SEALED.json", bytes(20_000)) for n in range(10)))
    with pytest.raises(Malformed, match="too much"):
        bundle.read(BytesIO(many))
    with pytest.raises(Malformed, match="too much"):
        bundle.read(BytesIO(bytes(100_001)))


GOOD = {method: zipped(*SEALED, ("f/01-A.json", b"{}" * 99), method=method) for method in (0, 8, 12, 14)}


@given(st.data())
def test_no_bytes_make_reading_stumble(data: st.DataObject) -> None:
    """Spoilt in up to four places: read, or refused, whatever the compression; no other error."""
    raw = bytearray(GOOD[data.draw(st.sampled_from(sorted(GOOD)))])
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        bundle.read(BytesIO(bytes(raw)))
    except Malformed:
        return
