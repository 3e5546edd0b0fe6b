"""infra/backup/service and go-back on a real server, with writes going on: no container needed."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import yaml

from midst.stack import privileges, process
from midst.stack.postgres import Postgres, binary
from midst.stack.state import StackError
from tests.containers.engine import ROOT

pytestmark = pytest.mark.slow
SCRIPTS = ROOT / "infra" / "backup"
WRITTEN = "SELECT n FROM notes ORDER BY n"
REFUSED = "recovery ended before configured recovery target"


class Cluster:
    """A server, the folder of its backups, and a client that writes one row after the other."""

    def __init__(self, folder: Path) -> None:
        for parent in [folder, *folder.parents[:3]]:
            parent.chmod(parent.stat().st_mode | 0o055)
        self.postgres = Postgres(folder / "pg", folder / "pg.log")
        self.backups = folder / "backups"
        for mine in (self.backups, folder / "pg"):
            mine.mkdir()
            shutil.chown(mine, *(privileges.server_owner() or (os.getuid(), os.getgid())))
        self.server: process.Child | None = None
        self.service: subprocess.Popen[str] | None = None
        self.acknowledged: list[int] = []
        self._writer: threading.Thread | None = None

    def start(self) -> None:
        self.server, self.url = self.postgres.start(death=signal.SIGINT)
        parts = psycopg.conninfo.conninfo_to_dict(self.url)
        self.environment = {
            "PATH": f"{binary('psql').parent}:{os.environ['PATH']}",
            "PGHOST": str(parts["host"]), "PGPORT": str(parts["port"]),
            "PGUSER": str(parts["user"]), "PGPASSWORD": str(parts["password"]),
            "PGDATABASE": "postgres", "PGDATA": str(self.postgres.data),
            "BACKUPS": str(self.backups), "CHECK_S": "1", "KEEP_DAYS": "14",
        }  # fmt: skip

    def run_service(self) -> None:
        """Start the service and wait for its next copy."""
        before = set(self.copies())
        self.service = subprocess.Popen(
            privileges.unprivileged(["sh", str(SCRIPTS / "service")], death=signal.SIGTERM),
            env=self.environment, cwd="/", text=True, stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.wait(lambda: set(self.copies()) - before)

    def wait(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "not in a minute"
            assert self.service is None or self.service.poll() is None, "the service ended"
            time.sleep(0.1)

    def copies(self) -> list[Path]:
        return sorted(self.backups.glob("*Z/base/*Z"))

    def write(self) -> None:
        """Write rows until the server is gone."""

        def rows() -> None:
            try:
                with psycopg.connect(self.url, autocommit=True) as connection:
                    for n in range(1, 1_000_000):
                        connection.execute("INSERT INTO notes (n) VALUES (%s)", [n])
                        self.acknowledged.append(n)
            except psycopg.OperationalError:
                return

        self._writer = threading.Thread(target=rows)
        self._writer.start()

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(statement).fetchall()

    def statement(self, statement: LiteralString) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def received(self) -> bool:
        """Has the service all that is acknowledged now?"""
        ((here,),) = self.ask("SELECT pg_current_wal_lsn()::text")
        there = f"SELECT 1 FROM pg_stat_replication WHERE write_lsn >= '{here}'"
        self.wait(lambda: self.ask(there))
        return True

    def end(self, *, by: signal.Signals = signal.SIGINT) -> None:
        """End server, service and writer."""
        if self.server is not None:
            os.kill(self.server.pid, by)
            process.stop(self.server)
        if self._writer is not None:
            self._writer.join()
        if self.service is not None:
            if by != signal.SIGKILL:
                self.service.terminate()
            self.service.communicate(timeout=60)
            self.service = None

    def go_back(self, *when: str) -> None:
        command = ["sh", str(SCRIPTS / "go-back"), *when]
        subprocess.run(
            privileges.unprivileged(command, death=signal.SIGTERM),
            env=self.environment, cwd="/", check=True, timeout=60,
        )  # fmt: skip
        self.start()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    cluster.start()
    try:
        with psycopg.connect(cluster.url, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE notes (n int, at timestamptz DEFAULT clock_timestamp())"
            )
        yield cluster
    finally:
        cluster.end()


def test_a_lost_cluster_comes_back_with_all_that_was_received_and_then_as_of_any_moment(
    cluster: Cluster,
) -> None:
    cluster.run_service()
    cluster.write()
    cluster.wait(lambda: len(cluster.acknowledged) > 50)
    moment: datetime
    earliest = cluster.acknowledged[-1]
    ((moment,),) = cluster.ask("SELECT clock_timestamp()")
    # One is under way, and what is written after it is later than the moment.
    latest = len(cluster.acknowledged) + 1
    cluster.wait(lambda: len(cluster.acknowledged) > latest + 100)
    # The accident.
    cluster.ask("DELETE FROM notes WHERE n <= 20 RETURNING n")
    safe = len(cluster.acknowledged)
    assert cluster.received()
    cluster.end(by=signal.SIGKILL)
    shutil.rmtree(cluster.postgres.data)

    cluster.go_back()
    there = [n for (n,) in cluster.ask(WRITTEN)]
    assert there == list(range(21, len(there) + 21))
    assert there[-1] >= safe
    # What was acknowledged and is lost: docs/operations.md says how much.
    print(f"acknowledged {cluster.acknowledged[-1]}, restored {there[-1]}")  # noqa: T201

    # The new history is kept beside the old one, and both lead to the moment before the accident.
    cluster.run_service()
    cluster.ask("INSERT INTO notes (n) VALUES (0) RETURNING n")
    assert cluster.received()
    cluster.end()
    assert len(list(cluster.backups.glob("*Z/base/*Z"))) == 2
    cluster.go_back(moment.isoformat())
    ((least, most, last),) = cluster.ask("SELECT min(n), max(n), max(at) FROM notes")
    assert least == 1
    assert earliest <= most <= latest
    assert last < moment

    # After all that was kept: PostgreSQL refuses, in the words that restore-to looks for.
    cluster.end()
    with pytest.raises(StackError):
        cluster.go_back("2099-01-01 00:00 UTC")
    assert REFUSED in cluster.postgres.log.read_text()
    assert REFUSED.removeprefix("recovery ended ") in (SCRIPTS / "restore-to").read_text()
    cluster.server = None
    cluster.go_back()
    assert cluster.ask("SELECT count(*) FROM notes")


# In the place of Compose: writes down what it is told, and PostgreSQL never answers.
COMPOSE = f"""#!/bin/sh
echo "$*" >> "$SAID"
case "$*" in
  *pg_isready*) exit 1 ;;
  logs*) echo 'FATAL:  {REFUSED} was reached' ;;
