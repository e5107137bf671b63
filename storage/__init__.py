"""Keeps bytes; has never heard of a file name."""

from storage.blob import Blob
from storage.config import Config, S3Config
from storage.disk import DiskStore, open_disk_store
from storage.errors import (
    CorruptError,
    IncompleteError,
    MissingError,
    StorageError,
    StoreFullError,
    UnreachableError,
)
from storage.memory import MemoryStore
from storage.opening import open_store
from storage.store import SWEEP_AFTER, LocalFiles, Store, verify

__all__ = [
    "SWEEP_AFTER",
    "Blob",
    "Config",
    "CorruptError",
    "DiskStore",
    "IncompleteError",
    "LocalFiles",
    "MemoryStore",
    "MissingError",
    "S3Config",
    "StorageError",
    "Store",
    "StoreFullError",
    "UnreachableError",
    "open_disk_store",
    "open_store",
    "verify",
]
