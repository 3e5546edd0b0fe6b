"""A real gunicorn with workers, on the test database and a Valkey of its own."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from django.conf import settings
from django.db import connection

from midst.stack import process
from midst.stack.valkey import Valkey
from tests.telemetry.processes import PATIENCE_S, environment


def wait_for(condition, what, seconds=PATIENCE_S):
    """Return what ``condition`` returns once that is something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)
    return found


def database_url():
    name = connection.settings_dict["NAME"]
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


@pytest.fixture
def own_redis(tmp_path):
    """A Valkey that nobody else uses; yields its URL."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    for parent in [folder, *folder.parents[:3]]:
        parent.chmod(parent.stat().st_mode | 0o055)
    child, url = Valkey(folder, tmp_path / "valkey.log").start(death=signal.SIGTERM)
    yield url
    process.stop(child)


class Gunicorn:
    """gunicorn as production starts it."""

    def __init__(self, folder, variables):
        self.metrics = folder / "metrics"
        self.metrics.mkdir()
        self._log = folder / "gunicorn.log"
        self._workers = int(variables.get("WEB_CONCURRENCY", "2"))
        command = [str(Path(sys.executable).parent / "gunicorn"), "-c", "infra/gunicorn.conf.py"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*command, "--bind", "127.0.0.1:0"],
                cwd=settings.BASE_DIR,
                env=environment(self.metrics, **variables),
                stdout=log,
                stderr=log,
            )
        listening = r"Listening at: (http://\S+)"
        self.url = wait_for(lambda: re.search(listening, self.log), "gunicorn")[1]
        self.wait_for_workers()

    @property
    def log(self):
        assert self._process.poll() is None, self._log.read_text()
        return self._log.read_text()

    def workers(self):
        return [each.pid for each in psutil.Process(self._process.pid).children()]

    def wait_for_workers(self, *, but=()):
        """Return the workers once there are as many as asked for, none of ``but`` among them."""
        wanted = self._workers

        def ready():
            found = self.workers()
            # One file for each worker that has made its first metric.
            files = len(list(self.metrics.glob("*.cells")))
            return found if len(found) == wanted <= files and not {*found} & {*but} else None

        return wait_for(ready, "workers")

    def replace_workers(self):
        before = self.workers()
        self._process.send_signal(signal.SIGHUP)
        return self.wait_for_workers(but=before)

    def kill_a_worker(self):
        first = self.workers()[0]
        os.kill(first, signal.SIGKILL)
        return self.wait_for_workers(but=[first])

    def stop(self):
        """End it as production does; returns all it has logged."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait(PATIENCE_S)
        return self._log.read_text()


@pytest.fixture
def gunicorn(tmp_path, own_redis, transactional_db):
    """Return a function that starts gunicorn with more environment variables."""
    started = []

    def start(**variables):
        servers = {"DATABASE_URL": database_url(), "REDIS_URL": own_redis}
        started.append(Gunicorn(tmp_path, {**servers, **variables}))
        return started[0]

    yield start
    for each in started:
        each.stop()
