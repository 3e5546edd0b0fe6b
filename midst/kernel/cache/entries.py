"""The layout of an entry in Redis: the versions of its groups, a checksum, the answer.

The checksum covers the key too, so a reply that belongs to another command (a connection out of
step) is detected as well as damaged content.
"""

from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct
from zlib import crc32

from redis.exceptions import RedisError

# Change it when the layout changes: it is part of every key.
LAYOUT = "3"

_TAG_CHARACTERS = 16
# Expiry (Unix time), cost of the computation (s), whether the answer is a 404.
_HEADER = Struct(">df?")
_CHECKSUM = Struct(">I")


class UnexpectedReply(RedisError):
    """Redis replied with something that this code never stored there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A cached answer. ``missing``: the answer is a 404, and ``body`` is its detail."""

    body: bytes
    tag: str
    missing: bool = False
    expires_at: float = 0.0
    cost_s: float = 0.0


def tag_of(body: bytes) -> str:
    """Return the tag of a body: the content of its ETag, without the quotes."""
    return blake2b(body, digest_size=_TAG_CHARACTERS // 2).hexdigest()


def pack(key: str, versions: bytes, entry: Entry) -> bytes:
    """Return ``entry`` as it is stored under ``key``, valid for ``versions``."""
    header = _HEADER.pack(entry.expires_at, entry.cost_s, entry.missing)
    content = header + entry.tag.encode() + entry.body
    return versions + _CHECKSUM.pack(_checksum(key, content)) + content


def unpack(key: str, versions: bytes, raw: object) -> Entry | None:
    """Return the entry in ``raw``, or None when it was stored for other versions.

    Raises ``UnexpectedReply`` when ``raw`` is no entry of this key.
    """
    if not isinstance(raw, bytes):
        raise UnexpectedReply(f"an entry is {type(raw).__name__}")
    if not raw.startswith(versions):
        return None
    content = raw[len(versions) + _CHECKSUM.size :]
    tag_at = _HEADER.size
    body_at = tag_at + _TAG_CHARACTERS
    if len(content) < body_at:
        raise UnexpectedReply(f"the entry {key!r} is truncated")
    if _CHECKSUM.unpack_from(raw, len(versions))[0] != _checksum(key, content):
        raise UnexpectedReply(f"the checksum of {key!r} does not match")
    expires_at, cost_s, missing = _HEADER.unpack_from(content)
    return Entry(content[body_at:], content[tag_at:body_at].decode(), missing, expires_at, cost_s)


def _checksum(key: str, content: bytes) -> int:
    return crc32(content, crc32(key.encode()))
