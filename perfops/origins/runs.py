"""Which load run a request belongs to, and what each run asked of the database.

A request says so in W3C Baggage. Anyone can send that header, so the run's id is signed with the
project's SECRET_KEY: only what the project's own load generator sends is counted for a run.
"""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from django.core.signing import BadSignature, Signer
from django.db.backends.utils import CursorWrapper

from perfops.database.connections import MARK
from perfops.models.origins import RunRoute, RunStatement
from perfops.models.runs import LoadRun
from perfops.origins import store
from perfops.origins.counts import RunCounts

_RUN, _SIGNATURE = "perfops.run", "perfops.signature"
_SALT = "perfops.run"
# A client's header is not worth more work than this.
_LONGEST = 8192

_UPDATES = """calls = kept.calls + excluded.calls,
    total_ms = kept.total_ms + excluded.total_ms,
    rows = kept.rows + excluded.rows"""
# A run that was deleted meanwhile gets nothing.
_RUNS = f"JOIN {LoadRun._meta.db_table} AS known ON known.id = new.run"
_WRITE = f"""{MARK}
WITH texts AS ({store.WRITE_TEXTS})
INSERT INTO {RunStatement._meta.db_table} AS kept
    (run_id, template_id, site, function, name, relation, calls, total_ms, rows, executions,
     max_calls_per_execution, repeated_executions, repeated_calls)
SELECT new.* FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[],
        %s::text[], %s::bigint[], %s::float[], %s::bigint[], %s::bigint[], %s::bigint[],
        %s::bigint[], %s::bigint[])
    AS new (run, template, site, function, name, relation, calls, ms, rows, executions, most,
        repeated, repeats) {_RUNS}
ON CONFLICT (run_id, template_id, name, site) DO UPDATE SET {_UPDATES},
    relation = greatest(kept.relation, excluded.relation),
    executions = kept.executions + excluded.executions,
    repeated_executions = kept.repeated_executions + excluded.repeated_executions,
    repeated_calls = kept.repeated_calls + excluded.repeated_calls,
    max_calls_per_execution =
        greatest(kept.max_calls_per_execution, excluded.max_calls_per_execution)
"""
_WRITE_ROUTES = f"""{MARK}
INSERT INTO {RunRoute._meta.db_table} AS kept (run_id, name, requests, calls, total_ms, rows)
SELECT new.* FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::float[],
        %s::bigint[])
    AS new (run, name, requests, calls, ms, rows) {_RUNS}
ON CONFLICT (run_id, name) DO UPDATE SET {_UPDATES}, requests = kept.requests + excluded.requests
"""


def baggage(run_id: int) -> str:
    """Return the header's value that tells that a request belongs to the run ``run_id``."""
    return f"{_RUN}={run_id},{_SIGNATURE}={Signer(salt=_SALT).signature(str(run_id))}"


@lru_cache(maxsize=64)
def run_of(header: str) -> int:
    """Return the run that a ``baggage`` header names and proves; 0 where it does not."""
    if _RUN not in header or len(header) > _LONGEST:
        return 0
    members = (member.partition(";")[0].partition("=") for member in header.split(","))
    said = {name.strip(): unquote(value.strip()) for name, _, value in members}
    try:
        run = Signer(salt=_SALT).unsign(f"{said.get(_RUN, '')}:{said.get(_SIGNATURE, '')}")
    except BadSignature:
        return 0
    return int(run)


def write(cursor: CursorWrapper, runs: RunCounts) -> None:
    """Add ``runs`` to what is stored. Raises ``django.db.DatabaseError``."""
    # Every process takes the locks in the same order.
    rows = sorted(
        (run, store.key(sent.database, sent.text), *sent.site, sent.name, total.relation,
         total.calls, total.seconds * 1000, total.rows, total.executions, total.most,
         total.repeated_executions, total.repeated_calls)
        for (run, sent), total in runs.calls.items()
    )  # fmt: skip
    if rows:
        texts = store.texts({sent: total for (_, sent), total in runs.calls.items()})
        cursor.execute(_WRITE, [*texts, *store.columns(rows, 13)])
        runs.calls.clear()
    routes = sorted(
        (run, name, total.executions, total.calls, total.seconds * 1000, total.rows)
        for (run, name), total in runs.routes.items()
    )
    if routes:
        cursor.execute(_WRITE_ROUTES, store.columns(routes, 6))
        runs.routes.clear()


@dataclass(frozen=True, slots=True)
class RouteCalls:
    """What the requests of one route asked of the database in a run; ``total_ms``: as they waited.

    ``statements``: those that took longest first, each with its ``template``.
    """

    name: str
    requests: int
    calls: int
    total_ms: float
    rows: int
    statements: tuple[RunStatement, ...]


def of_run(run_id: int) -> list[RouteCalls]:
    """Return the routes of a run, the one that took most of the database's time first.

    Two queries. Whole about ``ORIGIN_FLUSH_S`` after the end: then all processes have written.
    """
    statements: dict[str, list[RunStatement]] = {}
    rows = RunStatement.objects.filter(run=run_id).select_related("template")
    for each in rows.defer("template__sample", "template__stack").order_by("-total_ms", "id"):
        statements.setdefault(each.name, []).append(each)
    return [
        RouteCalls(
            route.name, route.requests, route.calls, route.total_ms, route.rows,
            tuple(statements.get(route.name, ())),
        )
        for route in RunRoute.objects.filter(run=run_id).order_by("-total_ms", "name")
    ]  # fmt: skip
