"""The store that a configuration names."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from storage.disk import open_disk_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storage.config import Config
    from storage.store import Store


@asynccontextmanager
async def open_store(config: Config) -> AsyncIterator[Store]:
    """The store that the configuration names, for as long as the block lasts; several processes may share it.

    Raises UnreachableError when its folder cannot be used or its server refuses us.
    """
    if config.kind == "s3" and config.s3 is not None:
        from storage.s3 import open_s3_store  # here, so that a node on disk does without minio's 13 MB

        async with open_s3_store(config.s3, config.path, reserve_bytes=config.reserve_bytes) as store:
            yield store
    else:
        async with open_disk_store(config.path, reserve_bytes=config.reserve_bytes) as disk:
            yield disk
