"""Prometheus' rules: parts of their expressions, the rules as values, the file they stand in."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from perfops.conf import conf
from perfops.models.budgets import Budget


@dataclass(frozen=True, slots=True)
class Recording:
    """``record`` names the series that ``expr`` gives."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alert:
    """``lasting``: how long ``expr`` must hold before it fires, as Prometheus writes it (5m)."""

    alert: str
    expr: str
    lasting: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


Rule = Recording | Alert


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated in order, every ``interval``."""

    name: str
    interval: str
    rules: tuple[Rule, ...]


def render(groups: list[Group], *, comment: str) -> str:
    """Return the groups as a rules file with ``comment`` on top."""
    lines = [*(f"# {line}".rstrip() for line in comment.splitlines()), "groups:"]
    for group in groups:
        lines += [f"  - name: {group.name}", f"    interval: {group.interval}", "    rules:"]
        for rule in group.rules:
            lines += _rule(rule)
    return "\n".join(lines) + "\n"


def as_data(group: Group) -> dict[str, Any]:
    """Return the group with the names that a rules file has."""
    rules = []
    for each in group.rules:
        rule = asdict(each)
        if isinstance(each, Alert):
            rule["for"] = rule.pop("lasting")
        rules.append({name: value for name, value in rule.items() if value})
    return {"name": group.name, "interval": group.interval, "rules": rules}


def quoted(text: str) -> str:
    """Return ``text`` as a string that YAML and PromQL both read, whatever is in it.

    JSON's own escapes would not do: they write what lies beyond 16 bits as two halves.
    """
    return f'"{"".join(map(_escaped, text))}"'


def literal(text: str) -> str:
    """Return ``text`` for an alert's labels and annotations, which are Go's templates."""
    return text.replace("{{", '{{"{{"}}')


def _escaped(character: str) -> str:
    if character in {"\\", '"'}:
        return f"\\{character}"
    if " " <= character <= "~":
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= _16_BITS else f"\\U{code:08x}"


_16_BITS = 0xFFFF


def _rule(rule: Rule) -> list[str]:
    if isinstance(rule, Recording):
        lines = [f"      - record: {rule.record}", *_expression(rule.expr)]
        return lines + _mapping("labels", rule.labels)
    return [
        f"      - alert: {rule.alert}",
        *_expression(rule.expr),
        f"        for: {rule.lasting}",
        *_mapping("labels", rule.labels),
        *_mapping("annotations", rule.annotations),
    ]


def _expression(expr: str) -> list[str]:
    return ["        expr: |-", *(f"          {line}" for line in expr.splitlines())]


def _mapping(name: str, values: Mapping[str, str]) -> list[str]:
    written = [f"          {key}: {quoted(value)}" for key, value in values.items()]
    return [f"        {name}:", *written] if written else []


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
