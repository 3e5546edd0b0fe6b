"""The monitoring pipeline itself, as Prometheus knows it: is anyone watching?"""

import json
import math
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import msgspec

from perfops.conf import conf

# No answer we ask for comes near this (bytes).
_MOST_BYTES = 5_000_000


class NoAnswer(Exception):
    """Prometheus gave none that can be used; the message says why."""


class Target(msgspec.Struct, frozen=True, rename="camel"):
    """``last_scrape`` lies in the year 1 before the first one; ``health``: up, down, unknown."""

    labels: dict[str, str]
    health: str
    last_scrape: datetime
    last_error: str = ""


class Alert(msgspec.Struct, frozen=True, rename="camel"):
    """``state``: pending or firing."""

    labels: dict[str, str]
    annotations: dict[str, str]
    state: str
    active_at: datetime


class Sample(msgspec.Struct, frozen=True):
    """One series of an instant query: its labels, and (time, value as text)."""

    metric: dict[str, str]
    value: tuple[float, str]

    @property
    def number(self) -> float:
        return float(self.value[1])


class _Answer(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""


class _Targets(msgspec.Struct, rename="camel"):
    active_targets: list[Target]


class _Alerts(msgspec.Struct):
    alerts: list[Alert]


class _Result(msgspec.Struct):
    result: list[Sample]


class Prometheus:
    """A server at ``url``; an answer that takes longer than ``timeout_s`` is none."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s

    @property
    def address(self) -> str:
        """HOST:PORT: what may be shown of the URL."""
        return urlsplit(self.url).netloc.rpartition("@")[2] or self.url

    def targets(self) -> list[Target]:
        """Return what is scraped now. Raises ``NoAnswer``, like all here."""
        return self._ask("targets", _Targets, state="active").active_targets

    def alerts(self) -> list[Alert]:
        """Return the alerts that fire, and those that soon may."""
        return self._ask("alerts", _Alerts).alerts

    def query(self, expr: str) -> list[Sample]:
        """Return the series that ``expr`` gives at this moment."""
        return self._ask("query", _Result, query=expr).result

    def _ask[T](self, path: str, kind: type[T], **parameters: str) -> T:
        body = self._get(f"{self.url}/api/v1/{path}?{urlencode(parameters)}")
        try:
            return msgspec.json.decode(msgspec.json.decode(body, type=_Answer).data, type=kind)
        except msgspec.DecodeError as error:
            raise NoAnswer(f"what {self.address} says is not Prometheus' ({error})") from error

    def _get(self, url: str) -> bytes:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise NoAnswer(f"{self.url!r} is no address: it must begin with http:// or https://")
        try:
            with urlopen(Request(url), timeout=self.timeout_s) as answer:  # noqa: S310 -- checked
                body: bytes = answer.read(_MOST_BYTES)
        except HTTPError as error:
            with error:
                raise NoAnswer(f"{self.address} answers {error.code}: {_reason(error)}") from error
        except TimeoutError as error:
            raise NoAnswer(f"{self.address} did not answer in {self.timeout_s:g} s") from error
        except (OSError, HTTPException, ValueError) as error:
            reason: Any = getattr(error, "reason", error)
            raise NoAnswer(f"{self.address} can't be reached: {reason}") from error
        return body


def _reason(error: HTTPError) -> str:
    """Prometheus says in JSON what it did not understand; a proxy before it says anything."""
    try:
        return str(json.loads(error.read(_MOST_BYTES))["error"])
    except (ValueError, KeyError, TypeError, OSError):
        return str(error.reason)


# Each figure's expression; sums over nothing are absent, and so is the figure.
_EXPRESSIONS = {
    "unreached": 'count({__name__=~"pg_up|redis_up"} == 0)'
    ' or 0 * count({__name__=~"pg_up|redis_up"})',
    "exporters": 'sum({__name__=~"(pg|redis)_exporter_last_scrape_error"})',
    "waiting": "max by (queue) (celery_queue_depth)",
    "spans": "sum(increase(otel_spans_dropped_total[1h]))",
    "notifications": "sum(increase(alertmanager_notifications_failed_total[1h]))",
    "rules": "sum(increase(prometheus_rule_evaluation_failures_total[1h]))",
}
# One question for all of them; the label says which figure a series belongs to.
_FIGURES = " or ".join(
    f'label_replace({expr}, "figure", "{name}", "", "")' for name, expr in _EXPRESSIONS.items()
)


@dataclass(frozen=True, slots=True)
class Scraped:
    """A target; ``at`` is None before its first scrape."""

    job: str
    instance: str
    health: str
    at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class Fired:
    name: str
    severity: str
    state: str
    summary: str
    since: datetime
    runbook: str


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` is None where not measured; above 0 is trouble if ``is_trouble``."""

    name: str
    value: float | None
    note: str
    is_trouble: bool = True

    @property
    def is_bad(self) -> bool:
        return self.is_trouble and bool(self.value)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What is known. ``address`` is empty when Prometheus is not configured, ``problem`` unless
    it gave no answer.
    """

    address: str = ""
    problem: str = ""
    targets: tuple[Scraped, ...] = ()
    alerts: tuple[Fired, ...] = ()
    figures: tuple[Figure, ...] = ()

    @property
    def down(self) -> int:
        return sum(target.health != "up" for target in self.targets)

    @property
    def firing(self) -> int:
        return sum(alert.state == "firing" for alert in self.alerts)


def state() -> Pipeline:
    """Ask Prometheus three questions; one that is away costs one timeout and is said."""
    settings = conf()
    if not settings.PROMETHEUS_URL:
        return Pipeline()
    prometheus = Prometheus(settings.PROMETHEUS_URL, timeout_s=settings.PROMETHEUS_TIMEOUT_S)
    try:
        targets, alerts = prometheus.targets(), prometheus.alerts()
        samples = prometheus.query(_FIGURES)
    except NoAnswer as error:
        return Pipeline(address=prometheus.address, problem=f"Prometheus gave no answer: {error}.")
    return Pipeline(
        address=prometheus.address,
        targets=tuple(sorted(map(_scraped, targets), key=lambda each: (each.job, each.instance))),
        alerts=tuple(sorted(map(_fired, alerts), key=lambda each: (each.severity, each.name))),
        figures=tuple(_figures(samples)),
    )


def _scraped(target: Target) -> Scraped:
    return Scraped(
        job=target.labels.get("job", ""),
        instance=target.labels.get("instance", ""),
        health=target.health,
        at=target.last_scrape if target.last_scrape.year > 1 else None,
        error=target.last_error,
    )


def _fired(alert: Alert) -> Fired:
    return Fired(
        name=alert.labels.get("alertname", ""),
        severity=alert.labels.get("severity", ""),
        state=alert.state,
        summary=alert.annotations.get("summary", ""),
        since=alert.active_at,
        runbook=alert.annotations.get("runbook_url", ""),
    )


def _figures(samples: list[Sample]) -> list[Figure]:
    found = {s.metric["figure"]: s.number for s in samples if not math.isnan(s.number)}
    queues = {
        s.metric.get("queue", ""): s.number for s in samples if s.metric["figure"] == "waiting"
    }
    return [
        Figure("Servers out of reach", found.get("unreached"), "as their exporters see it"),
        Figure("Exporters' errors", found.get("exporters"), "in their last scrape"),
        Figure(
            "Waiting tasks",
            sum(queues.values()) if queues else None,
            ", ".join(f"{queue}: {depth:.0f}" for queue, depth in sorted(queues.items())),
            is_trouble=False,
        ),
        Figure("Dropped spans", found.get("spans"), "in the last hour"),
        Figure("Failed notifications", found.get("notifications"), "in the last hour"),
        Figure("Failed rules", found.get("rules"), "in the last hour"),
    ]
