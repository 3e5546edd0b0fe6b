"""One stack for all tests of this folder; each leaves it healthy."""

import os
from collections.abc import Iterator

import pytest

from tests.containers import engine
from tests.containers.stack import PROXIED, Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Stack]:
    found = engine.find()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have podman and podman-compose.")
        pytest.skip("needs Docker with Compose, or podman")
    stack = Stack(found, tmp_path_factory.mktemp("stack"))
    try:
        stack.start("proxy", **PROXIED)
        yield stack
    finally:
        stack.stop()
        reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
        for lines in stack.restarted if reporter else ():
            reporter.write_line(f"\nEnded and was started again; its last lines:\n{lines}")
