"""Which aliases of DATABASES are one database, on the servers of one cluster."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections, router
from django.db.backends.utils import CursorWrapper

from perfops.database import connections as session
from perfops.database.connections import MARK

log = logging.getLogger(__name__)

# Which database of which cluster: a replica has both numbers of its primary.
_IDENTITY = f"""{MARK} SELECT (SELECT system_identifier FROM pg_control_system()),
    (SELECT oid FROM pg_database WHERE datname = current_database()), pg_is_in_recovery()"""


@dataclass(frozen=True, slots=True)
class _Place:
    database: tuple[int, int]
    is_replica: bool


def primary_of(alias: str) -> str:
    """Return the alias whose tables ``alias`` has: another one where it is a read replica.

    Django may be told so by ``TEST = {"MIRROR": "default"}`` of the replica in ``DATABASES``. Else
    the servers are asked, where the routers migrate nothing to ``alias``.
    """
    test: dict[str, Any] = connections[alias].settings_dict.get("TEST") or {}
    if test.get("MIRROR"):
        return str(test["MIRROR"])
    if any(router.allow_migrate_model(alias, model) for model in apps.get_models()):
        return alias
    own = _place(alias)
    if own is None or not own.is_replica:
        return alias
    return next((other for other, place in _beside(alias, own) if not place.is_replica), alias)


def on_replicas[T](alias: str, read: Callable[[CursorWrapper], T]) -> dict[str, T | Error]:
    """Return what ``read`` returns, or the error that it met, on each read replica of the database
    ``alias`` that answers. None is known where the role may not read which cluster it is.
    """
    own = _place(alias) if len(list(connections)) > 1 else None
    found: dict[str, T | Error] = {}
    if own is None or own.is_replica:
        return found
    for other in connections:
        if other == alias:
            continue
        try:
            with session.reading(other) as cursor:
                if _place_of(cursor) == _Place(own.database, is_replica=True):
                    found[other] = _read(cursor, read)
        except (Error, ImproperlyConfigured) as error:
            _log_unknown(other, error)
    return found


def _read[T](cursor: CursorWrapper, read: Callable[[CursorWrapper], T]) -> T | Error:
    try:
        return read(cursor)
    except Error as error:
        return error


def _beside(alias: str, own: _Place) -> Iterator[tuple[str, _Place]]:
    for other in connections:
        place = None if other == alias else _place(other)
        if place is not None and place.database == own.database:
            yield other, place


def _place(alias: str) -> _Place | None:
    try:
        with session.reading(alias) as cursor:
            return _place_of(cursor)
    except (Error, ImproperlyConfigured) as error:
        _log_unknown(alias, error)
        return None


def _place_of(cursor: CursorWrapper) -> _Place:
    cursor.execute(_IDENTITY)
    cluster, database, is_replica = cursor.fetchone()
    return _Place((cluster, database), is_replica)


def _log_unknown(alias: str, error: Exception) -> None:
    log.info("whether %s is a read replica is not known: %s", alias, type(error).__name__)
