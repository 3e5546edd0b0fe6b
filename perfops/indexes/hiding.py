"""Planning without an index that is there: hypopg (since 1.4) hides it from EXPLAIN."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.database import connections as session
from perfops.database.connections import MARK

Name = tuple[str, str]


def schema(cursor: CursorWrapper) -> str | None:
    """Return where hypopg's functions live, None where it is not there or can't hide."""
    found = session.schema_of(cursor, "hypopg")
    if found is None:
        return None
    hide = sql.Identifier(found, "hypopg_hide_index").as_string(None)
    cursor.execute(f"{MARK} SELECT to_regproc(%s) IS NOT NULL", [hide])
    (can_hide,) = cursor.fetchone()
    return found if can_hide else None


@contextmanager
def hidden(cursor: CursorWrapper, hypopg: str, indexes: Sequence[Name]) -> Iterator[None]:
    """Let this session plan without ``indexes`` for a while; nobody else notices."""
    hide = sql.Identifier(hypopg, "hypopg_hide_index")
    unhide = sql.Identifier(hypopg, "hypopg_unhide_all_indexes")
    mark = sql.SQL(MARK)
    for index in indexes:
        cursor.execute(
            sql.SQL("{} SELECT {}(i) FROM to_regclass({}) AS i WHERE i IS NOT NULL").format(
                mark, hide, sql.Literal(sql.Identifier(*index).as_string(None))
            )
        )
    try:
        yield
    finally:
        cursor.execute(sql.SQL("{} SELECT {}()").format(mark, unhide))
