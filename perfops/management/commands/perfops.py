"""``manage.py perfops``: are we fine? In five lines, and one for each further reason."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.db import Error

from perfops import overview, panels, reasons
from perfops.analysis.sessions import Present
from perfops.formatting import count_text
from perfops.management.console import (
    COULD_NOT_TELL,
    FINE,
    NOT_FINE,
    ReportCommand,
    out,
    print_json,
    unusable,
)
from perfops.management.formats.markdown import plain

_CODES = {"good": FINE, "warning": FINE, "bad": NOT_FINE, "odd": COULD_NOT_TELL}
_NAMES = ("Last run", "Budgets", "Findings", "Now")
_COLOURS = {"good": "green", "warning": "yellow", "bad": "red", "odd": "magenta"}


class Command(ReportCommand):
    help = "Say whether something is wrong. Exit codes: 0 fine, 1 not fine, 2 not known."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=("text", "json", "markdown"), default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            state = overview.collect(panels.collect())
        except Error as error:
            kind, others = "odd", []
            lines = [f"Not known: {unusable(error)}", *(f"{name}: not known." for name in _NAMES)]
        else:
            kind, others = state.kind, [each.text for each in state.others]
            lines = _lines(state)
        if options["format"] == "json":
            keys = ("headline", "last_run", "budgets", "findings", "now")
            values = [lines[0], *(line.partition(": ")[2] for line in lines[1:])]
            print_json(
                {"state": kind, **dict(zip(keys, values, strict=True)),
                 "reasons": others}
            )  # fmt: skip
        elif options["format"] == "markdown":
            rows = [f"- {plain(line)}" for line in (*others, *lines[1:])]
            self.stdout.write("\n".join([f"## {plain(lines[0])}", "", *rows]))
        else:
            console = out()
            console.print(lines[0], style=_COLOURS[kind], markup=False)
            # Where the headline names the worst of them and says that there are more below.
            below = [f"  {each}" for each in others] if kind in {"bad", "warning"} else []
            for line in (*below, *lines[1:]):
                console.print(line, markup=False)
        sys.exit(_CODES[kind])


def _lines(state: overview.Overview) -> list[str]:
    """Return the state in five lines of plain text."""
    last = "none; start one by manage.py run_load_test smoke."
    if state.runs:
        run = state.runs[0]
        verdict, age = run.verdict or "not judged", reasons.age_text(run.at, state.at)
        last = f"{run.pk} ({run.scenario}), {verdict}, {age}."
    held = "none was judged yet."
    if state.judgements:
        broken = sum(each.is_broken for each in state.judgements)
        left = f", {state.unjudged} not judged yet" if state.unjudged else ""
        held = f"{len(state.judgements) - broken} of {len(state.judgements)} hold{left}."
    found = "no analysis yet; start one by manage.py analyze_db."
    if state.analyses:
        problems = state.findings_text or "no problem is open"
        newest = [
            f"{state.name_of(each)}, {reasons.age_text(each.created_at, state.at)}"
            for each in state.analyses
        ]
        found = f"{problems}; {'; '.join(newest)}."
    late = count_text(sum(each.is_late for each in state.scheduled), "late schedule")
    failed = sum(not each.is_done for each in state.scheduled)
    late = f"{late}, {failed} failed" if failed else late
    jobs = count_text(len(state.active), "job")
    now = f"{_now_text(state.present)}; {jobs} under way, {late}."
    found_in_order = (last, held, found, now)
    return [
        state.headline,
        *(f"{name}: {text}" for name, text in zip(_NAMES, found_in_order, strict=True)),
    ]


def _now_text(present: dict[str, Present]) -> str:
    parts = []
    for name, each in present.items():
        if each.connections is None:
            parts.append(f"{name} does not answer")
            continue
        waiting = sum(bool(session.blocked_by) for session in each.sessions)
        used = f"{each.connections.used_text} connections"
        parts.append(f"{name} has {used}, {count_text(waiting, 'session')} waiting for a lock")
    return ", ".join(parts)
