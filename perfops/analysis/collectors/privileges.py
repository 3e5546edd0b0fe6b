"""What the role may not see: hidden rows are an incomplete source, and never a healthy one."""

from collections.abc import Sequence

from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.analysis.collectors.unavailable import UnavailableSource
from perfops.database.connections import MARK

# So many objects are told one by one; of more, the whole source is incomplete.
_MOST_NAMED = 200
_FEW = 3
# pg_stats hides the rows of tables that the role may not read, also by row security; the numbers
# of a sequence need a right as well. A sequence counts for the table whose column it fills.
_HIDDEN = f"""{MARK} WITH tables AS (
        SELECT c.oid, n.nspname || '.' || c.relname AS name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
            AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            AND (NOT has_table_privilege(c.oid, 'SELECT')
                AND NOT has_any_column_privilege(c.oid, 'SELECT')
                OR row_security_active(c.oid))
    ), numbered AS (
        SELECT DISTINCT n.nspname || '.' || c.relname AS name
        FROM pg_class s
        JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid
            AND d.deptype IN ('a', 'i')
        JOIN pg_class c ON c.oid = d.refobjid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE s.relpersistence <> 't' AND CASE WHEN s.relkind = 'S'
            THEN NOT has_sequence_privilege(s.oid, 'SELECT, USAGE') ELSE false END
    )
    SELECT current_user, pg_has_role('pg_read_all_stats', 'USAGE'),
        array(SELECT name FROM tables ORDER BY 1),
        array(SELECT n.nspname || '.' || x.relname FROM tables JOIN pg_index i ON i.indrelid = oid
            JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace n ON n.oid = x.relnamespace
            ORDER BY 1),
        array(SELECT name FROM numbered ORDER BY 1)"""


def hidden(cursor: CursorWrapper) -> tuple[UnavailableSource, ...]:
    """Return the sources of which rights or row security hide a part."""
    cursor.execute(_HIDDEN)
    role, reads_statistics, tables, indexes, numbered = cursor.fetchone()
    name = sql.Identifier(role).as_string(None)
    found = []
    if not reads_statistics:
        fix = f"GRANT pg_read_all_stats TO {name};"
        found += [
            UnavailableSource(
                "pg_stat_statements",
                f"the role {role} sees its own statements only",
                "What other users ask of this database is not in the analysis.",
                fix,
            ),
            UnavailableSource(
                "pg_stat_activity",
                f"the role {role} sees what its own sessions do only",
                "Long queries and open transactions of other users are not in the analysis.",
                fix,
            ),
        ]
    fix = f"GRANT pg_read_all_data TO {name};"
    if tables:
        reason = f"the role {role} may not read {_some(tables)} of the tables"
        found += [
            UnavailableSource(
                "bloat", reason, "How much of these tables is empty space is not known.", fix,
                _named(tables, indexes),
            ),
            UnavailableSource(
                "pg_stats", reason, "Whether these tables have statistics is not known.", fix,
                _named(tables),
            ),
        ]  # fmt: skip
    if numbered or tables:
        reason = (
            f"the role {role} may not read the sequences of {len(numbered)} tables, nor "
            f"{len(tables)} of the tables"
        )
        cost = "Whether their numbers run out is not known."
        objects = _named(tables, numbered)
        found.append(UnavailableSource("sequences", reason, cost, fix, objects))
    return tuple(found)


def _some(names: Sequence[str]) -> str:
    """Return how many they are, and which where they are few."""
    few = f" ({', '.join(names)})" if len(names) <= _FEW else ""
    return f"{len(names)}{few}"


def _named(*names: Sequence[str]) -> tuple[str, ...]:
    every = tuple(dict.fromkeys(name for some in names for name in some))
    return every if len(every) <= _MOST_NAMED else ()
