"""gunicorn, as it is run, for tests that ask over HTTP."""

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

from django.conf import settings

START_S = 60


@contextmanager
def serving(environment, log, *, workers=2, threads=4):
    """Yield the address of a server with these variables; it writes to ``log``."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "gunicorn", "midst.wsgi", f"--bind=127.0.0.1:{port}",
                f"--workers={workers}", f"--threads={threads}", "--no-control-socket",
            ],
            env=environment, cwd=settings.BASE_DIR, stdout=output, stderr=output,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_for(url, process, log):
    deadline = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return
