"""How many cores the generator may use: the machine's, or what its container is limited to."""

import os
from pathlib import Path

_ROOT = Path("/")


def usable(root: Path = _ROOT) -> float:
    """Return the cores that this process may use.

    The smallest of its CPU affinity and the limits of its control groups (v2 ``cpu.max``, v1
    ``cpu.cfs_quota_us``) up to the topmost. ``root``: where /proc and /sys are found.
    """
    limits = [float(len(os.sched_getaffinity(0)))] if hasattr(os, "sched_getaffinity") else []
    return min([*limits, *_limits(root)], default=float(os.cpu_count() or 1))


def _limits(root: Path) -> list[float]:
    found = []
    for line in _text(root / "proc/self/cgroup").splitlines():
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
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdecimal() else None


def _limit_v1(folder: Path) -> float | None:
    quota = _text(folder / "cpu.cfs_quota_us")
    period = _text(folder / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""  # no control groups here, or none that we may read: no limit is known
