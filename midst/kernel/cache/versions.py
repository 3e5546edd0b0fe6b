"""Cache versions: each group has one in Redis, a random token that is used once.

A writer sets its groups *pending* before it commits (the version becomes a list of the writers
that are committing) and gives them new versions afterwards. An entry is valid while the versions
of its groups are those that were read **before** its query, and never while one of them is
pending. ``docs/cache.md`` proves that this is enough.

Every function raises ``RedisError`` when Redis does not reply, or replies something unexpected.
"""

import secrets
from collections.abc import Collection
from time import monotonic
from typing import NamedTuple

from midst.kernel import redis
from midst.kernel.cache import entries
from midst.kernel.cache.entries import Entry, UnexpectedReply

# The group that every entry belongs to.
ALL = "all"

# How long the groups of a writer that was killed stay pending (s). A COMMIT takes less.
PENDING_S = 10
# Longer than any entry lives: when a version expires, its entries become invalid.
_VERSION_TTL_S = 7 * 24 * 3600
_VERSION_BYTES = 12
_PENDING = b"!"
# How long reads may go on without a test write (s): see ``_mget``.
HEARTBEAT_S = 1.0
_LOCK_MS = 5_000

# KEYS: versions. ARGV: the writer's token, a new version ("": set pending instead), how long a
# pending writer and a version live (s). A pending version is "!" and, for each writer,
# "SECONDS:TOKEN;".
_SCRIPT = """
local now = tonumber(redis.call('TIME')[1])
local token, fresh, pending_s, version_s = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
for _, key in ipairs(KEYS) do
  local writers = ''
  local value = redis.call('GET', key)
  if value and value:sub(1, 1) == '!' then
    for at, writer in value:gmatch('(%d+):([^;]+);') do
      if now - tonumber(at) < pending_s and writer ~= token then
        writers = writers .. at .. ':' .. writer .. ';'
      end
    end
  end
  if fresh == '' then writers = writers .. now .. ':' .. token .. ';' end
  if writers ~= '' then redis.call('SET', key, '!' .. writers, 'EX', pending_s)
  else redis.call('SET', key, fresh, 'EX', version_s) end
end
"""


Command = tuple[str, ...]


class Lookup(NamedTuple):
    """The result of a look-up. ``versions`` is None while a writer commits: store nothing then."""

    entry: Entry | None
    versions: bytes | None


def look_up(key: str, groups: Collection[str]) -> Lookup:
    """Return the entry under ``key`` if it is valid, and its groups' versions. One round trip."""
    names = [version_key(group) for group in (ALL, *groups)]
    run_id = redis.server_run_id()
    return _judged(key, names, _mget([entry_key(key), *names]), run_id)


def lock_and_look_up(key: str, groups: Collection[str], versions: bytes) -> tuple[bool, Lookup]:
    """Try to become the only one who computes ``key`` for ``versions``; then look it up again.

    Whoever had the lock may have stored the entry just before it was got here. One round trip.
    """
    names = [version_key(group) for group in (ALL, *groups)]
    run_id = redis.server_run_id()
    pipeline = redis.client().pipeline(transaction=False)
    pipeline.set(_lock_key(key, versions), b"1", px=_LOCK_MS, nx=True)
    pipeline.mget([entry_key(key), *names])
    locked, values = pipeline.execute()
    found = _of_length(values, 1 + len(names))
    return bool(locked), _judged(key, names, found, run_id)


def _judged(key: str, names: list[str], values: list[object], run_id: str) -> Lookup:
    """Judge the entry and the versions in ``values``; versions that are absent are created."""
    raw, *found = values
    if None in found:
        raw, found = None, _create(names, found)
    if redis.server_run_id() != run_id:
        raise redis.ServerChanged("Redis was restarted during the look-up")
    return judge(key, raw, found)


def judge(key: str, raw: object, found: Collection[object]) -> Lookup:
    """Return the entry in ``raw`` if it is valid for the versions ``found``, and those.

    Raises ``UnexpectedReply``, also for a version that is absent.
    """
    versions = [version for version in found if isinstance(version, bytes) and version]
    if len(versions) != len(found):
        raise UnexpectedReply("a version is not one of ours")
    if any(version.startswith(_PENDING) for version in versions):
        return Lookup(None, None)
    joined = b"".join(versions)
    return Lookup(None if raw is None else entries.unpack(key, joined, raw), joined)


def commands(run_id: str, key: str, groups: Collection[str]) -> tuple[Command, Command]:
    """Return the commands of one look-up at the server ``run_id``, for a client of another kind.

    The first is the test write that has to come once per ``HEARTBEAT_S``, the second replies what
    ``judge`` takes: the entry, then the versions. The reader must know that what replies is the
    server with this run id.
    """
    start = f"{redis.prefix()}:{entries.LAYOUT}:{run_id}"
    versions = (f"{start}:version:{group}" for group in (ALL, *groups))
    heartbeat = ("SET", f"{start}:heartbeat", "1", "EX", "60")
    return heartbeat, ("MGET", f"{start}:{key}", *versions)


