"""Debian's PostgreSQL 15: an older server, with hypopg."""

import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg

from midst.stack import ports, privileges

BIN = Path("/usr/lib/postgresql/15/bin")
HYPOPG = Path("/usr/share/postgresql/15/extension/hypopg.control")


def is_there():
    return (BIN / "postgres").exists() and HYPOPG.exists()


@contextmanager
def server():
    """Start a server in a folder of its own and yield Django's settings for it."""
    folder = Path(tempfile.mkdtemp(prefix="midst-debian-"))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir(mode=0o700)
    owner = privileges.server_owner()
    if owner is not None:
        shutil.chown(data, *owner)
    port = ports.choose(None)
    _run([
        str(BIN / "initdb"), "-D", str(data), "-U", "midst", "-E", "UTF8", "--locale=C.UTF-8",
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
                [str(BIN / "postgres"), "-D", str(data), *words], death=signal.SIGINT
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
        child.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _run(command):
    subprocess.run(
        privileges.unprivileged(command, death=None), cwd="/", check=True, capture_output=True
    )


def _wait(child, port, log):
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(host=ports.HOST, port=port, user="midst", dbname="postgres").close()
        except psycopg.OperationalError:
            if child.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL 15 did not start:\n{log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
