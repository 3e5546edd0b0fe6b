"""Are we fine? What the first page and ``manage.py perfops`` say.

From perfops' own tables and the database as it is now; Prometheus is not asked. What it costs
depends on the last day, the last runs and the last analysis, never on how much history there is.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec
from django.db.models import Count, F, Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from perfops import panels, reasons
from perfops.analysis import queries, selectors, sessions
from perfops.analysis.collectors.records import UnavailableSource
from perfops.analysis.selectors import Seen
from perfops.analysis.sessions import Present
from perfops.budgets import selectors as budgets
from perfops.budgets.selectors import Judgement
from perfops.formatting import count_text, severities_text
from perfops.jobs import scheduled
from perfops.jobs.scheduled import Scheduled
from perfops.models.analyses import Analysis, Finding, Recommendation
from perfops.models.budgets import Budget, Evaluation
from perfops.models.origins import QueryOrigin, ScopeTotal
from perfops.models.runs import LoadRun
from perfops.reasons import Reason

_RUNS = 30
# The newest by their key: of their times alone there is no index.
_ANALYSES = 20
_TREND = 20
_TOP = 3
_FINDINGS = 200
_RANK = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class RunFigures:
    """A run that ended with figures; ``p95_ms`` is from the scheduled start, as budgets judge."""

    pk: int
    scenario: str
    target: str
    verdict: str
    at: datetime
    p95_ms: float | None
    error_rate: float | None
    throughput: float | None


@dataclass(frozen=True, slots=True)
class Hour:
    """Requests that sent statements in one hour, and how long their statements took."""

    at: datetime
    requests: int
    total_ms: float


@dataclass(frozen=True, slots=True)
class Incident:
    """Open findings with one cause, the worst first.

    ``impact``: the share of its database's time that its statements took in the analysis.
    ``saves_s``: seconds of the last day's time of it that its fix would save at most.
    """

    findings: tuple[Finding, ...]
    severity: str
    impact: float | None
    saves_s: float | None
    is_proved: bool

    @property
    def database(self) -> str:
        return self.findings[0].database


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next. ``action``: run or analyse, by a button; work or administer, by hand."""

    text: str
    command: str
    action: str


@dataclass(frozen=True, slots=True)
class Overview:
    """``kind``: good, warning, bad or odd (nothing is known yet); ``summary``: in few words.

    ``unjudged``: how many budgets no run could tell about. ``set_apart``: of the open findings,
    those of seeding and the like, which no incident shows. ``reasons``: the worst first. ``runs``:
    of the newest one's scenario and target, newest first. ``analyses``: the newest of each
    database, the newest first.
    """

    at: datetime
    kind: str
    summary: str
    reasons: tuple[Reason, ...]
    runs: tuple[RunFigures, ...]
    active: tuple[LoadRun | Analysis, ...]
    judgements: tuple[Judgement, ...]
    unjudged: int
    analyses: tuple[Analysis, ...]
    open_findings: dict[str, int]
    set_apart: int
    incidents: tuple[Incident, ...]
    hours: tuple[Hour, ...]
    present: dict[str, Present]
    scheduled: tuple[Scheduled, ...]
    steps: tuple[Step, ...]

    def name_of(self, analysis: Analysis) -> str:
        """Its name, with that of its database where several are analysed."""
        of = f" of {analysis.database}" if len(self.analyses) > 1 else ""
        return f"analysis {analysis.pk}{of}"

    @property
    def first(self) -> Reason | None:
        """The reason that the headline names; None where its summary is a sentence already."""
        return self.reasons[0] if self.reasons and self.kind in {"bad", "warning"} else None

    @property
    def others(self) -> tuple[Reason, ...]:
        return self.reasons[1:] if self.first else self.reasons

    @property
    def more(self) -> str:
        """How many reasons the headline does not name."""
        return f"And {len(self.others)} more below." if self.first and self.others else ""

    @property
    def findings_text(self) -> str:
        """How many are open: "1 warning, 2 hints open, 1 of them set apart"; "" for none."""
        found = severities_text(self.open_findings)
        apart = f", {self.set_apart} of them set apart" if self.set_apart else ""
        return f"{found} open{apart}" if found else ""

    @property
    def headline(self) -> str:
        """The state in one sentence, or two."""
        if self.first is None:
            return self.summary
        return f"{self.summary}: {self.first.text} {self.more}".rstrip()