esac
"""


def test_a_moment_after_all_that_was_kept_is_refused_in_words_and_nothing_is_started_on_it(
    tmp_path: Path,
) -> None:
    compose, said = tmp_path / "compose", tmp_path / "said"
    compose.write_text(COMPOSE)
    compose.chmod(0o755)
    done = subprocess.run(
        [SCRIPTS / "restore-to", "2099-01-01 00:00 UTC"],
        env={**os.environ, "COMPOSE": str(compose), "SAID": str(said)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "choose an earlier one, or none" in done.stderr
    commands = said.read_text().splitlines()
    assert commands[0] == "stop web web-2 worker beat metrics pgbouncer backup postgres"
    assert "up --detach --wait" not in commands


def test_the_exporter_knows_how_old_the_newest_copy_is_and_that_wal_is_received(
    cluster: Cluster,
) -> None:
    queries = yaml.safe_load((ROOT / "infra" / "postgres" / "exporter-queries.yml").read_text())
    query = queries["midst_backup"]["query"]
    assert cluster.ask(query) == [], "there is no such role"
    cluster.statement("CREATE ROLE midst_backup LOGIN REPLICATION PASSWORD 'secret'")
    cluster.statement('GRANT SET ON PARAMETER "midst_backup.copied_at" TO midst_backup')
    ((age, receiving),) = cluster.ask(query)
    assert age > 1e9
    assert receiving == 0
    cluster.environment |= {"PGUSER": "midst_backup", "PGPASSWORD": "secret"}
    cluster.run_service()
    cluster.wait(lambda: cluster.ask(query)[0][0] < 3600)
    cluster.wait(lambda: cluster.ask(query)[0][1] == 1)


def test_what_is_older_than_the_days_to_keep_goes_but_for_the_copy_that_leads_to_them(
    cluster: Cluster,
) -> None:
    cluster.run_service()
    (real,) = cluster.copies()
    cluster.end()
    generation = real.parent.parent
    for day in ("01", "02"):
        old = real.parent / f"202611{day}T000000Z"
        shutil.copytree(real, old)
        os.utime(old, (0, 0))
    os.utime(real, (1, 1))
    # Its generation has no copy, so nothing leads to its WAL.
    (cluster.backups / "20261001T000000Z" / "base").mkdir(parents=True)
    unneeded = generation / "wal" / "000000010000000000000001"
    unneeded.touch()
    real = real.rename(real.with_name("20261103T000000Z"))
    for path in (generation, *generation.rglob("*"), *cluster.backups.rglob("*")):
        shutil.chown(path, *(privileges.server_owner() or (os.getuid(), os.getgid())))
    cluster.start()
    cluster.run_service()
    cluster.wait(lambda: not unneeded.exists())
    assert real in cluster.copies()
    assert len(cluster.copies()) == 2
    cluster.wait(lambda: not (cluster.backups / "20261001T000000Z").exists())
