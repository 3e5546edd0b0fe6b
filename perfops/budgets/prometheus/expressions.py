"""Parts of PromQL expressions that budget metrics are made of."""

import re

from perfops.budgets.prometheus.rule_file import quoted
from perfops.conf import conf
from perfops.models.budgets import Budget

__all__ = ["edge_for", "in_seconds", "quoted", "selector", "share_of"]


def selector(budget: Budget, *matchers: str) -> str:
    """Return the label matchers of the budget's route with ``matchers`` before them, in braces.

    A budget of all routes leaves out ``UNMEASURED_ROUTES``.
    """
    unmeasured = "|".join(map(re.escape, conf().UNMEASURED_ROUTES))
    route = []
    if budget.route:
        route = [f"route={quoted(budget.route)}"]
    elif unmeasured:
        route = [f"route!~{quoted(unmeasured)}"]
    inside = ", ".join([*matchers, *route])
    return f"{{{inside}}}" if inside else ""


def share_of(bad: str, every: list[str], window: str) -> str:
    """Return the share of the counter ``bad`` in the sum of the counters ``every``.

    A counter that nothing has been counted in yet is absent: that is 0.
    """
    whole = [f"(sum(rate({each}[{window}])) or vector(0))" for each in every]
    total = whole[0] if len(whole) == 1 else f"({' + '.join(whole)})"
    return f"(sum(rate({bad}[{window}])) or vector(0))\n  / {total}"


def in_seconds(ms: float) -> float:
    return ms / 1000


def edge_for(seconds: float) -> float:
    """Return the highest histogram bound that is not above ``seconds``: rather too strict.

    Only at a bound is the share of quicker requests known.
    """
    edges = conf().LATENCY_EDGES_S
    return float(max((edge for edge in edges if edge <= seconds), default=edges[0]))
