"""What the dashboards ask, as Prometheus takes it."""

from collections.abc import Iterator

from infra.grafana.__main__ import DASHBOARDS
from infra.grafana.encode import Panel, queries


def panels() -> Iterator[tuple[str, Panel]]:
    for dashboard in DASHBOARDS:
        for row in dashboard.rows:
            for panel in row.panels:
                yield dashboard.title, panel


def filled_in(expr: str, *, window: str) -> str:
    """Return ``expr`` with Grafana's variables replaced, every route chosen."""
    return expr.replace("$__rate_interval", window).replace("$route", ".*")


def asked(*, window: str) -> list[tuple[str, str]]:
    """Return (where it is shown, what is asked) for every query of every panel."""
    return [
        (f"{title} / {panel.title} / {query.legend}", filled_in(query.expr, window=window))
        for title, panel in panels()
        for query in queries(panel)
    ]
