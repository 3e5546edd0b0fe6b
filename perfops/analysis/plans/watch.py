"""Looking at plans on request, and watching those of the costliest statements for changes."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from django.db import DatabaseError
from django.db.models import Sum
from django.utils import timezone

from perfops.analysis.plans import causes, explain, tree
from perfops.analysis.plans.causes import Circumstances
from perfops.analysis.plans.explain import NoPlan
from perfops.conf import conf
from perfops.database import connections as session
from perfops.formatting import first_line
from perfops.models.origins import QueryPlan, QueryTemplate
from perfops.origins import parameters as samples

log = logging.getLogger(__name__)

_WATCHED = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Explained:
    """A plan, and how it was made: ``how`` is a sentence."""

    plan: dict[str, Any]
    how: str


def explain_query(template: QueryTemplate, *, analyse: bool = False) -> Explained:
    """Return the plan of ``template``, with its sampled parameters if there are any.

    ``analyse``: really run it, read-only and rolled back. Raises ``NoPlan``.
    """
    try:
        with session.reading(template.database) as cursor:
            params = None if template.sample is None else samples.decode(template.sample)
            if analyse:
                if params is None and "%" in template.text:
                    raise NoPlan(
                        "Its parameters are not known, and it can't be run without: turn on "
                        'PERFOPS["SAMPLE_PARAMETERS"], or run EXPLAIN (ANALYZE) by hand.'
                    )
                found = explain.analysed(cursor, template.text, params)
                return Explained(
                    found, "It was run just now in a read-only transaction, which was rolled back."
                )
            if params is not None:
                found = explain.with_values(cursor, template.text, params)
                return Explained(found, "Planned for one set of parameters that was really sent.")
            return Explained(
                explain.generic(cursor, template.text),
                "The generic plan: the parameters are not known.",
            )
    except DatabaseError as error:
        reason = first_line(error)
        raise NoPlan(f"The database {template.database!r} does not answer: {reason}") from error


def watch(database: str = "default") -> list[QueryPlan]:
    """Look at the generic plans of the costliest statements; return those that are new.

    A statement that can't be planned so is left out. Raises ``django.db.DatabaseError`` when
    the database does not answer. Our own tables are asked four times, however many there are.
    """
    found: dict[str, tuple[dict[str, Any], Circumstances]] = {}
    # Asked before: through a pooler ``cursor`` may hold the only connection.
    costliest = _costliest(database)
    with session.reading(database) as cursor:
        for template in costliest:
            try:
                plan = explain.generic(cursor, template.text)
                circumstances = causes.look(cursor, tree.relations(plan))
                found |= dict.fromkeys(template.queryids, (plan, circumstances))
            except NoPlan as error:
                log.debug("no plan of statement %s: %s", template.pk, error)
            except DatabaseError:
                raise
            except Exception:
                # A plan of a shape that we don't know costs this statement alone.
                log.exception("the plan of statement %s can't be read", template.pk)
    return _note(database, found)


def _costliest(database: str) -> list[QueryTemplate]:
    since = timezone.now() - _WATCHED
    by_cost = (
        QueryTemplate.objects.filter(database=database, origins__at__gte=since)
        .exclude(queryids=[])
        .annotate(cost=Sum("origins__total_ms"))
        .order_by("-cost")
    )
    return list(by_cost[: conf().PLAN_STATEMENTS])


def _note(database: str, found: dict[str, tuple[dict[str, Any], Circumstances]]) -> list[QueryPlan]:
    """Keep the plans, by queryid; return those that took another's place."""
    now = timezone.now()
    newest = {
        plan.queryid: plan
        for plan in QueryPlan.objects.filter(database=database, queryid__in=found)
        .defer("plan")
        .order_by("queryid", "-last_seen_at", "-id")
        .distinct("queryid")
    }
    seen, new, changed = [], [], []
    for queryid, (plan, circumstances) in found.items():
        fingerprint, before = tree.fingerprint(plan), newest.get(queryid)
        kept: dict[str, Any] = {
            "plan": plan,
            "circumstances": msgspec.to_builtins(circumstances),
            "last_seen_at": now,
        }
        if before is not None and before.fingerprint == fingerprint:
            for name, value in kept.items():
                setattr(before, name, value)
            seen.append(before)
            continue
        made = QueryPlan(
            database=database, queryid=queryid, fingerprint=fingerprint, first_seen_at=now,
            causes=[] if before is None else _causes(before, circumstances), **kept,
        )  # fmt: skip
        new.append(made)
        if before is not None:
            changed.append(made)
    QueryPlan.objects.bulk_create(
        seen,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["plan", "circumstances", "last_seen_at"],
    )
    QueryPlan.objects.bulk_create(new)
    return changed


def _causes(before: QueryPlan, after: Circumstances) -> list[str]:
    try:
        known = msgspec.convert(before.circumstances, Circumstances)
    except msgspec.ValidationError:
        return ["What the plan before depended on was kept in another layout."]
    return causes.between(known, after)
