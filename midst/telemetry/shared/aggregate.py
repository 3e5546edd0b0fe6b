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
from contextlib import contextmanager
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
_GAUGE = b'["gauge"'
# The key of what the archive has taken in; those of numbers are lists.
_TAKEN_IN = b"{"

# Kept from scrape to scrape: a file only grows.
_layouts: dict[str, Layout] = {}


@dataclass
class Totals:
    """Numbers by key, over all processes; and the newest exemplar of each bucket by its key."""

    numbers: dict[bytes, float] = field(default_factory=dict)
    exemplars: dict[bytes, tuple[float, ...]] = field(default_factory=dict)

    def add(self, layout: Layout, content: bytes, *, gauges: bool = True) -> None:
        """Add one file: sums, but gauges as their mode says."""
        numbers, cells = self.numbers, segment.cells_of(content)
        for key, first, count in layout.records:
            if count == 1:
                if gauges or not key.startswith(_GAUGE):
                    number = cells[first]
                    numbers[key] = combine(key, numbers[key], number) if key in numbers else number
            elif key.startswith(EXEMPLAR_MARK):
                self._add_exemplar(key[1:], tuple(cells[first : first + count]))

    def _add_exemplar(self, key: bytes, exemplar: tuple[float, ...]) -> None:
        if exemplar[0] and exemplar > self.exemplars.get(key, ()):
            self.exemplars[key] = exemplar


def totals(folder: Path) -> Totals:
    """Return every number over all processes, living and ended; folds on the way."""
    with _alone(folder):
        result = _fold(folder)
        for path in _files(folder):
            content = path.read_bytes()
            result.add(_layout(path.name, content), content)
        if process.segment is not None and folder == directory():
            with process.lock:
                content = process.segment.content()
            result.add(_layout("own", content, id(process.segment)), content)
        return result


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
    if mode == "sum":
        return a + b
    return min(a, b) if mode == "min" else max(a, b)


@lru_cache
def _mode(key: bytes) -> str:
    mode: str = json.loads(key)[1]
    return mode.removeprefix("live")


def _layout(name: str, content: bytes, edition: int = 0) -> Layout:
    """Return the layout of the file ``name``; another ``edition`` of it has another."""
    key = f"{name} {edition}"
    layout = _layouts.get(key)
    if layout is None:
        for old in [each for each in _layouts if each.startswith(f"{name} ")]:
            del _layouts[old]
        layout = _layouts[key] = Layout()
    layout.follow(content)
    return layout


def _files(folder: Path) -> list[Path]:
    own = process.segment.path if process.segment else None
    return [path for path in folder.glob(f"*{SUFFIX}") if path != own]


def _fold(folder: Path) -> Totals:
    """Take what the dead have counted into the archive; return what that holds.

    Gauges go: what a process that has ended had in use, nobody has in use.
    """
    archive = folder / _ARCHIVE
    kept = Totals()
    if archive.exists():
        content = archive.read_bytes()
        layout = _layout(_ARCHIVE, content, archive.stat().st_ino)
        kept.add(layout, content)
        for name in _taken_in(layout):
            (folder / name).unlink(missing_ok=True)
    dead = [path for path in _files(folder) if segment.is_dead(path)]
    for path in dead:
        content = path.read_bytes()
        kept.add(_layout(path.name, content), content, gauges=False)
    if dead:
        names = json.dumps({"taken_in": [path.name for path in dead]}).encode()
        segment.write(archive, _records(names, kept))
        for path in dead:
            path.unlink()
            del _layouts[f"{path.name} 0"]
    return kept


def _taken_in(layout: Layout) -> list[str]:
    names: list[str] = []
    for key, _, count in layout.records[:1]:
        if count == 0 and key.startswith(_TAKEN_IN):
            names = json.loads(key)["taken_in"]
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
