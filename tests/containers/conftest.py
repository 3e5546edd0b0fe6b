"""One stack for all tests of this folder; each leaves it healthy."""

import os
from collections.abc import Generator, Iterator

import pytest

from tests.containers import engine
from tests.containers.stack import BEFORE, EXEMPT, IMAGE, PROXIED, RESTARTS, NotWell, Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Stack]:
    found = engine.find()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have podman and podman-compose.")
        pytest.skip("needs Docker with Compose, or podman")
    stack = Stack(found, tmp_path_factory.mktemp("stack"))
    try:
        if "UPGRADE_FROM" not in os.environ:
            found.run("tag", IMAGE, BEFORE)
        stack.start("two-proxies", MIDST_IMAGE=BEFORE, **EXEMPT, **PROXIED)
        yield stack
    finally:
        stack.stop()
        reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
        for service, ends in stack.ended.items() if reporter else ():
            reporter.write_line(
                f"\n{service} ended {len(ends)} times ({RESTARTS} restarts at most); the last lines"
                f" of the last time:\n{ends[-1]}"
            )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails says what each service said last."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    told = call.excinfo is not None and isinstance(call.excinfo.value, NotWell)
    if report.failed and isinstance(stack, Stack) and not told:
        report.sections.append(("last lines of each service", stack.last_lines()))
    return report
