"""What a change makes void: marked before the COMMIT, made void right after it.

``announce`` is called by the database backend (``midst.kernel.postgres``) with the COMMIT still
to come. Nothing here ever raises for Redis' sake.
"""

from collections.abc import Collection, Iterable

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from redis.exceptions import RedisError

from midst.kernel.cache import memory, stamps
from midst.kernel.cache.circuit import circuit


class _Voids:
    """A change's groups, waiting for its transaction to be committed."""

    __slots__ = ("groups", "token")

    def __init__(self, groups: Iterable[str]) -> None:
        self.groups = frozenset(groups)
        self.token = ""

    def __call__(self) -> None:
        if self.groups:
            _renew(self.groups, self.token)


def void_on_commit(*groups: str, using: str = DEFAULT_DB_ALIAS) -> None:
    """Make every entry of ``groups`` void once the present transaction is committed.

    Outside a transaction that is now. After raw SQL this is what to call.
    """
    transaction.on_commit(_Voids(groups), using=using)


def void(groups: Collection[str]) -> None:
    """Make every entry of ``groups`` void now. Redis away: as soon as it is back."""
    _renew(frozenset(groups), "")


def announce(connection: BaseDatabaseWrapper) -> None:
    """Mark what the transaction that is about to be committed will make void."""
    waiting = _waiting(connection)
    if not waiting:
        return
    first, *others = waiting
    # One renewal for all of them, in the place of the first.
    first.groups = frozenset().union(*(each.groups for each in waiting))
    for each in others:
        each.groups = frozenset()
    if not circuit.takes_writes():
        return
    first.token = stamps.new_token()
    try:
        stamps.mark(first.groups, first.token)
    except RedisError as error:
        circuit.failed(error)


def is_changed_here(groups: Collection[str], *, using: str = DEFAULT_DB_ALIAS) -> bool:
    """Say whether the present transaction has changed any of the groups: nobody else sees that."""
    return any(not voids.groups.isdisjoint(groups) for voids in _waiting(connections[using]))


def _waiting(connection: BaseDatabaseWrapper) -> list[_Voids]:
    """What is left of the hooks when savepoints were rolled back."""
    return [hook[1] for hook in connection.run_on_commit if isinstance(hook[1], _Voids)]


def _renew(groups: frozenset[str], token: str) -> None:
    memory.store.clear()
    if not circuit.takes_writes():
        circuit.owe(groups, _Away())
        return
    try:
        stamps.renew(groups, token)
    except RedisError as error:
        circuit.owe(groups, error)


class _Away(RedisError):
    """It was not even tried."""
