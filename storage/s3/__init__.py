"""Blobs on an S3 server."""

from storage.s3.store import S3Store, open_s3_store

__all__ = ["S3Store", "open_s3_store"]
