"""What the dashboards ask, as Prometheus takes it."""

from collections.abc import Iterator
from typing import Any

from infra.grafana.__main__ import DASHBOARDS


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (dashboard's title, panel as Grafana reads it), the titles of rows left out."""
    for dashboard in DASHBOARDS:
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                yield dashboard["title"], panel


def filled_in(expr: str, *, window: str) -> str:
    """Return ``expr`` with Grafana's variables replaced, every route chosen."""
    return expr.replace("$__rate_interval", window).replace("$route", ".*")


def asked(*, window: str) -> list[tuple[str, str]]:
    """Return (where it is shown, what is asked) for every query of every panel."""
    return [
        (
            f"{title} / {panel['title']} / {target['legendFormat']}",
            filled_in(target["expr"], window=window),
        )
        for title, panel in panels()
        for target in panel["targets"]
    ]
