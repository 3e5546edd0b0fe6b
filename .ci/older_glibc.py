"""Make a library built with glibc 2.38 or later load on an older one.

python3 older_glibc.py LIBRARY RESULT. C23's ``__isoc23_strtoul`` and its like become
``strtoul`` again, which all versions have; 64-bit little-endian ELF only.
"""

import struct
import sys
from pathlib import Path

PREFIX = b"__isoc23_"
ANY_VERSION, WEAK = 1, 2


def sections(library: bytes) -> dict[str, tuple[int, int]]:
    """Return name to (offset, size)."""
    (start,) = struct.unpack_from("<Q", library, 0x28)
    size, count, names = struct.unpack_from("<HHH", library, 0x3A)
    heads = [struct.unpack_from("<IIQQQQ", library, start + size * n) for n in range(count)]
    return {text(library, heads[names][4] + head[0]).decode(): head[4:6] for head in heads}


def text(library: bytes, at: int) -> bytes:
    return bytes(library[at : library.index(b"\0", at)])


def older(library: bytearray) -> None:
    where = sections(library)
    strings = where[".dynstr"][0]
    symbols, size = where[".dynsym"]
    needed = set()
    for number in range(size // 24):
        (name,) = struct.unpack_from("<I", library, symbols + 24 * number)
        if text(library, strings + name).startswith(PREFIX):
            struct.pack_into("<I", library, symbols + 24 * number, name + len(PREFIX))
            version = where[".gnu.version"][0] + 2 * number
            needed.add(struct.unpack_from("<H", library, version)[0])
            struct.pack_into("<H", library, version, ANY_VERSION)
    file = where[".gnu.version_r"][0]
    while True:
        _, count, _, first, following = struct.unpack_from("<HHIII", library, file)
        version = file + first
        for _ in range(count):
            _, flags, number, _, step = struct.unpack_from("<IHHII", library, version)
            if number in needed:
                struct.pack_into("<H", library, version + 4, flags | WEAK)
            version += step
        if not following:
            return
        file += following


content = bytearray(Path(sys.argv[1]).read_bytes())
older(content)
Path(sys.argv[2]).write_bytes(content)
