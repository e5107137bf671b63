"""What can go wrong with bytes.

    StorageError
    ├── MissingError       no such blob
    ├── CorruptError       what is kept is not what its digest says
    ├── IncompleteError    fewer or more bytes came than were declared; nothing was kept
    ├── StoreFullError     no room; nothing was kept
    └── UnreachableError   the disk or the server does not answer, or refuses us

An exception of the system or of a driver becomes one of these in the store that met it, and stays its cause.
"""

from __future__ import annotations

import errno
import os
from typing import ClassVar


class StorageError(Exception):
    """A broken promise about bytes: `public` is a sentence for the person, `reason` is for the log."""

    public: ClassVar[str] = "The file could not be stored or read."

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class MissingError(StorageError):
    """No such blob."""

    public = "The content of this file is no longer there."

    def __init__(self, sha256: bytes) -> None:
        super().__init__(f"there is no blob {sha256.hex()}")


class CorruptError(StorageError):
    """What is kept under a digest is not what the digest says."""

    public = "The content of this file was damaged where it is stored. Tell your administrator."

    def __init__(self, sha256: bytes, *, found_sha256: bytes, found_bytes: int) -> None:
        super().__init__(f"blob {sha256.hex()} is damaged: its {found_bytes} bytes are those of {found_sha256.hex()}")


class IncompleteError(StorageError):
    """Fewer or more bytes came than were declared; nothing was kept."""

    public = "The file did not arrive whole. Nothing of it was kept; send it again."

    def __init__(self, declared_bytes: int, *, received_bytes: int) -> None:
        self.declared_bytes = declared_bytes
        self.received_bytes = received_bytes
        super().__init__(f"{declared_bytes} bytes were declared, {received_bytes} came")


class StoreFullError(StorageError):
    """No room; nothing was kept."""

    public = "There is no room left to store this file. Nothing of it was kept."

    def __init__(self, reason: str) -> None:
        """Its cause is ENOSPC wherever the room ran out, so that strangers to this module know it too."""
        super().__init__(reason)
        self.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class UnreachableError(StorageError):
    """The disk or the server does not answer, or refuses us; trying again later helps."""

    public = "The file store does not answer. Nothing was lost; try again in a minute."
