"""Prometheus' own programs; Debian calls some of them by longer names."""

import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable

from tests.e2e.conftest import missing

NAMES = {
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "amtool": ("amtool",),
    "postgres_exporter": ("prometheus-postgres-exporter", "postgres_exporter"),
    "blackbox_exporter": ("prometheus-blackbox-exporter", "blackbox_exporter"),
    "redis_exporter": ("prometheus-redis-exporter", "redis_exporter"),
}


def program(name: str) -> str:
    """Return its path; without it the test is skipped, or fails in CI."""
    found = next(filter(None, map(shutil.which, NAMES[name])), None)
    if found is None:
        missing(f"{name} (Debian: {NAMES[name][0]})")
    return found


def run(name: str, *arguments: str, succeeds: bool = True) -> str:
    """Run it and return all it said; it must end as expected."""
    done = subprocess.run(
        [program(name), *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == succeeds, said
    return said


def each(paths: Iterable[object]) -> list[str]:
    return [str(path) for path in paths]


def wait_until_ready(address: str) -> None:
    """Prometheus listens before it answers: until its storage is open it says 503."""
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://{address}/-/ready", timeout=10).close()
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < deadline, f"Prometheus at {address} is not ready"
            time.sleep(0.1)
        else:
            return
