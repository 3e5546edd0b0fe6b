"""gunicorn, as it is run, for tests that ask over HTTP."""

import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

from django.conf import settings

from midst.stack import ports

PATIENCE_S = 120


@contextmanager
def serving(environment, log, *, workers=2, threads=4, worker="asgi"):
    """Yield the address of a server with these variables; it writes to ``log``.

    ``worker``: what production sets as ``WEB_WORKER``.
    """
    port = ports.choose(None)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "gunicorn", "-c", "infra/gunicorn.conf.py",
                f"--bind=127.0.0.1:{port}",
            ],
            env={
                **environment, "WEB_CONCURRENCY": str(workers), "WEB_THREADS": str(threads),
                "WEB_WORKER": worker,
            },
            cwd=settings.BASE_DIR, stdout=output, stderr=output,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


def _wait_for(url, process, log):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=10).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return
