"""One process' numbers in a memory-mapped file that outlives it, however it ends.

Layout, in the machine's byte order and aligned to 8 bytes: a head of ``magic (8 bytes), identity
(u64), checksum (u64), bytes used so far (u64)``, then records of ``key length (u32), cells (u32),
CRC-32 of the key (u32), 0 (u32), key, padding, cells (f64 each)``. A record is written before it
is counted as used, and a cell is one aligned store: a process killed at any moment leaves a file
that reads well. The identity is drawn anew for each file: inodes and names come again. The
checksum is that of all that follows the head, in a file that is written at once; else 0.

The writer holds a POSIX lock on its file. The kernel drops it with the process, a child of a
fork does not inherit it, and it is seen from other containers that share the directory; so it,
and no process number, tells the living from the dead.
"""

import fcntl
import logging
import mmap
import os
import secrets
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

SUFFIX = ".cells"

_MAGIC = b"midst\x00\x02\n"
_FILE_HEAD = struct.Struct("=8sQQQ")
_USED = struct.Struct("=Q")
_USED_AT = _FILE_HEAD.size - _USED.size
_HEAD = struct.Struct("=IIII")
_FIRST_SIZE = 1 << 16


log = logging.getLogger(__name__)


class Damaged(ValueError):
    """A file that no process of ours has written so."""


class Segment:
    """Cells to write to. ``path`` is None when there is no directory: memory, then.

    Room on the disk is taken before it is mapped: a write to a page that the disk has no room for
    would kill the process (SIGBUS). A file that can't grow any more keeps what it holds, and what
    comes is counted in memory, where nobody else sees it.
    """

    def __init__(self, directory: Path | None) -> None:
        self.path: Path | None = None
        self._file: int | None = None
        self._size = _FIRST_SIZE
        # All of them: each holds the file open too, and closing any of these drops the lock.
        self._maps: list[mmap.mmap] = []
        hidden = None if directory is None else self._create(directory)
        self._map()
        self._used = _FILE_HEAD.size
        self.identity = secrets.randbits(64)
        _FILE_HEAD.pack_into(self._memory, 0, _MAGIC, self.identity, 0, self._used)
        if hidden is not None:
            # Only now: a reader would take a file without its head for none of ours.
            self.path = hidden.with_suffix(SUFFIX)
            hidden.rename(self.path)

    def add(self, key: bytes, cells: int) -> int:
        """Make room for a record and return where its first cell is in ``self.cells``."""
        padded = -(-len(key) // 8) * 8
        first = self._used + _HEAD.size + padded
        end = first + 8 * cells
        while end > self._size:
            self._grow()
        _HEAD.pack_into(self._memory, self._used, len(key), cells, zlib.crc32(key), 0)
        start = self._used + _HEAD.size
        self._memory[start : start + len(key)] = key
        self._used = end
        _USED.pack_into(self._memory, _USED_AT, end)
        return first // 8

    def content(self) -> bytes:
        """What the file holds: its own process may not open it again, that drops the lock."""
        return bytes(self._memory[: self._used])

    def _create(self, directory: Path) -> Path:
        """Make and lock the file, under a name that nobody reads. Raises ``OSError``."""
        hidden = directory / f"{os.getpid()}-{secrets.token_hex(6)}.new"
        self._file = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(self._file, 0, self._size)
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            hidden.unlink()
            raise
        return hidden

    def _map(self) -> None:
        self._memory = mmap.mmap(-1 if self._file is None else self._file, self._size)
        self._maps.append(self._memory)
        self.cells = memoryview(self._memory).cast("d")

    def _grow(self) -> None:
        kept = bytes(self._memory)
        self._size *= 2
        if self._file is not None:
            try:
                os.posix_fallocate(self._file, 0, self._size)
            except OSError as error:
                log.warning("the metrics of this process are no longer shared: %s", error)
                # Still open: closing it would say that this process has ended.
                self._open_file, self._file = self._file, None
        self._map()
        self._memory[: len(kept)] = kept


def identity_of(content: bytes) -> int:
    """Return the identity of a file's content. Raises ``Damaged`` when it is none of ours."""
    if len(content) < _FILE_HEAD.size:
        raise Damaged("too short")
    magic, identity, checksum, used = _FILE_HEAD.unpack_from(content)
    if magic != _MAGIC:
        raise Damaged("not a file of metrics of this version")
    if checksum and checksum != _checksum(content[_FILE_HEAD.size : used]):
        raise Damaged("its checksum is wrong")
    return int(identity)


def _checksum(body: bytes) -> int:
    """Never 0, which says that there is none."""
    return zlib.crc32(body) | 1 << 32


class Layout:
    """Where the numbers of one file are; a file only grows, so each record is looked at once."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, int, int]] = []
        self._end = _FILE_HEAD.size

    def follow(self, content: bytes) -> None:
        """Take in what came since. Raises ``Damaged`` at what no writer of ours has written."""
        used = _USED.unpack_from(content, _USED_AT)[0]
        if used > len(content):
            raise Damaged("shorter than it says")
        while self._end < used:
            if self._end + _HEAD.size > used:
                raise Damaged("a record is cut off")
            length, cells, checksum, _ = _HEAD.unpack_from(content, self._end)
            start = self._end + _HEAD.size
            first = start + -(-length // 8) * 8
            key = content[start : start + length]
            if first + 8 * cells > used or zlib.crc32(key) != checksum:
                raise Damaged("a record is not as it was written")
            self._end = first + 8 * cells
            self.records.append((key, first // 8, cells))


def cells_of(content: bytes) -> "memoryview[float]":
    """Return the content as floats; ``Layout`` says which."""
    return memoryview(content)[: len(content) // 8 * 8].cast("d")


def write(path: Path, records: Iterable[tuple[bytes, tuple[float, ...]]]) -> None:
    """Write a whole segment at once; ``path`` appears complete or not at all."""
    parts = []
    for key, cells in records:
        values = struct.pack(f"={len(cells)}d", *cells)
        head = _HEAD.pack(len(key), len(cells), zlib.crc32(key), 0)
        parts += [head, key, bytes(-len(key) % 8), values]
    body = b"".join(parts)
    hidden = path.with_suffix(".new")
    used = _FILE_HEAD.size + len(body)
    head = _FILE_HEAD.pack(_MAGIC, secrets.randbits(64), _checksum(body), used)
    try:
        hidden.write_bytes(head + body)
        hidden.replace(path)
    except OSError:
        hidden.unlink(missing_ok=True)
        raise


def has_ended(path: Path) -> bool:
    """Say whether the writer of ``path`` has ended; it may not be this process itself."""
    try:
        with path.open("rb+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
