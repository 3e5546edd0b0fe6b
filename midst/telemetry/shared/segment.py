"""One process' numbers in a memory-mapped file that outlives it, however it ends.

Layout, in the machine's byte order and aligned to 8 bytes: the bytes used so far (u64), then
records of ``key length (u32), cells (u32), key, padding, cells (f64 each)``. A record is written
before it is counted as used, and a cell is one aligned store: a process killed at any moment
leaves a file that reads well.

The writer holds a POSIX lock on its file. The kernel drops it with the process, a child of a
fork does not inherit it, and it is seen from other containers that share the directory; so it,
and no process number, tells the living from the dead.
"""

import fcntl
import mmap
import os
import secrets
import struct
from collections.abc import Iterable
from pathlib import Path

SUFFIX = ".cells"

_USED = struct.Struct("=Q")
_HEAD = struct.Struct("=II")
_FIRST_SIZE = 1 << 16


class Segment:
    """Cells to write to. ``path`` is None when there is no directory: memory, then."""

    def __init__(self, directory: Path | None) -> None:
        self.path: Path | None = None
        self._file: int | None = None
        self._size = _FIRST_SIZE
        # All of them: each holds the file open too, and closing any of these drops the lock.
        self._maps: list[mmap.mmap] = []
        if directory is not None:
            self._create(directory)
        self._map()
        self._used = _USED.size
        _USED.pack_into(self._memory, 0, self._used)

    def add(self, key: bytes, cells: int) -> int:
        """Make room for a record and return where its first cell is in ``self.cells``."""
        padded = -(-len(key) // 8) * 8
        first = self._used + _HEAD.size + padded
        end = first + 8 * cells
        while end > self._size:
            self._grow()
        _HEAD.pack_into(self._memory, self._used, len(key), cells)
        start = self._used + _HEAD.size
        self._memory[start : start + len(key)] = key
        self._used = end
        _USED.pack_into(self._memory, 0, end)
        return first // 8

    def content(self) -> bytes:
        """What the file holds: its own process may not open it again, that drops the lock."""
        return bytes(self._memory[: self._used])

    def _create(self, directory: Path) -> None:
        """A file that nobody sees before it is locked. Raises ``OSError``."""
        name = f"{os.getpid()}-{secrets.token_hex(6)}"
        hidden = directory / f"{name}.new"
        self._file = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        os.ftruncate(self._file, self._size)
        fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.path = directory / f"{name}{SUFFIX}"
        hidden.rename(self.path)

    def _map(self) -> None:
        self._memory = mmap.mmap(-1 if self._file is None else self._file, self._size)
        self._maps.append(self._memory)
        self.cells = memoryview(self._memory).cast("d")

    def _grow(self) -> None:
        kept = bytes(self._memory) if self._file is None else b""
        self._size *= 2
        if self._file is not None:
            os.ftruncate(self._file, self._size)
        self._map()
        self._memory[: len(kept)] = kept


class Layout:
    """Where the numbers of one file are; a file only grows, so each record is looked at once."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, int, int]] = []
        self._end = _USED.size

    def follow(self, content: bytes) -> None:
        """Take in what came since. Stops at what no writer of ours has written."""
        if len(content) < _USED.size:
            return
        used = min(_USED.unpack_from(content)[0], len(content))
        while self._end + _HEAD.size <= used:
            length, cells = _HEAD.unpack_from(content, self._end)
            start = self._end + _HEAD.size
            first = start + -(-length // 8) * 8
            if first + 8 * cells > used:
                return
            self._end = first + 8 * cells
            self.records.append((content[start : start + length], first // 8, cells))


def cells_of(content: bytes) -> "memoryview[float]":
    """Return the content as floats; ``Layout`` says which."""
    return memoryview(content)[: len(content) // 8 * 8].cast("d")


def write(path: Path, records: Iterable[tuple[bytes, tuple[float, ...]]]) -> None:
    """Write a whole segment at once; ``path`` appears complete or not at all."""
    parts = []
    for key, cells in records:
        values = struct.pack(f"={len(cells)}d", *cells)
        parts += [_HEAD.pack(len(key), len(cells)), key, bytes(-len(key) % 8), values]
    body = b"".join(parts)
    hidden = path.with_suffix(".new")
    hidden.write_bytes(_USED.pack(_USED.size + len(body)) + body)
    hidden.replace(path)


def is_dead(path: Path) -> bool:
    """Say whether the writer of ``path`` has ended; it may not be this process itself."""
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True
