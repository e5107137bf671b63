"""One TOML file, read once; every fault reported together.

Each package owns the model of its own table, beside the code that it governs; here they meet. `deploy/comgov.toml`
is written from these models (`explain`), so that it cannot forget a key.
"""

from __future__ import annotations

import inspect
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeVar, get_args

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from comgov.administration import Config as AdministrationConfig
from comgov.authority import Config as AuthorityConfig
from comgov.dossiers import Config as DossiersConfig
from comgov.files import Config as FilesConfig
from comgov.institutions import Config as InstitutionsConfig
from comgov.people import Config as PeopleConfig
from comgov.registers import Config as RegistersConfig
from comgov.web import Config as WebConfig
from comgov.webmail import Config as WebmailConfig
from mail.config import Config as MailConfig
from storage import Config as StorageConfig


class HttpConfig(BaseModel, frozen=True, extra="forbid"):
    """Where the web is served, without TLS: a load balancer in front adds it."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all of IPv4, :: for all")
    port: int = Field(8080, ge=1, le=65535, description="for browsers, the API, downloads, CRLs and time-stamps")


class ServerConfig(BaseModel, frozen=True, extra="forbid"):
    """The node itself."""

    data: Path = Field(Path("data"), description="where all that is kept on this machine lies; relative to this file")
    hostname: str = Field("localhost", description="the name that peers and certificates know this server by")
    http: HttpConfig = HttpConfig()
    workers: int = Field(2, ge=1, le=64, description="processes that share the ports; about one a core")


class DatabaseConfig(BaseModel, frozen=True, extra="forbid"):
    """PostgreSQL."""

    url: str = Field("", description="postgresql://user@host/name; empty: PostgreSQL embedded in the data directory")
    connections: int = Field(8, ge=2, le=200, description="at most, for each worker")


class LogConfig(BaseModel, frozen=True, extra="forbid"):
    """What the server writes on its standard error: one JSON object a line."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least important level written")


class Config(BaseModel, frozen=True, extra="forbid"):
    """Everything one may configure."""

    server: ServerConfig = ServerConfig()
    database: DatabaseConfig = DatabaseConfig()
    log: LogConfig = LogConfig()
    storage: StorageConfig = StorageConfig()
    institutions: InstitutionsConfig = InstitutionsConfig()
    people: PeopleConfig = PeopleConfig()
    authority: AuthorityConfig = AuthorityConfig()
    registers: RegistersConfig = RegistersConfig()
    files: FilesConfig = FilesConfig()
    administration: AdministrationConfig = AdministrationConfig()
    dossiers: DossiersConfig = DossiersConfig()
    web: WebConfig = WebConfig()
    webmail: WebmailConfig = WebmailConfig()
    mail: MailConfig = MailConfig()

    def by_kind(self) -> Mapping[type[object], object]:
        """Each table by its class, as `Platform.config` looks it up."""
        return {type(table): table for name in type(self).model_fields if (table := getattr(self, name))}


@dataclass(frozen=True)
class Fault:
    """key: dotted, such as `server.workers`. expected: a sentence. found: as written, shortened."""

    key: str
    expected: str
    found: str = ""

    def __str__(self) -> str:
        return f"{self.key}: {self.expected}" + (f" (found {self.found})" if self.found else "")


class ConfigError(Exception):
    """The file cannot be used; `faults` holds all that is wrong with it."""

    def __init__(self, path: Path, faults: list[Fault]) -> None:
        self.path = path
        self.faults = faults
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join([f"{path}: {count}", *(f"  {fault}" for fault in faults)]))


_SIZE_LIMIT_BYTES = 1 << 20


def load(path: Path) -> Config:
    """The configuration in that file, with paths made absolute (relative ones start at the file's directory).

    Raises ConfigError with every fault at once.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(_SIZE_LIMIT_BYTES + 1)
        if len(text) > _SIZE_LIMIT_BYTES:
            raise ConfigError(path, [Fault("file", "a configuration is at most 1 MiB")])
        table = tomllib.loads(text.decode())
    except OSError as error:
        raise ConfigError(path, [Fault("file", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(path, [Fault("file", "must be UTF-8 text")]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, [Fault("file", f"is not TOML: {error}")]) from error
    try:
        return _absolute(Config.model_validate(table), path.resolve().parent)
    except ValidationError as error:
        raise ConfigError(path, [_fault(detail) for detail in error.errors(include_url=False)]) from error


def _fault(detail: ErrorDetails) -> Fault:
    key = ".".join(str(step) for step in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return Fault(key, "there is no such key; see deploy/comgov.toml for all of them")
    found = repr(detail["input"])
    return Fault(key, detail["msg"], found if len(found) <= 60 else found[:59] + "…")


T = TypeVar("T", bound=BaseModel)


def _absolute(table: T, base: Path) -> T:
    """The same with every relative path starting at `base`."""
    changes: dict[str, object] = {}
    for name in type(table).model_fields:
        value = getattr(table, name)
        if isinstance(value, Path):
            changes[name] = base / value
        elif isinstance(value, BaseModel):
            changes[name] = _absolute(value, base)
    return table.model_copy(update=changes)


def explain() -> str:
    """Every key with its default, what it means and its unit: the text of `deploy/comgov.toml`."""
    lines = [_HEADER]
    for name, field in Config.model_fields.items():
        assert isinstance(field.annotation, type)
        assert issubclass(field.annotation, BaseModel)
        lines += _explain_table(name, field.annotation)
    return "\n".join(lines) + "\n"


_HEADER = """\
# COMGOV: every key, with its default. A file needs only what differs; `comgov init` writes a short one.
# Relative paths start at the directory of the file. Durations are ISO 8601: PT30S, PT5M, PT12H, P7D.
# Sizes end in _bytes. Secrets stand in files of their own, named here, readable by the server alone.
"""


def _explain_table(name: str, table: type[BaseModel]) -> list[str]:
    lines = [f"[{name}]"]
    if table.__doc__:
        lines.insert(0, _comment(inspect.cleandoc(table.__doc__)))
    inner: list[str] = []
    for key, field in table.model_fields.items():
        if (kind := table_of(field)) is None:
            lines += [_comment(str(field.description)), _explain_key(key, field)]
            continue
        explained = _explain_table(f"{name}.{key}", kind)
        is_used = field.default is not None
        inner += explained if is_used else [line if line.startswith("#") else _comment(line) for line in explained]
    return [*lines, "", *inner]


def _explain_key(key: str, field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is None or default is PydanticUndefined:
        return f"# {key} ="
    return f"{key} = {_toml(default)}"


def _comment(text: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in text.splitlines())


def table_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that is a table, optional or not; None for a plain key."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case timedelta():
            return f'"{TypeAdapter(timedelta).dump_python(value, mode="json")}"'
        case list() | tuple() | frozenset():
            return "[" + ", ".join(_toml(one) for one in value) + "]"
        case dict():
            return "{" + ", ".join(f"{_toml(key)} = {_toml(one)}" for key, one in value.items()) + "}"
        case _:
            return json.dumps(str(value), ensure_ascii=False)


if __name__ == "__main__":
    import sys

    sys.stdout.write(explain())