def collect(shown: Iterable[panels.Panel] = ()) -> Overview:
    """Return the state; ``shown``: the project's panels, which count in it.

    12 queries at most, two more for each further database, and one connection to each.

    Raises ``django.db.Error`` when perfops' own tables can't be read.
    """
    runs, (judgements, unjudged) = _runs(), _judgements()
    # A run without a verdict of these is no proof of anything; of the others one run tells more.
    gates = [str(each) for each in unjudged if each.action == Budget.Action.FAIL]
    databases = sessions.databases()
    analyses, analysing = _analyses(databases)
    active: tuple[LoadRun | Analysis, ...] = (*_active_runs(), *analysing)
    hours, day_s = _hours()
    seen = [s for each in analyses for s in selectors.findings_of(each, limit=_FINDINGS)]
    still_open = [each for each in seen if each.finding.status == Finding.Status.OPEN]
    ours = [each for each in still_open if not each.apart]
    open_findings = _open_findings()
    present = {name: sessions.now(name) for name in databases}
    tasks = scheduled.read(timezone.now())
    broken, taken = reasons.of_databases(present)
    bad = [
        *broken,
        *reasons.of_budgets(runs, judgements),
        *reasons.waiting(active),
        *reasons.of_panels(shown, "bad"),
        *reasons.of_findings(open_findings, "error"),
    ]
    worth_a_look = [*taken, *reasons.near(judgements), *reasons.late(tasks)]
    worth_a_look += reasons.not_done(tasks)
    worth_a_look += reasons.of_findings(open_findings, "warning")
    known = bool(runs or analyses)
    if known:
        worth_a_look += reasons.unseen(runs, analyses, gates)
    worth_a_look += reasons.of_panels(shown, "warning", "odd")
    kind = "bad" if bad else "odd" if not known else "warning" if worth_a_look else "good"
    return Overview(
        at=timezone.now(),
        kind=kind,
        summary=_summary(kind, len(judgements), len(unjudged)),
        reasons=(*bad, *worth_a_look),
        runs=runs,
        active=active,
        judgements=judgements,
        unjudged=len(unjudged),
        analyses=analyses,
        open_findings=open_findings,
        set_apart=len(still_open) - len(ours),
        incidents=_incidents(ours, day_s),
        hours=hours,
        present=present,
        scheduled=tasks,
        steps=(*_steps(runs, analyses, active), *_to_judge(runs, unjudged)),
    )


def _summary(kind: str, judged: int, unjudged: int) -> str:
    if kind == "odd":
        return "Not known yet: nothing was measured so far."
    if kind != "good":
        return "Not fine" if kind == "bad" else "Fine, with something to look at"
    if not unjudged:
        return "Fine: every budget holds and no problem is open."
    held = f"{judged} of {count_text(judged + unjudged, 'budget')}"
    return f"Fine as far as measured: {held} were judged and hold, and no problem is open."


def _runs() -> tuple[RunFigures, ...]:
    ended = LoadRun.objects.filter(state=LoadRun.State.FINISHED).order_by("-created_at", "-id")
    ended = ended.exclude(plan__has_key="find_limit")
    rows = ended.values_list(
        "pk", "scenario", "target", "verdict", "created_at",
        F("summary__intended_latency_ms__p95"), F("summary__error_rate"),
        F("summary__sustained_throughput"),
    )[:_RUNS]  # fmt: skip
    found = [RunFigures(*row) for row in rows]
    like = [
        each
        for each in found
        if (each.scenario, each.target) == (found[0].scenario, found[0].target)
    ]
    return tuple(like[:_TREND])


def _active_runs() -> list[LoadRun]:
    rows = LoadRun.objects.filter(state__in=LoadRun.ACTIVE).order_by("created_at")
    return list(rows.only("scenario", "state", "verdict", "created_at")[:_TOP])


def _judgements() -> tuple[tuple[Judgement, ...], list[Budget]]:
    """Return how each budget that counts was judged last, and those that no run could judge."""
    every = budgets.with_newest()
    judged, enabled = budgets.latest(every), [each for each in every if each.enabled]
    found = tuple(judged[each.pk] for each in enabled if each.pk in judged)
    return found, [each for each in enabled if each.pk not in judged]


def _open_findings() -> dict[str, int]:
    rows = Finding.objects.filter(status=Finding.Status.OPEN).values_list("severity")
    return dict(rows.annotate(number=Count("pk")).order_by())


def _analyses(databases: list[str]) -> tuple[tuple[Analysis, ...], list[Analysis]]:
    """Return the newest finished analysis of each database, and those that are under way."""
    newest = list(Analysis.objects.order_by("-pk")[:_ANALYSES])
    found: dict[str, Analysis] = {}
    for each in newest:
        if each.state == Analysis.State.FINISHED and each.database in databases:
            found.setdefault(each.database, each)
    if len(newest) == _ANALYSES:
        for name in databases:
            # One that is analysed less often than the others.
            if name not in found and (older := selectors.newest(name)):
                found[name] = older
    ordered = sorted(found.values(), key=lambda each: each.created_at, reverse=True)
    return tuple(ordered), [each for each in newest if each.is_active]


