"""What the API takes and returns. Latencies are in ms, rates and shares from 0 to 1."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field

from perfops.load.parameters import MOST_ROWS

State = Literal["queued", "running", "judging", "finished", "canceled", "failed", "lost"]
Verdict = Literal["pass", "warn", "fail", "invalid"]
Severity = Literal["error", "warning", "info"]
Status = Literal["open", "acknowledged", "muted", "resolved"]


def _storable(text: str) -> str:
    """Raise ``ValueError`` for what PostgreSQL can't hold."""
    if "\0" in text:
        raise ValueError("contains a null character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("contains half of a character (a lone surrogate)") from None
    return text


Text = Annotated[str, AfterValidator(_storable)]


class _Input(Schema):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


Wish = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Part = Annotated[Text, Field(min_length=1, max_length=200)]


class NewRun(_Input):
    """``target``: a base URL of the allow-list; null for the configured one.

    The others are as the scenario says, where they are not given: the highest rate (requests/s)
    and the duration (s), shares by part of the mix, how many rows fill in paths and which. A run
    ends ``abort_after`` seconds or later as soon as it breaks a budget that fails it.
    ``find_limit`` seeks the highest rate within the budgets, ``up_to`` requests/s, for ``minutes``.
    """

    scenario: Annotated[Text, Field(min_length=1, max_length=50, examples=["smoke"])]
    target: (
        Annotated[Text, Field(min_length=1, max_length=200, examples=["http://127.0.0.1:3001"])]
        | None
    ) = None
    rate: Wish | None = None
    seconds: Wish | None = None
    mix: Annotated[dict[Part, Wish], Field(max_length=200)] = Field(
        default={}, examples=[{"health": 40, "profiles": 60}]
    )
    rows: Annotated[int, Field(strict=True, ge=1, le=MOST_ROWS)] | None = None
    data_set: Literal["", "newest", "oldest", "random"] = ""
    abort_after: Wish | None = None
    find_limit: Annotated[bool, Field(strict=True)] = False
    up_to: Wish | None = None
    minutes: Wish | None = None


class NewRate(_Input):
    """``rate``: requests/s, at which a run is to go on."""

    rate: Annotated[float, Field(strict=True, ge=1, allow_inf_nan=False, examples=[150])]


class Mute(_Input):
    """``until``: the day on which it is shown again."""

    until: date
    reason: Annotated[Text, Field(min_length=1, max_length=300)]


class NewWaiver(_Input):
    """``budget``: as reports name it. ``ends_at``: with its zone, a year from now at most."""

    budget: Annotated[Text, Field(min_length=1, max_length=300, examples=["p95 latency"])]
    reason: Annotated[Text, Field(min_length=1, max_length=2000)]
    ends_at: AwareDatetime


class Judged(Schema):
    """A budget held against a run; ``margin`` is the room to the threshold as a share of it."""

    budget: int | None = Field(description="Null when it has been deleted since.")
    name: str
    action: str
    outcome: Literal["met", "near", "violated", "unknown"]
    is_waived: bool
    value: float | None
    target: float
    threshold: float
    margin: float | None
    text: str = Field(description="Value and threshold with their units, for a person.")
    reason: str
    run: int
    at: datetime


class RunRow(Schema):
    """``p95_ms`` includes waiting before the request was sent, as budgets judge it."""

    id: int
    scenario: str
    target: str
    state: State
    verdict: Verdict | None = Field(description="Null until it has been judged.")
    is_final: bool = Field(description="Nothing will change any more.")
    reasons: list[str]
    trigger: str
    requested_by: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    planned_s: float | None
    p95_ms: float | None
    error_rate: float | None


class RateChange(Schema):
    """At ``second`` of the run from ``before`` to ``now`` requests/s; ``by`` whom."""

    second: float
    before: float
    now: float
    by: str


class Progress(Schema):
    """How far a run is; the rate and ``p95_ms`` are those of the last full second."""

    text: str = Field(description="What it does or waits for, for a person.")
    seconds: int
    planned_s: float
    requests: int
    errors: int
    rate: float | None = Field(description="Requests/s.")
    p95_ms: float | None


class Run(RunRow):
    progress: Progress | None = Field(description="Null when it has ended.")
    noise: str = Field(
        description="What a verdict on this host is worth, as aa_test measured it; empty: not yet."
    )
    rate_changes: list[RateChange]
    rate_not_changed: str = Field(
        description="Which wish for another rate had no effect, and why; empty: none."
    )
    budgets: list[Judged]


class FindingRow(Schema):
    id: int
    title: str
    severity: Severity
    status: Status
    advisor: str
    database: str
    object: str
    assignee: str | None
    muted_until: date | None
    mute_reason: str
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None


class Finding(FindingRow):
    """``evidence``: pairs of a label and a figure; ``statement``: SQL that fixes it, or ""."""

    why: str
    remedy: str
    statement: str
    evidence: list[tuple[str, Any]]


class Incident(Schema):
    """Findings with one cause. ``impact``: the share of the database's time in the window."""

    title: str
    severity: Severity
    impact: float | None
    set_apart: str = Field(description="Whose work it is, where it is not the application's.")
    findings: list[FindingRow]


class Incidents(Schema):
    """Those with an open finding in the newest analysis of the database; null: none yet."""

    analysis: int | None
    at: datetime | None
    results: list[Incident]


class BudgetRow(Schema):
    """``last``: the newest run that could tell; null when none has."""

    id: int
    name: str
    metric: str
    route: str
    target: float
    threshold: float
    action: str
    enabled: bool
    last: Judged | None


class Runs(Schema):
    results: list[RunRow]
    next: str | None


class Findings(Schema):
    results: list[FindingRow]
    next: str | None


class Budgets(Schema):
    results: list[BudgetRow]
    next: str | None


class WaiverRow(Schema):
    """``counts``: it has not ended yet."""

    id: int
    budget: str
    reason: str
    ends_at: datetime
    counts: bool
    created_by: str | None
    created_at: datetime


class Waivers(Schema):
    results: list[WaiverRow]
    next: str | None