def store(key: str, versions: bytes, entry: Entry, *, ttl_s: int) -> None:
    """Store ``entry``, computed after ``versions`` were read, and release the key's lock."""
    pipeline = redis.client().pipeline(transaction=False)
    pipeline.set(entry_key(key), entries.pack(key, versions, entry), ex=ttl_s)
    pipeline.delete(_lock_key(key, versions))
    pipeline.execute()


def lock(key: str, versions: bytes) -> bool:
    """Try to become the only one who computes ``key`` for these versions."""
    return bool(redis.client().set(_lock_key(key, versions), b"1", px=_LOCK_MS, nx=True))


def unlock(key: str, versions: bytes) -> None:
    redis.client().delete(_lock_key(key, versions))


def set_pending(groups: Collection[str], token: str) -> None:
    """Suspend the groups: the writer ``token`` is about to commit. One round trip."""
    _run(groups, token, fresh="")


def invalidate(groups: Collection[str], token: str) -> None:
    """Give the groups new versions, and end what ``token`` set pending. One round trip."""
    _run(groups, token, fresh=new_token())


def new_token() -> str:
    return secrets.token_urlsafe(_VERSION_BYTES)[:_VERSION_BYTES]


def _run(groups: Collection[str], token: str, *, fresh: str) -> None:
    global _written_at  # noqa: PLW0603
    run_id = redis.server_run_id()
    keys = [version_key(group) for group in sorted(groups)]
    arguments = [token, fresh, str(PENDING_S), str(_VERSION_TTL_S)]
    client = redis.client()
    client.register_script(_SCRIPT)(keys=keys, args=arguments, client=client)
    if redis.server_run_id() != run_id:
        raise redis.ServerChanged("Redis was restarted meanwhile: these keys mean nothing to it")
    # As good as the test write of a look-up.
    _written_at = monotonic()


_written_at = 0.0


def _mget(keys: list[str]) -> list[object]:
    """Read ``keys``, with a test write once per ``HEARTBEAT_S``.

    A server that has become read-only would otherwise go on answering with old versions.
    """
    global _written_at  # noqa: PLW0603
    client = redis.client()
    if monotonic() - _written_at < HEARTBEAT_S:
        return _of_length(client.mget(keys), len(keys))
    pipeline = client.pipeline(transaction=False)
    pipeline.set(f"{key_prefix()}:heartbeat", b"1", ex=60)
    pipeline.mget(keys)
    found = pipeline.execute()[-1]
    _written_at = monotonic()
    return _of_length(found, len(keys))


def _create(names: list[str], found: list[object]) -> list[object]:
    """Create the versions that were not ``found``; with several writers the first one wins."""
    absent = [name for name, version in zip(names, found, strict=True) if version is None]
    pipeline = redis.client().pipeline(transaction=False)
    for name in absent:
        pipeline.set(name, new_token(), ex=_VERSION_TTL_S, nx=True)
    pipeline.mget(absent)
    created = iter(_of_length(pipeline.execute()[-1], len(absent)))
    return [next(created) if version is None else version for version in found]


def _of_length(found: object, length: int) -> list[object]:
    if not isinstance(found, list) or len(found) != length:
        raise UnexpectedReply("MGET was answered with something else")
    return found


def key_prefix() -> str:
    """Return what the keys of the running Redis process begin with. Raises ``RedisError``."""
    return f"{redis.prefix()}:{entries.LAYOUT}:{redis.server_run_id()}"


def entry_key(key: str) -> str:
    """Return the name in Redis of the entry ``key``. Raises ``RedisError``."""
    return f"{key_prefix()}:{key}"


def emptied_age_s(within_s: float) -> float | None:
    """Return for how long (s) the cache has been there, when a FLUSHALL or FLUSHDB emptied it.

    Every entry's group gets a version at the first read after that, for ``_VERSION_TTL_S``. None:
    it is older than ``within_s``, the server was not flushed since its start, or nothing was read
    since. One TTL; the statistics of all commands are asked for in those seconds alone.
    """
    client = redis.client()
    left_s = client.ttl(version_key(ALL))
    age_s = float(_VERSION_TTL_S - left_s)
    if left_s < 0 or age_s >= within_s:
        return None
    was_flushed = {"cmdstat_flushall", "cmdstat_flushdb"} & set(client.info("commandstats"))
    return age_s if was_flushed else None


def version_key(group: str) -> str:
    """Return the name in Redis of the version of ``group``. Raises ``RedisError``."""
    return f"{key_prefix()}:version:{group}"


def _lock_key(key: str, versions: bytes) -> str:
    return f"{key_prefix()}:lock:{entries.tag_of(versions)}:{key}"