def _hours() -> tuple[tuple[Hour, ...], dict[str, float]]:
    """Return the last day's hours, and the seconds of it by database."""
    rows = ScopeTotal.objects.filter(at__gte=queries.begin(1), kind=QueryOrigin.Kind.REQUEST)
    by_hour = rows.values("database", hour=TruncHour("at")).annotate(
        number=Sum("executions"), ms=Sum("total_ms")
    )
    hours: defaultdict[datetime, list[float]] = defaultdict(lambda: [0, 0.0])
    day_s: defaultdict[str, float] = defaultdict(float)
    for row in by_hour:
        hours[row["hour"]][0] += row["number"]
        hours[row["hour"]][1] += row["ms"]
        day_s[row["database"]] += row["ms"] / 1000
    return tuple(Hour(at, int(n), ms) for at, (n, ms) in sorted(hours.items())), day_s


def _incidents(seen: list[Seen], day_s: dict[str, float]) -> tuple[Incident, ...]:
    """Return the ``_TOP`` incidents of the open findings ``seen``, by what they would save.

    Of each database at least the first. ``day_s``: seconds of the last day by database.
    """
    groups: defaultdict[object, list[Seen]] = defaultdict(list)
    for each in seen:
        key = ("alone", each.finding.pk) if each.incident is None else each.incident
        groups[each.finding.database, key].append(each)
    pks = [each.finding.pk for its in groups.values() for each in its]
    proved = Recommendation.objects.filter(finding__in=pks).values_list("finding", "gain")
    gains = dict(proved)
    found = [
        _incident(its, gains, day_s.get(its[0].finding.database, 0.0)) for its in groups.values()
    ]
    found.sort(key=lambda e: (-(e.saves_s or 0.0), _RANK[e.severity], -(e.impact or 0.0)))
    firsts = {each.database: each for each in reversed(found)}
    return tuple(e for n, e in enumerate(found) if n < _TOP or firsts[e.database] is e)


def _incident(its: list[Seen], gains: dict[int, float], day_s: float) -> Incident:
    """A recommendation's proved gain bounds what a fix saves; without one, all of its time does."""
    impact = max((each.impact for each in its if each.impact is not None), default=None)
    gain = max((gains.get(each.finding.pk, 0.0) for each in its), default=0.0)
    share = None if impact is None else impact * (gain or 1.0)
    return Incident(
        findings=tuple(each.finding for each in its),
        severity=min((each.severity for each in its), key=lambda each: _RANK[each]),
        impact=impact,
        saves_s=share * day_s if share and day_s else None,
        is_proved=bool(gain),
    )


def _to_judge(runs: tuple[RunFigures, ...], unjudged: list[Budget]) -> tuple[Step, ...]:
    """Return what to do about budgets that no run could judge yet: one query where there are."""
    if not runs or not unjudged:
        return ()
    rows = Evaluation.objects.filter(run=runs[0].pk, budget__in=unjudged)
    why = dict(rows.values_list("budget", "reason"))
    return tuple(
        Step(
            f"No run could judge {each} yet. {why.get(each.pk, '')}".rstrip(),
            "manage.py run_load_test --help", "run",
        )
        for each in unjudged
    )  # fmt: skip


def _steps(
    runs: tuple[RunFigures, ...],
    analyses: tuple[Analysis, ...],
    active: tuple[LoadRun | Analysis, ...],
) -> tuple[Step, ...]:
    found = []
    if not analyses and not any(isinstance(each, Analysis) for each in active):
        found.append(
            Step(
                "Analyse the database: it shows what is slow, and what fixes it.",
                "manage.py analyze_db", "analyse",
            )
        )  # fmt: skip
    if not runs and not any(isinstance(each, LoadRun) for each in active):
        found.append(
            Step(
                "Start a load run: budgets are judged by it. The scenario smoke takes a minute.",
                "manage.py run_load_test smoke", "run",
            )
        )  # fmt: skip
    if reasons.waiting(active):
        found.append(
            Step("Start a worker: work waits for one.", "celery -A <project> worker", "work")
        )
    for analysis in analyses:
        of = f" of {analysis.database}" if len(analyses) > 1 else ""
        found += [
            Step(f"{each.source}{of}: {each.reason}. {each.cost}", each.remedy, "administer")
            for each in msgspec.convert(analysis.missing, list[UnavailableSource])
            if each.remedy
        ]
    return tuple(found)
