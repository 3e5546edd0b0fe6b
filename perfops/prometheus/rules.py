"""Prometheus' rules as values, and the file that holds them. Pure: values in, text out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


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
    # A JSON string is a YAML string, whatever is in it.
    written = [f"          {key}: {json.dumps(value)}" for key, value in values.items()]
    return [f"        {name}:", *written] if written else []
