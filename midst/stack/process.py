"""Processes of the stack: started in sessions of their own, remembered, and ended for certain."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

LOG_TAIL_LINES = 15
# Start times come from a clock that is adjusted while we run; process numbers are reused later.
SAME_WITHIN_S = 10.0


@dataclass(frozen=True)
class Child:
    """A process we started. ``created`` tells it from a later one with the same number."""

    name: str
    pid: int
    created: float
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM

    def is_running(self) -> bool:
        return _alive(self.pid, self.created) is not None

    def log_tail(self) -> str:
        """Return the last lines of what it wrote."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])


def spawn(
    name: str,
    command: list[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start ``command`` in a session of its own, so that the terminal's Ctrl-C is ours alone."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # Whatever a program writes there is for us alone to read.
    with open(log, "ab", opener=_for_us_alone) as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # Popen would warn about a child that it did not wait for: psutil waits for it.
    process.returncode = 0
    return Child(name, process.pid, psutil.Process(process.pid).create_time(), log, stop_signal)


def _for_us_alone(path: str, flags: int) -> int:
    file = os.open(path, flags, 0o600)
    os.fchmod(file, 0o600)
    return file


def stop(child: Child, *, patience_s: float = 15) -> None:
    """End the child and its whole session: by its own signal first, then by SIGKILL."""
    family = list(_session(child.pid, child.created))
    leader = _alive(child.pid, child.created)
    if leader is not None:
        _signal(leader, child.stop_signal)
        wait([leader], patience_s)
    rest = {*family, *_session(child.pid, child.created)}
    for process in rest:
        _signal(process, signal.SIGTERM)
    for process in wait(list(rest), 3):
        _signal(process, signal.SIGKILL)
    wait(list(rest), 3)


def wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait for the end of all; return who is still there. Zombies count as gone."""
    deadline = time.monotonic() + seconds
    while True:
        _, running = psutil.wait_procs(processes, timeout=0.05)
        left = [process for process in running if not _has_ended(process)]
        if not left or time.monotonic() > deadline:
            return left


def remember(children: list[Child], file: Path) -> None:
    """Write down who runs, for a successor that has to clean up."""
    file.write_text(
        json.dumps(
            [
                {"name": c.name, "pid": c.pid, "created": c.created, "log": str(c.log),
                 "stop_signal": c.stop_signal.name}
                for c in children
            ],
            indent=2,
        )
    )  # fmt: skip


def remembered(file: Path) -> list[Child]:
    """Return what ``remember`` wrote; empty when there is nothing (or nothing legible)."""
    try:
        rows = json.loads(file.read_text())
        return [
            Child(row["name"], row["pid"], row["created"], Path(row["log"]),
                  signal.Signals[row["stop_signal"]])
            for row in rows
        ]  # fmt: skip
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []


def stop_remembered(file: Path) -> list[str]:
    """End what a killed predecessor left running, newest first; return the names."""
    left = [
        child
        for child in reversed(remembered(file))
        if child.is_running() or any(_session(child.pid, child.created))
    ]
    for child in left:
        stop(child)
    file.unlink(missing_ok=True)
    return [child.name for child in left]


def _alive(pid: int, created: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        if _is_same(process, created) and process.status() != psutil.STATUS_ZOMBIE:
            return process
    except psutil.NoSuchProcess:
        return None
    return None


def _session(leader: int, created: float) -> Iterator[psutil.Process]:
    """Yield the living members of the session that ``leader`` founded.

    Linux gives no process a number that a session still bears; so unless the number has a
    new holder, everyone in that session is a descendant of ours.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        if not _is_same(psutil.Process(leader), created):
            return
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _is_same(process: psutil.Process, created: float) -> bool:
    return abs(process.create_time() - created) < SAME_WITHIN_S


def _has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        # In between.
        return True


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
