"""PostgreSQL servers of a test's own: the embedded 18, Debian's 15, others where the
environment names a folder of them; standbys; sudden ends."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from django.db import connections

from midst.stack import ports, postgres, privileges, process

DEBIAN = Path("/usr/lib/postgresql/15/bin")
# Names a folder with VERSION/bin/postgres for other versions.
OTHERS = "POSTGRES_VERSIONS"
USER = "chief"
PGBOUNCER = "/usr/sbin/pgbouncer"
_STATISTICS_S = 0.6
SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "shared_preload_libraries": "pg_stat_statements",
    "fsync": "off",
    "track_io_timing": "on",
}


def versions():
    """Return the versions to try: the oldest and the newest in use, and those in ``OTHERS``.

    `make test` has the one that the lock file brings.
    """
    others = Path(os.environ[OTHERS]) if os.environ.get(OTHERS) else None
    found = (
        {folder.parent.parent.name for folder in others.glob("*/bin/postgres")} if others else {}
    )
    older = [pytest.param(each, marks=pytest.mark.slow) for each in sorted({"15", *found} - {"18"})]
    return [*older, "18"]


def programs(version):
    """Return where the programs of ``version`` ("14" to "18") are; skip loudly without them."""
    if version == "18":
        return postgres.binary("postgres").parent
    folder = DEBIAN if version == "15" else Path(os.environ.get(OTHERS, "/")) / version / "bin"
    if not (folder / "postgres").exists():
        # Those in OTHERS have a step of their own.
        if os.environ.get("CI") and (version == "15" or OTHERS in os.environ):
            pytest.fail(f"PostgreSQL {version} is missing in {folder}: CI must install it.")
        pytest.skip(f"no PostgreSQL {version} in {folder}")
    return folder


@dataclass
class Cluster:
    """One server in ``folder``, with trust for everyone on loopback."""

    version: str
    folder: Path
    settings: dict = field(default_factory=dict)
    port: int = 0
    child: process.Child | None = None

    @property
    def data(self):
        return self.folder / "data"

    def has(self, program):
        """Whether the program came with the server: some bring the least only."""
        return (programs(self.version) / program).exists()

    def run(self, program, *arguments):
        # A client may be newer than the server.
        version = self.version if self.has(program) else "18"
        command = [str(programs(version) / program), *map(str, arguments)]
        done = subprocess.run(
            privileges.unprivileged(command, death=signal.SIGTERM),
            cwd="/", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stderr}{done.stdout}"

    def own(self, path):
        owner = privileges.server_owner()
        if owner is not None:
            os.chown(path, *owner)

    def make(self):
        self.data.mkdir(parents=True, mode=0o700)
        self.own(self.folder)
        self.own(self.data)
        self.run(
            "initdb", "-D", self.data, "-U", USER, "-E", "UTF8", "--locale=C", "-A", "trust",
            "--no-sync",
        )  # fmt: skip
        self.configure(SETTINGS)
        return self

    def configure(self, settings):
        """Write into the file, where ALTER SYSTEM can change it; in force from the next start."""
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def start(self, **settings):
        self.settings |= settings
        self.port = ports.choose(self.port or None)
        words = {"port": str(self.port), **self.settings}
        options = [word for name, value in words.items() for word in ("-c", f"{name}={value}")]
        self.child = process.spawn(
            "postgres",
            privileges.unprivileged(
                [str(programs(self.version) / "postgres"), "-D", str(self.data), *options],
                death=signal.SIGINT,
            ),
            environment={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            folder=Path("/"),
            log=self.folder.parent / f"{self.folder.name}.log",
            stop_signal=signal.SIGINT,
        )
        until(self._answers, f"PostgreSQL did not start: {self.child.log}", child=self.child)
        return self

    def _answers(self):
        try:
            self.connect(connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self):
        if self.child is not None:
            process.stop(self.child)
            self.child = None

    def crash(self):
        """End it at once, sessions and all: nothing is written down, nobody says goodbye."""
        os.kill(self.child.pid, signal.SIGQUIT)
        until(lambda: not self.child.is_running(), "the server did not end")

    def connect(self, application="test", database="postgres", **options):
        return psycopg.connect(
            host=ports.HOST, port=self.port, user=options.pop("user", USER), dbname=database,
            application_name=application, autocommit=True, **options,
        )  # fmt: skip

    def execute(self, *statements):
        with self.connect("builder") as connection:
            for statement in statements:
                connection.execute(statement)

    @contextmanager
    def alias(self, name="ill", **changes):
        """Let Django know the server as the alias ``name`` for a while."""
        connections.settings[name] = {
            **connections["default"].settings_dict,
            "HOST": ports.HOST, "PORT": self.port, "USER": USER, "PASSWORD": "",
            "NAME": "postgres", "OPTIONS": {}, **changes,
        }  # fmt: skip
        try:
            yield name
        finally:
            if hasattr(connections._connections, name):
                connections[name].close()
                del connections[name]
            del connections.settings[name]


@contextmanager
def cluster(version, **settings):
    """A new server of ``version``, gone with its data at the end."""
    programs(version)
    folder = Path(tempfile.mkdtemp(prefix=f"midst-pg{version}-"))
    folder.chmod(0o755)
    made = Cluster(version, folder / "primary", settings)
    try:
        made.make().start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def pool(server, user):
    """Yield the port of a PgBouncer in transaction mode that lends out one connection to each
    database of ``server``, as ``user``.
    """
    if not Path(PGBOUNCER).exists():
        if os.environ.get("CI"):
            pytest.fail("pgbouncer is missing: CI must install it")
        pytest.skip("no pgbouncer")
    folder = Path(tempfile.mkdtemp(prefix="midst-pool-"))
    folder.chmod(0o755)
    port = ports.choose(None)
    (folder / "users").write_text(f'"{user}" ""\n')
    (folder / "pool.ini").write_text(
        f"[databases]\n* = host={ports.HOST} port={server.port} user={user}\n"
        f"[pgbouncer]\nlisten_addr = {ports.HOST}\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\nauth_file = {folder}/users\npool_mode = transaction\n"
        "default_pool_size = 1\nignore_startup_parameters = extra_float_digits,options\n"
    )
    child = process.spawn(
        "pgbouncer",
        privileges.unprivileged([PGBOUNCER, str(folder / "pool.ini")], death=signal.SIGTERM),
        environment={"PATH": os.environ.get("PATH", "")}, folder=Path("/"),
        log=folder / "pool.log", stop_signal=signal.SIGINT,
    )  # fmt: skip

    def answers():
        try:
            psycopg.connect(
                host=ports.HOST, port=port, user=user, dbname="postgres", connect_timeout=2
            ).close()
        except psycopg.OperationalError:
            return False
        return True

    try:
        until(answers, "PgBouncer did not start", child=child)
        yield port
    finally:
        process.stop(child)
        shutil.rmtree(folder, ignore_errors=True)


def tell_counters(cursor):
    """Have a session's counters be seen by all, on a cursor or a connection.

    Before 15 there is no asking for it: a session tells them twice a second at most, and they
    are written down as often.
    """
    asked = cursor.execute("SELECT to_regproc('pg_stat_force_next_flush') IS NOT NULL")
    (can_ask,) = (asked or cursor).fetchone()
    if can_ask:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        return
    time.sleep(_STATISTICS_S)
    cursor.execute("SELECT 1")
    time.sleep(_STATISTICS_S)


def until(met, otherwise, *, child=None, patience_s=120.0):
    """Wait until ``met()``; fail with ``otherwise`` when it takes too long."""
    deadline = time.monotonic() + patience_s
    while not met():
        if time.monotonic() > deadline or (child is not None and not child.is_running()):
            pytest.fail(otherwise + (f"\n{child.log_tail()}" if child is not None else ""))
        time.sleep(0.05)
