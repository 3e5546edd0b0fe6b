"""Code in a process of its own, under the tests' settings: to be killed, for one."""

import os
import signal
import subprocess
import sys

import psutil
from django.conf import settings


def start(lines, log):
    """Run ``lines`` of Python in a new process group; what it prints goes to the path ``log``."""
    with log.open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-c", "\n".join(lines)],
            cwd=settings.BASE_DIR,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "midst.settings.test"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def start_worker(queue, lines, log):
    """Run ``lines``, then a Celery worker with one process on ``queue``."""
    options = [
        "worker", "-Q", queue, "-c", "1", "-n", f"{queue}@%h",
        "--without-gossip", "--without-mingle", "--loglevel", "INFO",
    ]  # fmt: skip
    run = ["from midst.celery import app", f"app.conf.task_default_queue = {queue!r}"]
    return start([*lines, *run, f"app.worker_main({options!r})"], log)


def k6_of(target):
    """Return the processes of k6 that load the URL ``target``."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if f"TARGET={target}" in (process.info["cmdline"] or [])
    ]


def end(process):
    """Kill it with all that it has started, if it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)
