"""Invalidation around a COMMIT: pending before it, new versions right after it.

The database backend (``midst.kernel.postgres``) calls ``before_commit`` just before it commits.
Nothing here raises because of Redis.
"""

from collections.abc import Collection, Iterable

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from redis.exceptions import RedisError

from midst.kernel.cache import versions
from midst.kernel.cache.circuit import circuit


class _Invalidation:
    """The groups that a transaction has changed; called after its COMMIT."""

    __slots__ = ("groups", "token")

    def __init__(self, groups: Iterable[str]) -> None:
        self.groups = frozenset(groups)
        self.token = ""

    def __call__(self) -> None:
        if self.groups:
            _invalidate(self.groups, self.token)


def invalidate_on_commit(*groups: str, using: str = DEFAULT_DB_ALIAS) -> None:
    """Invalidate every entry of ``groups`` when the current transaction has been committed.

    Outside a transaction that is at once. Call it after a write by raw SQL.
    """
    transaction.on_commit(_Invalidation(groups), using=using)


def invalidate(groups: Collection[str]) -> None:
    """Invalidate every entry of ``groups`` now, or as soon as Redis is available again."""
    _invalidate(frozenset(groups), "")


def before_commit(connection: BaseDatabaseWrapper) -> None:
    """Set pending what the transaction that is about to be committed will invalidate."""
    waiting = _waiting(connection)
    if not waiting:
        return
    first, *others = waiting
    # One round trip for all of them, by the first.
    first.groups = frozenset().union(*(each.groups for each in waiting))
    for each in others:
        each.groups = frozenset()
    if not circuit.takes_writes():
        return
    first.token = versions.new_token()
    try:
        versions.set_pending(first.groups, first.token)
    except RedisError as error:
        circuit.record_failure(error)


def changed_in_transaction(groups: Collection[str], *, using: str = DEFAULT_DB_ALIAS) -> bool:
    """Say whether the current transaction has changed any of the groups, unseen by others."""
    return any(not each.groups.isdisjoint(groups) for each in _waiting(connections[using]))


def _waiting(connection: BaseDatabaseWrapper) -> list[_Invalidation]:
    """Return what is still to be invalidated; a savepoint's rollback has removed its share."""
    return [hook[1] for hook in connection.run_on_commit if isinstance(hook[1], _Invalidation)]


def _invalidate(groups: frozenset[str], token: str) -> None:
    if not circuit.takes_writes():
        circuit.enqueue(groups, _NotSent("Redis is not available"))
        return
    try:
        versions.invalidate(groups, token)
    except RedisError as error:
        circuit.enqueue(groups, error)


class _NotSent(RedisError):
    """The command was not sent: the circuit is open."""
