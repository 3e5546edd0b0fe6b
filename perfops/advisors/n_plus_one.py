"""A statement that a line sends again and again within one request: once per row of another."""

from perfops.advisors.advice import Advice
from perfops.collectors.difference import Window
from perfops.collectors.origins import Origin
from perfops.conf import Conf

ID = "n_plus_one"
TITLE = "N+1 queries"
# Our own tables, not the server's statistics.
NEEDS = ("query origins",)

_TEXT_CHARACTERS = 90
_WHY = "Each costs a way to the database and back."
_WHY_GROWS = " Some took far more of them than others: it grows with the data."
# The request that sent it most did so this much more often than the mean: it follows the data.
_GROWS = 1.5


def run(window: Window, limits: Conf) -> list[Advice]:
    return [_advice(each, limits) for each in window.origins if _is_ill(each, limits)]


def _is_ill(origin: Origin, limits: Conf) -> bool:
    return (
        origin.kind in {"request", "task"}
        and origin.site != ""
        and origin.units > 0
        and origin.text.lstrip().upper().startswith("SELECT")
        and origin.calls / origin.units >= limits.N_PLUS_ONE_CALLS
    )


def _advice(origin: Origin, limits: Conf) -> Advice:
    each = origin.calls / origin.units
    grows = origin.most_calls >= _GROWS * each
    text = " ".join(origin.text.split())
    return Advice(
        advisor=ID,
        object=f"{origin.site} for {origin.name}"[:300],
        queryids=origin.queryids,
        severity="error" if each >= limits.N_PLUS_ONE_ERROR_CALLS else "warning",
        title=(
            f"{origin.name} sends one statement {each:,.1f} times per {origin.kind}, "
            f"from {origin.site}"
        ),
        evidence={
            "statement": text[:_TEXT_CHARACTERS],
            "line": f"{origin.site} in {origin.function}",
            f"{origin.kind}s": origin.units,
            "calls": origin.calls,
            f"calls per {origin.kind}": round(each, 1),
            f"most in one {origin.kind}": origin.most_calls,
            "rows per call": round(origin.rows / origin.calls, 1),
            f"ms per {origin.kind}": round(origin.total_ms / origin.units, 2),
        },
        why=_WHY + (_WHY_GROWS if grows else ""),
        remedy=(
            "Read all rows at once before the loop: select_related for a foreign key, "
            "prefetch_related for what points back, or one query with __in."
        ),
    )
