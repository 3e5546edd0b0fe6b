"""Adds the processes up, and folds the files of those that have ended into one.

One lock for all of it, so that no scrape sees a file twice or not at all. Folding killed half-way
counts nothing twice: the new archive names the files it has taken in and replaces the old one in
one step; what is named there is removed later and never read again.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from midst.telemetry.shared import segment
from midst.telemetry.shared.segment import SUFFIX, Layout
from midst.telemetry.shared.values import EXEMPLAR_MARK, directory, process

log = logging.getLogger(__name__)

# More files than a busy stack has: then the next process to start folds, scraped or not.
MANY_FILES = 64
_ARCHIVE = "archive.folded"
_LOCK = "lock"
_OWN = "own"
_GAUGE = b'["gauge"'
# The key of what the archive has taken in; those of numbers are lists.
_TAKEN_IN = b"{"

# Kept from scrape to scrape, by name and with the identity of the file: a file only grows.
_layouts: dict[str, tuple[int, Layout]] = {}
# Files that were left out, each said once.
_reported: set[str] = set()
_SKIPPED = json.dumps(
    ["gauge", "livemax", "metrics_files_skipped", "metrics_files_skipped", [], [],
     "Files of metrics that could not be read, and whose numbers are missing."],
    separators=(",", ":"),
).encode()  # fmt: skip


@dataclass
class Totals:
    """Numbers by key, over all processes; and the newest exemplar of each bucket by its key."""

    numbers: dict[bytes, float] = field(default_factory=dict)
    exemplars: dict[bytes, tuple[float, ...]] = field(default_factory=dict)

    def add(self, layout: Layout, content: bytes, *, ended: bool = False) -> None:
        """Add one file: sums, but gauges as their mode says."""
        numbers, cells = self.numbers, segment.cells_of(content)
        for key, first, count in layout.records:
            if count == 1:
                if not ended or _outlives(key):
                    number = cells[first]
                    numbers[key] = combine(key, numbers[key], number) if key in numbers else number
            elif key.startswith(EXEMPLAR_MARK):
                exemplar = tuple(cells[first : first + count])
                if exemplar[0] and exemplar > self.exemplars.get(key[1:], ()):
                    self.exemplars[key[1:]] = exemplar


def totals(folder: Path | None) -> Totals:
    """Return every number over all processes, living and ended; folds on the way.

    A file that can't be read, or is none of ours, is left out and counted. Without a ``folder``
    this process counts alone.
    """
    result = Totals()
    with _alone(folder) if folder else nullcontext():
        if folder:
            result, skipped = _others(folder)
            result.numbers[_SKIPPED] = skipped
        if process.segment is not None and folder == directory():
            with process.lock:
                content = process.segment.content()
            result.add(_layout(_OWN, content), content)
    return result


def _others(folder: Path) -> tuple[Totals, int]:
    """Return the numbers of all processes but this one, and how many files were left out."""
    result, read = _fold(folder)
    skipped, paths = 0, _files(folder)
    # Another reader may have folded what this one knew.
    for name in _layouts.keys() - {path.name for path in paths} - {_ARCHIVE, _OWN}:
        del _layouts[name]
    for path in paths:
        if path.name in read:
            continue
        found = _read(path)
        if found is None:
            skipped += 1
        else:
            result.add(*found)
    return result, skipped


def fold_if_many() -> None:
    """Keep the number of files bounded where nobody scrapes. Never raises."""
    folder = directory()
    if folder is None or sum(1 for _ in folder.glob(f"*{SUFFIX}")) <= MANY_FILES:
        return
    try:
        with _alone(folder):
            _fold(folder)
    except OSError as error:
        log.warning("the metrics of ended processes stay as they are: %s", error)


def combine(key: bytes, a: float, b: float) -> float:
    """Return what two processes say together: the sum, but of a gauge what its mode says."""
    mode = _mode(key) if key.startswith(_GAUGE) else "sum"
    if mode.endswith("sum"):
        return a + b
    return min(a, b) if mode.endswith("min") else max(a, b)


@lru_cache(maxsize=4096)
def _mode(key: bytes) -> str:
    mode: str = json.loads(key)[1]
    return mode


def _outlives(key: bytes) -> bool:
    """Say whether a number counts after its process has ended.

    What a process had in use, nobody has in use any more; when it was last heard of stays true.
    """
    return not key.startswith(_GAUGE) or _mode(key) in {"max", "min", "sum"}


def _read(path: Path) -> tuple[Layout, bytes] | None:
    """Return a file's layout and content, or None, once said, when it can't be used."""
    try:
        content = path.read_bytes()
        return _layout(path.name, content), content
    except FileNotFoundError:
        return None
    except (OSError, segment.Damaged) as error:
        if path.name not in _reported:
            _reported.add(path.name)
            log.warning("the metrics in %s are left out: %s", path, error)
        return None


def _layout(name: str, content: bytes) -> Layout:
    """Return the layout of the file ``name``; another file of that name has another."""
    identity = segment.identity_of(content)
    known = _layouts.get(name)
    if known is None or known[0] != identity:
        known = _layouts[name] = identity, Layout()
    known[1].follow(content)
    return known[1]


def _files(folder: Path) -> list[Path]:
    own = process.segment.path if process.segment else None
    return [path for path in folder.glob(f"*{SUFFIX}") if path != own]


def _fold(folder: Path) -> tuple[Totals, set[str]]:
    """Take what the ended have counted into the archive; return that, and the files it covers.

    When the archive can't be written (the disk is full), what they counted is still returned.
    """
    archive = folder / _ARCHIVE
    kept = Totals()
    if archive.exists():
        found = _read(archive)
        if found is None:
            # Set aside, so that what ends from now on has a place again.
            archive.replace(folder / f"{_ARCHIVE}.damaged")
        else:
            kept.add(*found)
            for name in _taken_in(found[0]):
                (folder / name).unlink(missing_ok=True)
    ended: list[str] = []
    for path in _files(folder):
        if segment.has_ended(path) and (found := _read(path)) is not None:
            kept.add(*found, ended=True)
            ended.append(path.name)
    if ended:
        names = json.dumps({"taken_in": ended}).encode()
        try:
            segment.write(archive, _records(names, kept))
        except OSError as error:
            log.warning("the metrics of ended processes stay in their files: %s", error)
            return kept, set(ended)
        for name in ended:
            (folder / name).unlink(missing_ok=True)
            _layouts.pop(name, None)
    return kept, set(ended)


def _taken_in(layout: Layout) -> list[str]:
    """Return the files that an archive has taken in: its first record."""
    key = layout.records[0][0] if layout.records else b""
    names: list[str] = json.loads(key)["taken_in"] if key.startswith(_TAKEN_IN) else []
    return names


def _records(names: bytes, kept: Totals) -> Iterator[tuple[bytes, tuple[float, ...]]]:
    yield names, ()
    for key, number in kept.numbers.items():
        yield key, (number,)
    for key, exemplar in kept.exemplars.items():
        yield EXEMPLAR_MARK + key, exemplar


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
