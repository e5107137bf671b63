"""The configuration: every fault at once, and a documented file that cannot forget a key."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from comgov.config import Config, ConfigError, explain, load, table_of

DOCUMENTED = Path(__file__).parents[2] / "deploy" / "comgov.toml"


def test_the_documented_file_is_what_the_models_say() -> None:
    assert DOCUMENTED.read_text() == explain(), "write it again: python -m comgov.config > deploy/comgov.toml"


def test_every_key_says_what_it_means() -> None:
    assert [key for key, description in _keys(Config) if not description] == []


def test_the_documented_file_loads_as_the_defaults() -> None:
    assert load(DOCUMENTED).server.workers == Config().server.workers


def test_an_empty_file_is_a_configuration(tmp_path: Path) -> None:
    assert load(_write(tmp_path, "")).server.data == tmp_path / "data"


def test_ten_faults_are_told_together(tmp_path: Path) -> None:
    faulty = """
        color = "blue"
        [server]
        data = 7
        hostname = ["a"]
        workers = 0
        wokers = 2
        [database]
        url = 5
        connections = "many"
        [log]
        level = "loud"
        colour = true
        file = "x"
    """
    with pytest.raises(ConfigError) as caught:
        load(_write(tmp_path, faulty))
    assert {fault.key for fault in caught.value.faults} == {
        "color", "server.data", "server.hostname", "server.workers", "server.wokers",
        "database.url", "database.connections", "log.level", "log.colour", "log.file",
    }  # fmt: skip
    assert str(caught.value).startswith(f"{tmp_path / 'comgov.toml'}: 10 faults\n")


def test_a_postmaster_that_is_no_address_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mail.postmaster: .*a domain is missing"):
        load(_write(tmp_path, '[mail]\npostmaster = "admin"'))


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"[server\n", "is not TOML"), (b"\xff\xfe", "must be UTF-8"), (b"#" * (2 << 20), "at most 1 MiB")],
)
def test_what_is_no_configuration_is_refused_in_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "comgov.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load(tmp_path / "nowhere.toml")


def _write(directory: Path, text: str) -> Path:
    path = directory / "comgov.toml"
    path.write_text(text)
    return path


def _keys(table: type[BaseModel], prefix: str = "") -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for name, field in table.model_fields.items():
        if kind := table_of(field):
            found += _keys(kind, f"{prefix}{name}.")
        else:
            found.append((prefix + name, field.description))
    return found
