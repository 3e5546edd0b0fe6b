"""Clean clones, for newcomers of every kind."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.stack import REPOSITORY, Newcomer

USER = "midst-newcomer"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


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
        folder, HOME=str(home), PATH="/usr/local/bin:/usr/bin:/bin", UV_PYTHON=str(a_python(home))
    )
    subprocess.run(["chown", "-R", f"{USER}:", str(home)], check=True)
    person.run_as = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups")
    yield person
    shutil.rmtree(folder, ignore_errors=True)


def a_python(home: Path) -> Path:
    """The Python that runs these tests, copied: root's own may be out of the user's reach."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    copy = home / version
    if not copy.exists():
        shutil.copytree(sys.base_prefix, copy, symlinks=True)
    return copy / "bin" / version
