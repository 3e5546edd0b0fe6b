"""Real servers for the tests: those the environment names, else embedded ones of our own.

A pytest plugin rather than a conftest: it must be done before Django's settings are read.
"""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from midst.stack import process, servers

# What a crash would lose is thrown away anyway.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_folders: list[Path] = []
_started: list[process.Child] = []


def _start() -> None:
    """Once, in the process that controls the others: those inherit its environment."""
    folder = Path(tempfile.mkdtemp(prefix="midst-tests-"))
    # A database server that runs as another user must be able to enter.
    folder.chmod(0o755)
    _folders.append(folder)
    running = servers.start(
        folder, outside=servers.outside(), death=signal.SIGINT, postgres_settings=FAST
    )
    _started.extend(running.children)
    os.environ.update(running.urls)


def pytest_unconfigure(config: pytest.Config) -> None:
    for child in reversed(_started):
        process.stop(child)
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)


_worker = os.environ.get("PYTEST_XDIST_WORKER")
if _worker is None:
    _start()
os.environ["CACHE_PREFIX"] = f"test-{_worker or 'main'}"
