"""Databases that live as long as a comparison, on the server of the default alias."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

import psycopg
from django.db import connections
from psycopg import sql


class CouldNotCompare(Exception):
    """Two builds can't be run side by side; the message says why, and what to do."""


def create(name: str, *, like: str = "template0") -> None:
    """Raises ``CouldNotCompare`` when the role may not, or the server can't."""
    try:
        _execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(like)
            )
        )
    except psycopg.errors.InsufficientPrivilege as error:
        raise CouldNotCompare(
            "The role of the default database may not create databases: ALTER ROLE ... CREATEDB."
        ) from error
    except psycopg.Error as error:
        raise CouldNotCompare(f"No database for the comparison: {error}") from error


def drop(name: str) -> None:
    _execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def analyse(name: str) -> None:
    """Leave both databases vacuumed and analysed alike: plans depend on it."""
    with connected(name) as connection:
        connection.execute("VACUUM ANALYZE")


def _execute(statement: sql.Composed) -> None:
    with connected() as connection:
        connection.execute(statement)


@contextmanager
def connected(database: str = "") -> Iterator[psycopg.Connection]:
    """Yield a connection to a database of the default alias' server; "": its own."""
    wrapper = connections["default"].copy()
    wrapper.settings_dict["OPTIONS"].pop("pool", None)
    params = wrapper.get_connection_params()
    for name in ("cursor_factory", "context", "prepare_threshold"):
        params.pop(name, None)
    if database:
        params["dbname"] = database
    connection: psycopg.Connection = psycopg.connect(**params, autocommit=True)
    with connection:
        yield connection


def url_of(database: str) -> str:
    given: Mapping[str, object] = connections["default"].settings_dict
    user, password, host, port = (
        quote(str(given.get(name) or ""), safe="") for name in ("USER", "PASSWORD", "HOST", "PORT")
    )
    who = f"{user}:{password}" if password else user
    return f"postgres://{who}@{host}{f':{port}' if port else ''}/{database}"
