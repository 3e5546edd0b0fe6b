"""Why the state is not fine: a sentence for each reason, with what leads to its cause."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.utils import timezone

from perfops import panels
from perfops.analysis.sessions import Present
from perfops.budgets.selectors import Judgement
from perfops.conf import conf
from perfops.formatting import count_text, time_text
from perfops.jobs.scheduled import Outcome
from perfops.models.analyses import Analysis
from perfops.models.budgets import Budget, Evaluation
from perfops.models.runs import LoadRun


class LastRun(Protocol):
    """What is asked of the newest run."""

    @property
    def pk(self) -> int: ...
    @property
    def scenario(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def at(self) -> datetime: ...


class Timed(Protocol):
    """What is asked of a schedule."""

    @property
    def name(self) -> str: ...
    @property
    def is_late(self) -> bool: ...
    @property
    def is_done(self) -> bool: ...
    @property
    def outcome(self) -> Outcome: ...


WAITED_LONG_S = 30.0
# The schedule analyses once a week and runs load each day: two analyses were missed.
_OLD = timedelta(days=15)


@dataclass(frozen=True, slots=True)
class Reason:
    """``text``: one sentence. ``page``: where its cause is shown, "" for none.

    Pages: budget, run, runs, analysis, analyses, sessions, findings, schedules, url. ``key``: of
    the row; the alias of a database; the severity of findings; or the address itself.
    """

    text: str
    page: str = ""
    key: str = ""


def of_databases(present: dict[str, Present]) -> tuple[list[Reason], list[Reason]]:
    """Return what is bad of the databases now, and what is worth a look."""
    bad: list[Reason] = []
    worth_a_look: list[Reason] = []
    for name, each in present.items():
        if each.error:
            bad.append(Reason(f"The database {name} does not answer: {each.error}.", *_at(name)))
        waiting = [s for s in each.sessions if s.blocked_by and (s.state_s or 0) > conf().BLOCKED_S]
        if waiting:
            long = max(session.state_s or 0.0 for session in waiting)
            verb = "waits" if len(waiting) == 1 else "wait"
            text = (
                f"{count_text(len(waiting), 'session')} of {name} {verb} for a lock, "
                f"for up to {time_text(long)}."
            )
            bad.append(Reason(text, *_at(name)))
        used = each.connections
        share = used.used / used.available if used and used.available > 0 else 0.0
        if used and share >= conf().CONNECTIONS_WARNING:
            text = f"{used.used_text} connections of {name} are taken."
            (bad if share >= conf().CONNECTIONS_ERROR else worth_a_look).append(
                Reason(text, *_at(name))
            )
    return bad, worth_a_look


def _at(database: str) -> tuple[str, str]:
    return "sessions", database


def of_budgets(runs: Sequence[LastRun], judgements: tuple[Judgement, ...]) -> list[Reason]:
    """Return the budgets that are broken; where none is, that the last run failed."""
    broken = [
        Reason(
            f"{each.name} is {each.value_text} in run {each.run_id}, and its budget is "
            f"{each.threshold_text}. {each.waiver_text}".rstrip(),
            "budget",
            str(each.budget_id),
        )
        for each in judgements
        if each.is_broken and each.action != Budget.Action.WARN
    ]
    if not broken and runs and runs[0].verdict == LoadRun.Verdict.FAILED:
        text = f"Run {runs[0].pk} ({runs[0].scenario}) failed."
        broken.append(Reason(text, "run", str(runs[0].pk)))
    return broken


def near(judgements: tuple[Judgement, ...]) -> list[Reason]:
    """Return the budgets beyond their target, or broken without consequences."""
    return [
        Reason(
            f"{each.name} is {each.value_text}: over its target, {each.target_text}.",
            "budget",
            str(each.budget_id),
        )
        for each in judgements
        if each.outcome == Evaluation.Outcome.NEAR
        or (each.is_broken and each.action == Budget.Action.WARN)
        or each.is_waived
    ]


def of_findings(open_findings: dict[str, int], severity: str) -> list[Reason]:
    """Return how many findings of ``severity`` are open: as many as their list then shows."""
    number = open_findings.get(severity, 0)
    if not number:
        return []
    counted = count_text(number, severity)
    verb = "is" if number == 1 else "are"
    return [Reason(f"{counted} {verb} open: see the findings.", "findings", severity)]


def waiting(active: tuple[LoadRun | Analysis, ...]) -> list[Reason]:
    """Return the job that nobody claims while no other is worked on: there is no worker."""
    queued = [each for each in active if each.state == "queued"]
    if not queued or len(queued) < len(active):
        return []
    first = min(queued, key=lambda each: each.created_at)
    waited_s = (timezone.now() - first.created_at).total_seconds()
    if waited_s < WAITED_LONG_S:
        return []
    text = f"{str(first).capitalize()} has waited for a worker for {time_text(waited_s)}."
    return [Reason(text, "run" if isinstance(first, LoadRun) else "analysis", str(first.pk))]


def unseen(
    runs: Sequence[LastRun], analyses: Sequence[Analysis], unjudged: list[str]
) -> list[Reason]:
    """Return what is not known, or no longer: it is not fine."""
    found, now = [], timezone.now()
    several = len(analyses) > 1
    lasts: list[tuple[str, str, datetime | None]] = [
        (f"analysis of {each.database}" if several else "analysis", "analyses", each.created_at)
        for each in analyses
    ] or [("analysis", "analyses", None)]
    for what, pages, last_at in (*lasts, ("load run", "runs", runs[0].at if runs else None)):
        if not last_at:
            found.append(Reason(f"No {what} has ended yet.", pages))
        elif now - last_at > _OLD:
            found.append(Reason(f"The last {what} was {age_text(last_at, now)}.", pages))
    if runs and runs[0].verdict == LoadRun.Verdict.INVALID:
        text = f"Run {runs[0].pk} ({runs[0].scenario}), the newest, is invalid: it proves nothing."
        found.append(Reason(text, "run", str(runs[0].pk)))
    if runs and unjudged:
        number, names = count_text(len(unjudged), "budget"), ", ".join(unjudged)
        text = f"{number} could not be judged by any run yet: {names}."
        found.append(Reason(text, "run", str(runs[0].pk)))
    return found


def late(scheduled: Sequence[Timed]) -> list[Reason]:
    """Return that schedules are late, by the name of the first."""
    names = [each.name for each in scheduled if each.is_late]
    if not names:
        return []
    verb = "is" if len(names) == 1 else "are"
    number = count_text(len(names), "schedule")
    others = " and others" if len(names) > 1 else ""
    text = f"{number} {verb} late: {names[0]}{others}. Is Celery beat running?"
    return [Reason(text, "schedules")]


def not_done(scheduled: Sequence[Timed]) -> list[Reason]:
    """Return the schedules whose last time failed, or was executed by no worker, each with why."""
    return [
        Reason(f"{each.name} {each.outcome.state} the last time: {_sentence(each.outcome.why)}",
               "schedules")
        for each in scheduled if not each.is_done
    ]  # fmt: skip


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def of_panels(shown: Iterable[panels.Panel], *kinds: str) -> list[Reason]:
    """Return a reason for each panel of one of ``kinds``: "Tasks: no worker."."""
    return [
        Reason(f"{each['title']}: {each['text']}.", "url" if each["url"] else "", each["url"])
        for each in shown
        if each["kind"] in kinds
    ]


def age_text(at: datetime, now: datetime) -> str:
    """Return how long ago ``at`` was: "5 minutes ago"."""
    return f"{time_text(max(0.0, (now - at).total_seconds()))} ago"
