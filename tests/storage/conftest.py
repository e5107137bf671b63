"""Fixtures of these tests."""

from tests.storage.seaweedfs import seaweedfs

__all__ = ["seaweedfs"]
