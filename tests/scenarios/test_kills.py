"""Killed again and again on one directory: everything acknowledged since the beginning is there."""

from __future__ import annotations

import pytest

from comgov.demo.kill import survive_a_kill
from comgov.demo.process import DemoProcess

pytestmark = [pytest.mark.prove, pytest.mark.xdist_group("kills")]


@pytest.mark.parametrize("_round", range(20))
async def test_nothing_acknowledged_is_lost(demo: DemoProcess, _round: int) -> None:
    acknowledged = await survive_a_kill(demo)
    assert acknowledged.message_ids or acknowledged.files or acknowledged.dossiers
