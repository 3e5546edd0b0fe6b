"""What the page of a load run shows of the target's own figures."""

from dataclasses import dataclass
from typing import Any

from perfops.charts import Chart, Line, chart
from perfops.load.target_side import FULL, RESOURCES

_STYLES = ("po-line-1", "po-line-2", "po-line-3", "po-line-bad", "po-line-4")


@dataclass(frozen=True, slots=True)
class TargetSide:
    """What the target said of itself; ``chart`` is None for a black box."""

    sentence: str
    chart: Chart | None


def build(row: dict[str, Any] | None) -> TargetSide | None:
    """Return what ``LoadRun.server`` has under "target", to be shown; None where it has nothing.

    So it is while a run goes on, and with runs of an earlier version.
    """
    if row is None:
        return None
    if why := row.get("black_box"):
        return TargetSide(f"The target is a black box: {why}.", None)
    if not row["seconds"]:
        return TargetSide("The target gave no figures of itself during the run.", None)
    return TargetSide(_sentence(row), _chart(row))


def _sentence(row: dict[str, Any]) -> str:
    if row["first"] is None:
        sentence = f"Nothing of the target was full ({FULL:.0%}) in three looks in a row."
    else:
        name, second = row["first"]
        sentence = f"Full first: {RESOURCES[name]}, from second {second:.0f} on."
    if row["unanswered"]:
        sentence += f" Looks without an answer: {row['unanswered']}."
    return sentence


def _chart(row: dict[str, Any]) -> Chart | None:
    lines = [
        Line(label, style, [None if v is None else 100 * v for v in row["shares"][name]])
        for (name, label), style in zip(RESOURCES.items(), _STYLES, strict=True)
        if name in row["shares"]
    ]
    return chart(
        "How full the target was, in %", xs=row["seconds"], lines=lines,
        x_text=lambda x: f"{x:g} s", y_text=lambda y: f"{y:,.0f}%",
    )  # fmt: skip
