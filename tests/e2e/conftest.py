"""Clean clones, for newcomers of every kind."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest

from midst.stack import ports
from tests.e2e.stack import REPOSITORY, Newcomer

USER = "midst-newcomer"
START_S = 120


def free_port() -> int:
    """Not one that the system lends to a connection before somebody listens on it."""
    return ports.choose(None)


def require_root() -> None:
    if os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("CI must run these tests as root: they make a user and start servers.")
        pytest.skip("needs root: it makes a user of its own")


@pytest.fixture
def newcomer(tmp_path: Path) -> Callable[..., Newcomer]:
    """Make a clone without caches, virtual environment or data, with free ports of its own."""

    def make(folder: Path = tmp_path, **environment: str) -> Newcomer:
        clone = folder / "midst"
        subprocess.run(["git", "clone", "-q", str(REPOSITORY), str(clone)], check=True)
        port, metrics_port = free_port(), free_port()
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name in {"PATH", "LANG", "HOME"} or name.startswith(("PIP_", "SSL_", "UV_", "PYENV"))
        }
        return Newcomer(
            clone=clone,
            port=port,
            metrics_port=metrics_port,
            environment={
                **inherited,
                "UV_CACHE_DIR": str(folder / "uv-cache"),
                "MIDST_PORT": str(port),
                "METRICS_PORT": str(metrics_port),
                "MIDST_PROFILES": "2000",
                **environment,
            },
        )

    return make


@pytest.fixture
def another_user(newcomer: Callable[..., Newcomer], tmp_path_factory: pytest.TempPathFactory):
    """A newcomer who is not root, with a home and a Python 3 of their own."""
    require_root()
    try:
        account = pwd.getpwnam(USER)
    except KeyError:
        subprocess.run(["useradd", "--create-home", USER], check=True)
        account = pwd.getpwnam(USER)
    home = Path(account.pw_dir)
    folder = home / "clean"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    person = newcomer(
        folder,
        HOME=str(home),
        PATH="/usr/local/bin:/usr/bin:/bin",
        UV_PYTHON=str(a_python(home)),
        # A Python that was moved looks for its library where it was.
        LD_LIBRARY_PATH=str(a_python(home).parent.parent / "lib"),
    )
    subprocess.run(["chown", "-R", f"{USER}:", str(home)], check=True)
    person.run_as = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups")
    yield person
    # It takes a minute, which nothing waits for.
    subprocess.run(["setsid", "--fork", "rm", "-rf", str(folder)], check=True)


@pytest.fixture
def debian_postgres(tmp_path: Path) -> Iterator[str]:
    """A PostgreSQL as Debian ships it (15 on 12), with pg_stat_statements; yields its URL."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        missing("Debian's postgresql")
    require_root()
    data, port = tmp_path / "debian-postgres", free_port()
    reachable(tmp_path)
    data.mkdir()
    shutil.chown(data, "postgres", "postgres")
    as_postgres = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups")
    initdb = [str(programs[0] / "initdb"), "-D", str(data), "-A", "trust", "-U", "midst"]
    subprocess.run([*as_postgres, *initdb], check=True, capture_output=True, cwd="/")
    server = subprocess.Popen(
        [
            *as_postgres, str(programs[0] / "postgres"), "-D", str(data), "-p", str(port),
            "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
            "-c", "shared_preload_libraries=pg_stat_statements",
        ],
        stderr=subprocess.DEVNULL,
        cwd="/",
    )  # fmt: skip
    url = f"postgres://midst@127.0.0.1:{port}"
    wait_for_port(port)
    with connect(f"{url}/postgres") as connection:
        connection.execute("CREATE DATABASE midst")
    with connect(f"{url}/midst") as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
    yield f"{url}/midst"
    server.send_signal(signal.SIGINT)
    server.wait(START_S)


def connect(url: str) -> psycopg.Connection[Any]:
    """Connect once the server is through with starting."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            return psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture
def debian_redis(tmp_path: Path) -> Iterator[str]:
    """A Redis as Debian ships it; yields its URL."""
    program = shutil.which("redis-server")
    if program is None:
        missing("redis-server")
    port = free_port()
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    wait_for_port(port)
    yield f"redis://127.0.0.1:{port}"
    server.terminate()
    server.wait(START_S)


def missing(program: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{program} is missing: CI must install it.")
    pytest.skip(f"{program} is missing")


def reachable(folder: Path) -> None:
    for parent in [folder, *folder.parents[:3]]:
        parent.chmod(parent.stat().st_mode | 0o055)


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens on {port}"
            time.sleep(0.1)
        else:
            return


def a_python(home: Path) -> Path:
    """The Python that runs these tests, copied: root's own may be out of the user's reach."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    copy = home / version
    if not copy.exists():
        shutil.copytree(sys.base_prefix, copy, symlinks=True)
    return copy / "bin" / version
