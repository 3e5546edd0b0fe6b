"""PostgreSQL and Valkey together: ours, or those the environment names."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from midst.stack import process
from midst.stack.postgres import Postgres
from midst.stack.state import StackError
from midst.stack.valkey import Valkey


@dataclass(frozen=True)
class Servers:
    """What was started (``children``) and where everything is (``urls``: variable to URL)."""

    children: list[process.Child]
    urls: dict[str, str]


def start(
    folder: Path,
    *,
    outside: Mapping[str, str],
    death: signal.Signals | None,
    postgres_settings: Mapping[str, str] | None = None,
) -> Servers:
    """Start what ``outside`` (``DATABASE_URL``, ``REDIS_URL``) does not name.

    All or nothing: when the second fails, the first is ended. Raises ``StackError``.
    """
    children: list[process.Child] = []
    urls = dict(outside)
    try:
        if "DATABASE_URL" not in urls:
            postgres = Postgres(
                folder / "postgres", log(folder, "postgres"), postgres_settings or {}
            )
            child, urls["DATABASE_URL"] = postgres.start(death=death)
            children.append(child)
        if "REDIS_URL" not in urls:
            valkey = Valkey(folder / "valkey", log(folder, "valkey"))
            child, urls["REDIS_URL"] = valkey.start(death=death)
            children.append(child)
    except BaseException:
        for child in reversed(children):
            process.stop(child)
        raise
    return Servers(children, urls)


def restart(name: str, folder: Path, *, death: signal.Signals | None) -> process.Child:
    """Restart a server that ended, at its old address: the other processes know no other."""
    if name == "postgres":
        return Postgres(folder / "postgres", log(folder, name)).start(death=death)[0]
    return Valkey(folder / "valkey", log(folder, name)).start(death=death)[0]


def log(folder: Path, name: str) -> Path:
    return folder / "logs" / f"{name}.log"


def outside(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the servers that ``environment`` names. Raises ``StackError`` for an odd URL."""
    schemes = {
        "DATABASE_URL": {"postgres", "postgresql"},
        "REDIS_URL": {"redis", "rediss", "unix"},
    }
    named = {name: environment[name] for name in schemes if environment.get(name)}
    for name, url in named.items():
        if urlsplit(url).scheme not in schemes[name]:
            raise StackError(
                f"{name} must start with {' or '.join(sorted(schemes[name]))}://, "
                "or be left out for the embedded server."
            )
    return named
