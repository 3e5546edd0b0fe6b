"""Several processes of the application, on a Valkey of their own that may be killed."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import redis
from django.db import connection

from midst.stack import process
from midst.stack.valkey import Valkey

WAIT_S = 120


class Actor:
    """One of ``tests.kernel.cache.actor``; raises what went wrong there."""

    def __init__(self, url, *words):
        self.start = lambda: subprocess.Popen(
            [sys.executable, "-m", "tests.kernel.cache.actor", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "REDIS_URL": url},
        )
        self.process = self.start()

    def tell(self, do, **words):
        self.process.stdin.write(json.dumps({"do": do, **words}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{do} {words}: the process ended, its standard error says why")
        return json.loads(answer)

    def tell_to_die(self):
        self.process.stdin.write(json.dumps({"do": "commit_and_die"}) + "\n")
        self.process.stdin.flush()
        assert self.process.wait(WAIT_S) == 9
        self.close()

    def settle(self):
        """Wait until it believes its Redis again."""
        deadline = time.monotonic() + WAIT_S
        while self.tell("degraded"):
            assert time.monotonic() < deadline, "the circuit stays open"
            time.sleep(0.05)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(WAIT_S)


class Server:
    """A Valkey that may be killed, and comes back with what it saved."""

    def __init__(self, folder):
        folder.chmod(0o755)
        self.valkey = Valkey(folder / "valkey", folder / "valkey.log")
        self.child, self.url = self.valkey.start(death=signal.SIGKILL)
        self.client = redis.Redis.from_url(self.url)

    def restart(self):
        process.stop(self.child)
        self.child, _ = self.valkey.start(death=signal.SIGKILL)

    def save(self):
        self.client.save()

    def forget(self, pattern):
        for key in list(self.client.scan_iter(pattern)):
            self.client.delete(key)

    def close(self):
        self.client.close()
        process.stop(self.child)


@contextmanager
def running(folder, *, actors, protection="protected"):
    """Yield a server and its actors, on the test's database."""
    server = Server(folder)
    database = connection.settings_dict["NAME"]
    found = [Actor(server.url, database, protection) for _ in range(actors)]
    try:
        yield server, found
    finally:
        for actor in found:
            if actor.process.poll() is None:
                actor.close()
        server.close()
