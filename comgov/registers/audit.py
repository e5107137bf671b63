"""A register as one file, and its verification by anyone, offline, in one pass. Pure.

JSON lines, UTF-8, each with its kind first: one `register` line (origin, and the certificates of every key that signs
below), `revocations` lines (the lists in force when it was written), then `entry` lines in order, each `checkpoint`
with its `time_stamp` right after the last entry that it covers.

A checkpoint commits to all entries before it. So every one must be of its entries and signed, and the last one must
hold in every way: cosigned by another institution, stamped by another institution, with certificates that were good at
the time-stamp's instant. Time-stamps of earlier ones are for who asks since when an entry was there.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from comgov.registers.model import Direction, Entry, Number
from comgov.signing import checkpoint, cms, merkle, trust, tsp
from comgov.signing.verdict import Indication, Reason, Report, Verdict, conclude, reason

if TYPE_CHECKING:
    from datetime import datetime

    from comgov.signing.trust import Trust

FORMAT = "comgov-register/1"
MAX_LINE_BYTES = 1 << 20
"""A revocation list of some 20,000 lines."""

_MOST_CERTIFICATES = 200
_MOST_LISTS = 200


class AuditError(ValueError):
    """The file is no register; the message says where and why."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """Who signs checkpoints under that origin. chain: the certificate, then the institution's authority."""

    origin: str
    chain: tuple[x509.Certificate, ...]

    @cached_property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The key that verifies."""
        found = self.chain[0].public_key()
        if not isinstance(found, ec.EllipticCurvePublicKey):
            raise AuditError(f"the certificate of {self.origin} has no elliptic-curve key")
        return found


@dataclass(frozen=True, kw_only=True)
class Audited:
    """What was found in a register.

    witnesses: the other institutions that vouch for the last checkpoint. stamped: when it was there at the latest,
    by another institution's time-stamp. discounted: why other cosignatures of it do not count.
    """

    origin: str
    size: int
    checkpoints: int
    witnesses: tuple[str, ...]
    stamped: datetime | None
    discounted: tuple[Reason, ...]
    departures: int
    arrivals: int
    verdict: Verdict


def header(origin: str, keys: Iterable[Key]) -> bytes:
    """The first line."""
    certificates = [
        {"origin": key.origin, "chain": [b64encode(each.public_bytes(Encoding.DER)).decode() for each in key.chain]}
        for key in keys
    ]
    return _line({"register": FORMAT, "origin": origin, "certificates": certificates})


def entry_line(entry: Entry) -> bytes:
    """The line of an entry: the text that is hashed, and the number that it says, if any."""
    line: dict[str, Any] = {"entry": entry.index, "body": entry.body.decode()}
    if entry.number is not None:
        line["number"] = str(entry.number)
    return _line(line)


def revocation_line(crl: x509.CertificateRevocationList) -> bytes:
    """The line of a revocation list."""
    return _line({"revocations": b64encode(crl.public_bytes(Encoding.DER)).decode()})


def checkpoint_line(signed: checkpoint.SignedCheckpoint, token: bytes | None) -> bytes:
    """The line of a checkpoint and of the RFC 3161 token (DER) over its note, if there is one."""
    stamp = {} if token is None else {"time_stamp": b64encode(token).decode()}
    return _line({"checkpoint": signed.note, **stamp})


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """What the signatures of a checkpoint, which hold, are worth. reasons: what is wrong or missing."""

    witnesses: tuple[str, ...] = ()
    stamped: datetime | None = None
    discounted: tuple[Reason, ...] = ()
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Signed:
    """A checkpoint whose signatures hold. token: DER, over the whole note, cosignatures included."""

    checkpoint: checkpoint.SignedCheckpoint
    signer: Key
    cosigners: tuple[Key, ...]
    token: bytes | None


@dataclass
class _Auditor:
    """Reads line by line, keeping only the frontier, the last numbers and the last checkpoint."""

    pinned: Trust | None
    origin: str = ""
    keys: dict[str, list[Key]] = field(default_factory=dict)
    lists: list[x509.CertificateRevocationList] = field(default_factory=list)
    frontier: merkle.Frontier = field(default_factory=merkle.Frontier)
    last: dict[tuple[Direction, int], int] = field(default_factory=dict)
    counts: dict[Direction, int] = field(default_factory=dict)
    checkpoints: int = 0
    signed_size: int = 0
    signed: _Signed | None = None
    reasons: list[Reason] = field(default_factory=list)

    def read(self, line: bytes) -> None:
        value = _parse(line)
        if not self.origin:
            self._begin(value)
        elif "entry" in value:
            self._enter(value)
        elif "checkpoint" in value:
            self._check(value)
        elif "revocations" in value:
            self._list(value)
        else:
            raise AuditError("a line is neither an entry nor a checkpoint nor a revocation list")

    def _begin(self, value: Mapping[str, Any]) -> None:
        if value.get("register") != FORMAT or not isinstance(value.get("origin"), str) or not value["origin"]:
            raise AuditError(f"the first line does not begin a register in the form {FORMAT}")
        self.origin = value["origin"]
        for key in _keys(value.get("certificates")):
            self.keys.setdefault(key.origin, []).append(key)
        if self.pinned is None:
            self._found(Indication.TRY_LATER, "Whose keys these are was not checked: no root certificate was given.")
        else:
            for key in (key for keys in self.keys.values() for key in keys):
                self.reasons += _check_key(key, self.pinned)

    def _list(self, value: Mapping[str, Any]) -> None:
        if self.frontier.size or self.checkpoints or len(self.lists) == _MOST_LISTS:
            raise AuditError(f"at most {_MOST_LISTS} revocation lists stand before the entries")
        self.lists.append(_crl(value["revocations"]))

    def _known(self) -> Trust | None:
        """The root and the lists that were given, with those of the file: what nobody at hand has signed counts not."""
        return self.pinned and replace(self.pinned, crls=(*self.pinned.crls, *self.lists))

    def _enter(self, value: Mapping[str, Any]) -> None:
        if self.origin not in self.keys:
            raise AuditError("the certificate of the register itself is missing")
        body, index = value.get("body"), value["entry"]
        if not isinstance(body, str) or index != self.frontier.size:
            raise AuditError(f"entry {self.frontier.size} is missing, or not in its place")
        self.frontier, _ = self.frontier.append(merkle.leaf_hash(body.encode(errors="surrogatepass")))
        if set(value) - {"entry", "body", "number"}:
            raise AuditError(f"entry {index} says more than what was entered")
        if "number" in value or _number_in(body) is not None:
            self._count(value.get("number"), body)

    def _count(self, text: object, body: str) -> None:
        try:
            number = Number.parse(text if isinstance(text, str) else "")
        except ValueError as error:
            raise AuditError(f"entry {self.frontier.size - 1}: {error}") from error
        expected = self.last.get((number.direction, number.year), 0) + 1
        if number.number != expected:
            self._found(
                Indication.SIG_CONSTRAINTS_FAILURE,
                "Entry {index} has the number {number}, where {expected} was to come: the numbers have a gap.",
                index=self.frontier.size - 1,
                number=str(number),
                expected=str(Number(number.year, number.direction, expected)),
            )
        if _number_in(body) != str(number):
            self._found(
                Indication.HASH_FAILURE,
                "Entry {index} is listed as {number}, and what was entered does not say so.",
                index=self.frontier.size - 1,
                number=str(number),
            )
        self.last[number.direction, number.year] = number.number
        self.counts[number.direction] = self.counts.get(number.direction, 0) + 1

    def _check(self, value: Mapping[str, Any]) -> None:
        note = value["checkpoint"]
        try:
            signed = checkpoint.parse(note.encode() if isinstance(note, str) else b"")
            self._match(signed.checkpoint)
            signer, cosigners = self._signer(signed), self._cosigners(signed)
        except checkpoint.CheckpointError as error:
            sentence = "The checkpoint after entry {index} does not hold: {why}."
            self._found(Indication.HASH_FAILURE, sentence, index=self.frontier.size - 1, why=str(error))
            return
        self.checkpoints += 1
        self.signed_size = self.frontier.size
        token = _token(value.get("time_stamp"))
        self.signed = _Signed(checkpoint=signed, signer=signer, cosigners=cosigners, token=token)

    def _signer(self, signed: checkpoint.SignedCheckpoint) -> Key:
        own = self.keys.get(self.origin, [])
        found = checkpoint.verify(signed, *(key.public_key for key in own))
        return next(key for key in own if key.public_key is found)

    def _cosigners(self, signed: checkpoint.SignedCheckpoint) -> tuple[Key, ...]:
        others = [key for origin, keys in self.keys.items() if origin != self.origin for key in keys]
        return tuple(key for key in others if checkpoint.cosignatures(signed, [(key.origin, key.public_key)]))

    def _match(self, found: checkpoint.Checkpoint) -> None:
        if (found.origin, found.size, found.root) != (self.origin, self.frontier.size, self.frontier.root):
            raise checkpoint.CheckpointError("it is not of the entries before it: something was changed")

    def _found(self, indication: Indication, sentence: str, **values: object) -> None:
        self.reasons.append(reason(indication, sentence, **values))

    def conclude(self) -> Audited:
        if not self.origin:
            raise AuditError("the file is empty")
        if self.frontier.size == 0:
            self._found(Indication.NO_POE, "The register is empty: nothing was entered or signed yet.")
        judged = _judge(self.signed, self._known()) if self.signed else _Judged()
        self.reasons += judged.reasons
        if self.signed_size < self.frontier.size:
            self._found(
                Indication.NO_POE,
                "The last {count} entries are not yet covered by a signed checkpoint.",
                count=self.frontier.size - self.signed_size,
            )
        return Audited(
            origin=self.origin,
            size=self.frontier.size,
            checkpoints=self.checkpoints,
            witnesses=judged.witnesses,
            stamped=judged.stamped,
            discounted=judged.discounted,
            departures=self.counts.get(Direction.DEPARTURE, 0),
            arrivals=self.counts.get(Direction.ARRIVAL, 0),
            verdict=conclude(Report(), self.reasons),
        )


def audit(lines: Iterable[bytes], pinned: Trust | None) -> Audited:
    """Verify a register, line by line in bounded memory.

    lines: of an exported file, at most `MAX_LINE_BYTES` each. pinned: None checks the tree and leaves open whose
    keys they are. Raises AuditError for what is no register at all.
    """
    auditor = _Auditor(pinned)
    for line in lines:
        if len(line) > MAX_LINE_BYTES:
            raise AuditError(f"a line is longer than {MAX_LINE_BYTES} bytes")
        auditor.read(line)
    return auditor.conclude()


def _parse(line: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise AuditError("a line is not JSON") from error
    if not isinstance(value, dict):
        raise AuditError("a line is not a JSON object")
    return value


def _keys(listed: object) -> Iterator[Key]:
    if not isinstance(listed, list) or len(listed) > _MOST_CERTIFICATES:
        raise AuditError("the certificates are not a list of keys")
    for each in listed:
        try:
            chain = tuple(cms.read_certificate(_bytes(text)) for text in each["chain"])
            if len(chain) != 2 or not isinstance(each["origin"], str):
                raise AuditError("a key comes with its certificate and that of its institution's authority")
            yield Key(origin=each["origin"], chain=chain)
        except (KeyError, *cms.UNREADABLE) as error:
            raise AuditError("a certificate is not readable") from error


def _crl(text: object) -> x509.CertificateRevocationList:
    try:
        return cms.read_crl(_bytes(text))
    except cms.UNREADABLE as error:
        raise AuditError("a revocation list is not readable") from error


def _token(text: object) -> bytes | None:
    try:
        return None if text is None else _bytes(text)
    except ValueError as error:
        raise AuditError("a time-stamp is not readable") from error


def _bytes(text: object) -> bytes:
    """What base64 stands for, in its one form; ValueError when it is none."""
    found = b64decode(text if isinstance(text, str) else "?", validate=True)
    if b64encode(found).decode() != text:
        raise ValueError("base64 with bits that stand for nothing")
    return found


def _check_key(key: Key, pinned: Trust) -> Iterator[Reason]:
    certificate, authority = key.chain
    at = max(certificate.not_valid_before_utc, authority.not_valid_before_utc)
    yield from trust.check_register_chain(certificate, authority, pinned, at)
    if key.origin.removesuffix("/register") not in _domains(authority):
        yield reason(
            Indication.CHAIN_CONSTRAINTS_FAILURE,
            "The certificate of {name} is not one for the register {origin}.",
            name=trust.common_name(certificate),
            origin=key.origin,
        )


def _judge(signed: _Signed, known: Trust | None) -> _Judged:
    """Whether signer, cosigners and time-stamp could be relied on, at the time-stamp's instant.

    known: None leaves all of that open.
    """
    if known is None:
        return _Judged(witnesses=tuple(sorted({key.origin for key in signed.cosigners})))
    index = signed.checkpoint.checkpoint.size - 1
    stamped, found = _check_time_stamp(signed, known)
    found += _check_good(signed.signer, known, stamped)
    faults = {key: _check_good(key, known, stamped) for key in signed.cosigners}
    witnesses = tuple(sorted({key.origin for key, wrong in faults.items() if not wrong}))
    if not witnesses:
        sentence = "No other institution vouches for the checkpoint after entry {index}."
        found.append(reason(Indication.NO_POE, sentence, index=index))
    discounted = tuple(each for wrong in faults.values() for each in wrong)
    return _Judged(witnesses=witnesses, stamped=stamped, discounted=discounted, reasons=tuple(found))


def _check_time_stamp(signed: _Signed, known: Trust) -> tuple[datetime | None, list[Reason]]:
    """When the checkpoint was there at the latest, by another institution's word; None when nothing proves it."""
    index = signed.checkpoint.checkpoint.size - 1
    if signed.token is None:
        sentence = "The checkpoint after entry {index} bears no time-stamp, so that when it was signed is not proven."
        return None, [reason(Indication.NO_POE, sentence, index=index)]
    stamped, found = tsp.verify(signed.token, signed.checkpoint.digest, known)
    by = tsp.stamper(signed.token)
    code = trust.organization(by)[1] if by else ""
    if not code or code == trust.organization(signed.signer.chain[0])[1]:
        sentence = "The time-stamp of the checkpoint after entry {index} is not that of another institution."
        found.append(reason(Indication.SIG_CONSTRAINTS_FAILURE, sentence, index=index))
    return stamped, found


def _check_good(key: Key, known: Trust, stamped: datetime | None) -> list[Reason]:
    """Whether the key's certificate was good at that instant; without one, whether the lists know it as revoked."""
    certificate, authority = key.chain
    lists = [*known.lists_of(authority), *known.lists_of(known.root)]
    start = max(certificate.not_valid_before_utc, authority.not_valid_before_utc)
    at = stamped or max([start, *(crl.last_update_utc for crl in lists)])
    return [
        *(trust.check_register_chain(certificate, authority, known, stamped) if stamped else []),
        *trust.check_revocation(certificate, authority, lists, at),
        *trust.check_revocation(authority, known.root, lists, at),
    ]


def _domains(authority: x509.Certificate) -> list[str]:
    """The domains that an institution's authority is constrained to."""
    try:
        constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return []
    return [tree.value for tree in constraints.permitted_subtrees or [] if isinstance(tree, x509.DNSName)]


def _number_in(body: str) -> str | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    number = value.get("number") if isinstance(value, dict) else None
    return number if isinstance(number, str) else None
