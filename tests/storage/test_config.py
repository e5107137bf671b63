"""A store is opened as the configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from storage import Config, DiskStore, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.seaweedfs import SeaweedFS


async def test_disk_is_the_default(tmp_path: Path) -> None:
    async with open_store(Config(path=tmp_path)) as store:
        assert isinstance(store, DiskStore)


@pytest.mark.xdist_group("seaweedfs")
async def test_s3_is_opened_by_its_table(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    async with open_store(Config(kind="s3", path=tmp_path, s3=seaweedfs.config("configured"))) as store:
        assert [blob async for blob in store.list()] == []
    assert seaweedfs.client().bucket_exists("configured")


def test_s3_without_its_table_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"\[storage.s3\]"):
        Config(kind="s3")


@pytest.mark.parametrize("endpoint", ["s3.example.org", "ftp://s3.example.org", "https://s3.example.org/bucket", ""])
def test_an_endpoint_is_a_server_and_no_more(endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="endpoint"):
        Config.model_validate(
            {
                "kind": "s3",
                "s3": {"endpoint": endpoint, "bucket": "abc", "access_key_id": "a", "secret_key_file": tmp_path},
            }
        )
