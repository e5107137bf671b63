"""Ports of demos: tours, tests and tries side by side do not meet."""

from __future__ import annotations

import pytest

from comgov.demo import setting


def test_no_port_belongs_to_two_bases() -> None:
    ports = [base + offset for base in setting._BASES for offset in (0, *setting._OFFSETS)]
    assert len(ports) == len(set(ports))
    assert max(ports) < 32_768


def test_a_base_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setting, "_BASES", setting._BASES[:40])
    monkeypatch.setattr(setting, "_TRIES", 40)
    given = {setting.free_ports().base for _ in range(20)}
    assert len(given) == 20
    with pytest.raises(OSError, match="--port-base"):
        [setting.free_ports() for _ in range(21)]
