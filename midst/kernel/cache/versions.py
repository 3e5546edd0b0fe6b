"""What vouches for entries: each group has a stamp in Redis, a random token used once.

A writer *marks* its groups before it commits (the stamp turns into a list of who is committing)
and *renews* them after. An entry counts while its groups' stamps are those that were read
**before** its query, and never while one of them is marked. ``docs/cache.md`` shows why that is
enough.

Every function raises ``RedisError`` when Redis does not answer, or answers rubbish.
"""

import secrets
from collections.abc import Collection
from time import monotonic
from typing import NamedTuple

from midst.kernel import redis
from midst.kernel.cache import entries
from midst.kernel.cache.entries import Entry, Rubbish

# The group that everything belongs to.
ALL = "all"

# A mark whose writer was killed holds its groups back for so long. A COMMIT takes less.
MARK_S = 10
# Longer than any entry lives; a stamp that goes takes its entries with it.
_STAMP_TTL_S = 7 * 24 * 3600
_STAMP_BYTES = 12
_MARKED = b"!"
# How long we may go on reading from a server that takes no writes any more (s).
BEAT_S = 1.0
_LOCK_MS = 5_000

# KEYS: stamps. ARGV: the writer's token, a fresh stamp ("": mark, do not renew), the lives of a
# mark and of a stamp (s). A marked stamp is "!" and for each writer "SECONDS:TOKEN;".
_SCRIPT = """
local now = tonumber(redis.call('TIME')[1])
local token, fresh, mark_s, stamp_s = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
for _, key in ipairs(KEYS) do
  local marks = ''
  local value = redis.call('GET', key)
  if value and value:sub(1, 1) == '!' then
    for at, writer in value:gmatch('(%d+):([^;]+);') do
      if now - tonumber(at) < mark_s and writer ~= token then
        marks = marks .. at .. ':' .. writer .. ';'
      end
    end
  end
  if fresh == '' then marks = marks .. now .. ':' .. token .. ';' end
  if marks ~= '' then redis.call('SET', key, '!' .. marks, 'EX', mark_s)
  else redis.call('SET', key, fresh, 'EX', stamp_s) end
end
"""


class Found(NamedTuple):
    """What a look-up found. ``stamps`` is None while somebody commits: keep nothing then."""

    entry: Entry | None
    stamps: bytes | None


def look_up(key: str, groups: Collection[str]) -> Found:
    """Return the entry under ``key`` if it counts, and its groups' stamps. One round trip."""
    names = [_stamp(group) for group in (ALL, *groups)]
    life = redis.life()
    raw, *found = _mget([_entry(key), *names])
    if None in found:
        raw, found = None, _make(names)
    if redis.life() != life:
        raise redis.AnotherLife("Redis was restarted")
    stamps = [stamp for stamp in found if isinstance(stamp, bytes) and stamp]
    if len(stamps) != len(names):
        raise Rubbish("a stamp is not one of ours")
    if any(stamp.startswith(_MARKED) for stamp in stamps):
        return Found(None, None)
    joined = b"".join(stamps)
    return Found(None if raw is None else entries.unpack(key, joined, raw), joined)


def keep(key: str, stamps: bytes, entry: Entry, *, ttl_s: int) -> None:
    """Keep ``entry``, computed after ``stamps`` were read, and let the next one compute."""
    pipeline = redis.client().pipeline(transaction=False)
    pipeline.set(_entry(key), entries.pack(key, stamps, entry), ex=ttl_s)
    pipeline.delete(_lock(key, stamps))
    pipeline.execute()


def lock(key: str, stamps: bytes) -> bool:
    """Try to be the only one who computes ``key`` under these stamps."""
    return bool(redis.client().set(_lock(key, stamps), b"1", px=_LOCK_MS, nx=True))


def unlock(key: str, stamps: bytes) -> None:
    redis.client().delete(_lock(key, stamps))


def mark(groups: Collection[str], token: str) -> None:
    """Hold the groups back: the writer ``token`` is about to commit. One round trip."""
    _run(groups, token, fresh="")


def renew(groups: Collection[str], token: str) -> None:
    """Make every entry of the groups void, and end the marks of ``token``. One round trip."""
    _run(groups, token, fresh=new_token())


def new_token() -> str:
    return secrets.token_urlsafe(_STAMP_BYTES)[:_STAMP_BYTES]


def _run(groups: Collection[str], token: str, *, fresh: str) -> None:
    keys = [_stamp(group) for group in sorted(groups)]
    arguments = [token, fresh, str(MARK_S), str(_STAMP_TTL_S)]
    client = redis.client()
    client.register_script(_SCRIPT)(keys=keys, args=arguments, client=client)


_written_at = 0.0


def _mget(keys: list[str]) -> list[object]:
    """A server that has become read-only would answer for ever: see now and then that it isn't."""
    global _written_at  # noqa: PLW0603
    client = redis.client()
    if monotonic() - _written_at < BEAT_S:
        return _of_length(client.mget(keys), len(keys))
    pipeline = client.pipeline(transaction=False)
    pipeline.set(f"{space()}:beat", b"1", ex=60)
    pipeline.mget(keys)
    found = pipeline.execute()[-1]
    _written_at = monotonic()
    return _of_length(found, len(keys))


def _make(names: list[str]) -> list[object]:
    """Give a stamp to each group without one; whoever comes first decides."""
    pipeline = redis.client().pipeline(transaction=False)
    for name in names:
        pipeline.set(name, new_token(), ex=_STAMP_TTL_S, nx=True)
    pipeline.mget(names)
    return _of_length(pipeline.execute()[-1], len(names))


def _of_length(found: object, length: int) -> list[object]:
    if not isinstance(found, list) or len(found) != length:
        raise Rubbish("MGET was answered by something else")
    return found


def space() -> str:
    """Return what the keys of the present server's life begin with. Raises ``RedisError``."""
    return f"{redis.prefix()}:{entries.LAYOUT}:{redis.life()}"


def _entry(key: str) -> str:
    return f"{space()}:{key}"


def _stamp(group: str) -> str:
    return f"{space()}:stamp:{group}"


def _lock(key: str, stamps: bytes) -> str:
    return f"{space()}:lock:{entries.tag_of(stamps)}:{key}"
