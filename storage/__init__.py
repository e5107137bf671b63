"""Keeps bytes; has never heard of a file name."""

from storage.blob import Blob
from storage.store import Store

__all__ = ["Blob", "Store"]
