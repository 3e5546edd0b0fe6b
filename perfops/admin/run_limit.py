"""What the page of a load run shows of the highest rate that it found."""

from dataclasses import dataclass
from typing import Any

from perfops.charts import Bound, Chart, Line, chart
from perfops.formatting import count_text, ms_text, percent_text
from perfops.statistics.limits import Limit


@dataclass(frozen=True, slots=True)
class LimitFound:
    """``rows``: the loads of the search in order, each a list of cells."""

    sentence: str
    facts: list[tuple[str, str]]
    chart: Chart | None
    rows: list[list[str]]


def build(row: dict[str, Any] | None) -> LimitFound | None:
    """Return what ``LoadRun.summary`` has under "limit", to be shown; None where it has nothing."""
    if row is None:
        return None
    found = Limit.from_row(row)
    holds = row["holds"]
    facts = [
        ("Budgets", ", ".join(row["bounds"])),
        ("Bottleneck", row["bottleneck"]["sentence"]),
        ("Search", f"{count_text(len(holds), 'load')}, no rate above {row['ceiling']:,.0f} req/s"),
    ]
    if found.repeatability is not None:
        share = f"{found.repeatability:.1%}"
        text = f"a load {share} above or below the limit ends as expected nine times of ten"
        facts.insert(1, ("Repeatability", text))
    return LimitFound(
        found.sentence(), facts, _chart(found, holds), [_cells(each) for each in holds]
    )


def _chart(found: Limit, holds: list[dict[str, Any]]) -> Chart | None:
    beyond = [hold["rate"] if hold["within"] is False else None for hold in holds]
    bounds = [Bound("limit", "po-target", found.rate)] if found.rate is not None else []
    return chart(
        "Rates that were tried, in order", xs=list(range(1, len(holds) + 1)),
        lines=[
            Line("tried", "po-line-1", [hold["rate"] for hold in holds]),
            Line("beyond the budgets", "po-line-bad", beyond),
        ],
        bounds=bounds, x_label="load", x_text=lambda x: f"{x:g}",
        y_text=lambda y: f"{y:,.0f} req/s",
    )  # fmt: skip


def _cells(hold: dict[str, Any]) -> list[str]:
    return [
        f"{hold['rate']:,.1f} req/s",
        f"{hold['seconds']:.0f} s",
        ms_text(hold["p95_ms"]),
        percent_text(hold["error_rate"]),
        hold["why"] or "within the budgets",
    ]
