"""Histories as a project may have them: runs, budgets, statements, analyses; made at random."""

import dataclasses
from datetime import timedelta

from django.utils import timezone
from hypothesis import strategies as st

from perfops.analysis import findings
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.incidents import Incident
from perfops.budgets import services as budgets
from perfops.budgets import verdicts
from perfops.load.validity import VALID
from perfops.models import (
    Analysis,
    Budget,
    Finding,
    LoadRun,
    QueryOrigin,
    QueryTemplate,
    RouteResult,
    ScopeTotal,
)
from perfops.models.origins import RunRoute, RunStatement
from tests.perfops.budgets.test_verdicts import GOOD

ROUTES = ("GET /profiles", "POST /profiles/{slug}")
TARGET = "http://127.0.0.1:1"
_MS = st.floats(0.01, 90_000).map(lambda ms: round(ms, 3))
_SHARE = st.floats(0, 1).map(lambda share: round(share, 5))
_COUNT = st.integers(1, 3_000_000)
_QUANTILES = st.lists(_MS, min_size=6, max_size=6).map(
    lambda drawn: dict(zip(("p50", "mean", "p90", "p95", "p99", "max"), sorted(drawn), strict=True))
)


@st.composite
def _run(draw):
    requests = draw(_COUNT)
    errors = draw(st.integers(0, requests))
    summary = {
        **dataclasses.replace(
            GOOD, requests=requests, errors=errors, error_rate=errors / requests,
            latency_ms=draw(_QUANTILES), intended_latency_ms=draw(_QUANTILES),
            cache_hit_rate=draw(_SHARE),
        ).as_row(),
        "sustained_throughput": draw(st.floats(1, 20_000)),
    }  # fmt: skip
    per_request = draw(st.floats(0, 5000))
    server = {"db_cache_hit_rate": draw(_SHARE), "queries_per_request": per_request}
    routes = [
        {"route": route, "requests": draw(_COUNT), "errors": draw(st.integers(0, 9)),
         "cache_hits": draw(st.integers(0, 99)), "cache_misses": draw(st.integers(0, 99)),
         "p50_ms": draw(_MS), "p95_ms": draw(_MS), "p99_ms": draw(_MS), "max_ms": draw(_MS),
         "scheduled_p95_ms": draw(_MS)}
        for route in ROUTES
    ]  # fmt: skip
    sent = [
        {"requests": draw(_COUNT), "calls": draw(_COUNT), "total_ms": draw(_MS)} for _ in ROUTES
    ]
    return {"summary": summary, "server": server, "routes": routes, "sent": sent}


HISTORY = st.fixed_dictionaries(
    {
        "runs": st.lists(_run(), min_size=2, max_size=3),
        "thresholds": st.lists(st.tuples(_MS, st.booleans()), min_size=2, max_size=2),
        "severities": st.lists(
            st.lists(st.sampled_from(["error", "warning", "info"]), min_size=1, max_size=3),
            min_size=1, max_size=4,
        ),
        "impacts": st.lists(st.none() | _SHARE, min_size=4, max_size=4),
        "apart": st.lists(st.sampled_from(["", "", "backups"]), min_size=4, max_size=4),
        "statuses": st.lists(
            st.sampled_from(["open", "open", "acknowledged", "muted", "resolved"]),
            min_size=12, max_size=12,
        ),
        "sent": st.lists(st.tuples(_COUNT, _MS, _COUNT), min_size=3, max_size=3),
    }
)  # fmt: skip


def make(drawn):
    """Write a drawn history; return its runs and its analysis."""
    now = timezone.now()
    Budget.objects.exclude(metric__in=["latency_p95", "error_rate"]).delete()
    for route, (threshold, is_gate) in zip(ROUTES, drawn["thresholds"], strict=True):
        Budget.objects.create(
            metric="latency_p95", route=route, target=threshold / 2, threshold=threshold,
            action="fail" if is_gate else "warn",
        )  # fmt: skip
    templates = [
        QueryTemplate.objects.create(
            id=number, database="default", text=f"SELECT {number} FROM shop", first_seen_at=now
        )
        for number in range(1, 4)
    ]
    for template, route, (calls, ms, executions) in zip(
        templates, ("GET /a", "GET /b", "GET /b"), drawn["sent"], strict=True
    ):
        hour = now.replace(minute=0, second=0, microsecond=0)
        for at in (hour, hour - timedelta(days=3)):
            QueryOrigin.objects.create(
                template=template, site=f"shop/views.py:{template.pk}", kind="request", name=route,
                at=at, calls=calls, total_ms=ms, rows=calls, executions=executions,
                max_calls_per_execution=calls,
            )  # fmt: skip
    for route, rows in (("GET /a", drawn["sent"][:1]), ("GET /b", drawn["sent"][1:])):
        ScopeTotal.objects.create(
            database="default", kind="request", name=route, at=hour,
            executions=max(row[2] for row in rows), calls=sum(row[0] for row in rows),
            total_ms=sum(row[1] for row in rows), max_calls_per_execution=9, repeated_calls=0,
        )  # fmt: skip
    runs = [_made(each, templates) for each in drawn["runs"]]
    return runs, _analysed(drawn, now)


def _made(drawn, templates):
    run = LoadRun.objects.create(
        scenario="api-load", target=TARGET, state="finished", summary=drawn["summary"],
        server=drawn["server"], plan={"duration_s": 60.0, "requests": 100, "peak_rate": 50.0},
    )  # fmt: skip
    for each in drawn["routes"]:
        RouteResult.objects.create(run=run, **each)
    for template, route, sent in zip(templates, ROUTES, drawn["sent"], strict=False):
        calls, ms = sent["calls"], sent["total_ms"]
        RunRoute.objects.create(run=run, name=route, rows=calls, **sent)
        RunStatement.objects.create(
            run=run, template=template, site="shop/views.py:7", name=route, calls=calls,
            total_ms=ms, rows=calls, executions=sent["requests"], max_calls_per_execution=1,
            repeated_executions=0, repeated_calls=0,
        )  # fmt: skip
    run.verdict, run.reasons = verdicts.weigh(budgets.evaluate(run), VALID)
    run.save()
    return run


def _analysed(drawn, now):
    parts, number = [], 0
    for place, severities in enumerate(drawn["severities"]):
        issues = []
        for severity in sorted(severities, key=["error", "warning", "info"].index):
            number += 1
            issues.append(
                DetectedIssue(
                    "unused_indexes", f"public.t{number:02}", severity, f"Issue {number:02}",
                    "why", "remedy",
                )
            )  # fmt: skip
        parts.append(Incident(tuple(issues), drawn["impacts"][place], drawn["apart"][place]))
    issues = [each for part in parts for each in part.issues]
    counts = {s: sum(each.severity == s for each in issues) for s in ("error", "warning", "info")}
    analysis = Analysis.objects.create(
        state="finished", counts=counts, finished_at=now, window_s=60.0
    )
    stored = findings.record(analysis, issues, incidents=parts)
    for finding, status in zip(stored, drawn["statuses"], strict=False):
        muted = {"muted_until": now.date() + timedelta(days=9), "mute_reason": "known"}
        changes = {"muted": muted, "resolved": {"resolved_at": now}}.get(status, {})
        Finding.objects.filter(pk=finding.pk).update(status=status, **changes)
    return analysis
