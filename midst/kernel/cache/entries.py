"""How an entry lies in Redis: the stamps that vouch for it, a checksum, and the answer.

An entry whose checksum does not fit is rubbish. The checksum covers the key as well, so that an
answer to another question, from a connection out of step, is found out too.
"""

from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct
from zlib import crc32

from redis.exceptions import RedisError

# Change it when the layout changes.
LAYOUT = "2"

_TAG_CHARACTERS = 16
# When it expires (Unix time), what it cost to compute (s), whether there is no such thing.
_HEADER = Struct(">df?")
_CHECKSUM = Struct(">I")


class Rubbish(RedisError):
    """Redis answered with something that we never stored there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept answer. ``missing``: the answer is a 404, and ``body`` its detail."""

    body: bytes
    tag: str
    missing: bool = False
    expires_at: float = 0.0
    cost_s: float = 0.0


def tag_of(body: bytes) -> str:
    """Return the tag of a body: what its ETag holds between the quotes."""
    return blake2b(body, digest_size=_TAG_CHARACTERS // 2).hexdigest()


def pack(key: str, stamps: bytes, entry: Entry) -> bytes:
    header = _HEADER.pack(entry.expires_at, entry.cost_s, entry.missing)
    content = header + entry.tag.encode() + entry.body
    return stamps + _CHECKSUM.pack(_checksum(key, content)) + content


def unpack(key: str, stamps: bytes, raw: object) -> Entry | None:
    """Return the entry in ``raw``; None when other stamps vouch for it. Raises ``Rubbish``."""
    if not isinstance(raw, bytes):
        raise Rubbish(f"an entry is {type(raw).__name__}")
    if not raw.startswith(stamps):
        return None
    content = raw[len(stamps) + _CHECKSUM.size :]
    tag_at = _HEADER.size
    body_at = tag_at + _TAG_CHARACTERS
    if len(content) < body_at:
        raise Rubbish(f"the entry {key!r} is cut off")
    if _CHECKSUM.unpack_from(raw, len(stamps))[0] != _checksum(key, content):
        raise Rubbish(f"the checksum of {key!r} does not fit")
    expires_at, cost_s, missing = _HEADER.unpack_from(content)
    return Entry(content[body_at:], content[tag_at:body_at].decode(), missing, expires_at, cost_s)


def _checksum(key: str, content: bytes) -> int:
    return crc32(content, crc32(key.encode()))
