"""Servers with hypopg: Debian's PostgreSQL 15, and others that a folder of programs holds."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg

from midst.stack import ports, privileges
from tests.perfops.clusters import OTHERS

BIN = Path("/usr/lib/postgresql/15/bin")
HYPOPG = Path("/usr/share/postgresql/15/extension/hypopg.control")


def is_there():
    return (BIN / "postgres").exists() and HYPOPG.exists()


def with_hiding():
    """Return where a server's programs are whose hypopg can hide indexes (1.4), None if nowhere."""
    script = "extension/hypopg--1.4*.sql"
    shares = Path("/usr/share/postgresql").glob(f"*/{script}")
    found = [Path("/usr/lib/postgresql") / each.parents[1].name / "bin" for each in shares]
    others = Path(os.environ.get(OTHERS, "/nowhere")).glob(f"*/share/postgresql/{script}")
    found += [each.parents[3] / "bin" for each in others]
    return next((each for each in found if (each / "postgres").exists()), None)


@contextmanager
def server(programs=BIN):
    """Start the server in ``programs``, with data of its own, and yield Django's settings."""
    folder = Path(tempfile.mkdtemp(prefix="midst-debian-"))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir(mode=0o700)
    owner = privileges.server_owner()
    if owner is not None:
        shutil.chown(data, *owner)
    port = ports.choose(None)
    _run([
        str(programs / "initdb"), "-D", str(data), "-U", "midst", "-E", "UTF8", "--locale=C.UTF-8",
        "--auth=trust", "--no-sync",
    ])  # fmt: skip
    options = {
        "listen_addresses": ports.HOST, "port": port, "unix_socket_directories": "",
        "shared_preload_libraries": "pg_stat_statements", "fsync": "off", "jit": "off",
        "synchronous_commit": "off", "full_page_writes": "off", "random_page_cost": "1.1",
        "shared_buffers": "128MB", "track_io_timing": "on",
    }  # fmt: skip
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("w") as log:
        child = subprocess.Popen(
            privileges.unprivileged(
                [str(programs / "postgres"), "-D", str(data), *words], death=signal.SIGINT
            ),
            cwd="/",
            stdout=log,
            stderr=log,
        )
    try:
        _wait(child, port, folder / "log")
        yield {
            "ENGINE": "django.db.backends.postgresql", "HOST": ports.HOST, "PORT": port,
            "USER": "midst", "PASSWORD": "", "NAME": "postgres",
        }  # fmt: skip
    finally:
        child.send_signal(signal.SIGINT)
        child.wait(120)
        shutil.rmtree(folder, ignore_errors=True)


def _run(command):
    subprocess.run(
        privileges.unprivileged(command, death=None), cwd="/", check=True, capture_output=True
    )


def _wait(child, port, log):
    deadline = time.monotonic() + 120
    while True:
        try:
            psycopg.connect(host=ports.HOST, port=port, user="midst", dbname="postgres").close()
        except psycopg.OperationalError:
            if child.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
