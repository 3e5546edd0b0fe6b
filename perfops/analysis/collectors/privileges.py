"""What the role may not see: hidden rows are an incomplete source, and never a healthy one."""

from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.analysis.collectors.unavailable import UnavailableSource
from perfops.database.connections import MARK

# pg_stats hides the rows of tables that the role may not read, also by row security; the numbers
# of a sequence need a right as well.
_HIDDEN = f"""{MARK} SELECT current_user, pg_has_role('pg_read_all_stats', 'USAGE'),
    (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
            AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            AND (NOT has_table_privilege(c.oid, 'SELECT')
                AND NOT has_any_column_privilege(c.oid, 'SELECT')
                OR row_security_active(c.oid))),
    (SELECT count(*) FROM pg_class c
        WHERE c.relpersistence <> 't' AND CASE WHEN c.relkind = 'S'
            THEN NOT has_sequence_privilege(c.oid, 'SELECT, USAGE') ELSE false END)"""


def hidden(cursor: CursorWrapper) -> tuple[UnavailableSource, ...]:
    """Return the sources of which rights or row security hide a part."""
    cursor.execute(_HIDDEN)
    role, reads_statistics, tables, sequences = cursor.fetchone()
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
        reason = f"the role {role} may not read {tables} of the tables"
        found += [
            UnavailableSource(
                "bloat", reason, "How much of these tables is empty space is not known.", fix
            ),
            UnavailableSource(
                "pg_stats", reason, "Whether these tables have statistics is not known.", fix
            ),
        ]
    if sequences or tables:
        reason = (
            f"the role {role} may not read {sequences} of the sequences and {tables} of the tables"
        )
        cost = "Whether their numbers run out is not known."
        found.append(UnavailableSource("sequences", reason, cost, fix))
    return tuple(found)
