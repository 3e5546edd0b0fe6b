"""A build that serves while it is measured."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perfops.budgets.against.checkouts import Recipe, Side, end_of, kill_group
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.against.server_cpu import Server
from perfops.load import targets

_READY_S, _STOP_S = 120.0, 20.0


@contextmanager
def serving(side: Side, how: Recipe) -> Iterator[Server]:
    """Have the build serve while the block lasts. Raises ``CouldNotCompare``."""
    log = side.scratch / "serve.log"
    with log.open("wb") as file, side.started(how.serve, how, file, file) as child:
        _wait(side, child, log)
        yield Server(child.pid)
        _stop(child)


def _wait(side: Side, child: subprocess.Popen[str], log: Path) -> None:
    latest = time.monotonic() + _READY_S
    while (away := targets.unreachable(side.url)) is not None:
        if child.poll() is not None or time.monotonic() > latest:
            raise CouldNotCompare(
                f"The {side.name} build does not answer at {side.url}: {away}. Its log ends:\n"
                f"{end_of(log.read_text(errors='replace'))}"
            )
        time.sleep(0.2)


def _stop(child: subprocess.Popen[str]) -> None:
    """End a server with all its processes; it may write its counts first."""
    try:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(_STOP_S)
    except ProcessLookupError:
        pass  # it has ended already
    except subprocess.TimeoutExpired:
        kill_group(child)
