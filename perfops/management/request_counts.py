"""``check_budget --deterministic``: the counts of requests as a report of budgets."""

import dataclasses
import sys
from pathlib import Path

import msgspec

from perfops.budgets import waivers
from perfops.budgets.against import checkouts, databases, executed
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.deterministic import causes, comparing, counting, steps
from perfops.budgets.deterministic.comparing import Verdict
from perfops.budgets.deterministic.counts import (
    Baseline,
    Counts,
    UnusableBaseline,
    read,
    written,
)
from perfops.budgets.selectors import against_before
from perfops.formatting import count_text
from perfops.load import routes as load_routes
from perfops.load.routes import Listed, Route, UnusableRoutes
from perfops.management import console, quiet_logs
from perfops.management.budget_report import BudgetReport, code_of
from perfops.models.budgets import Evaluation

_SUBJECT = "Counts of requests"
# A pass must not be taken for more than it is.
_NOT_COUNTED = (
    "Counted, not timed: C code, waiting (locks, other services) and writes are not seen; "
    "check_budget --against times them."
)
_LAST_FINE_STATUS, _FIRST_ERROR = 299, 500


def report(
    file: Path,
    routes: Path | None,
    user: str,
    *,
    update: bool,
    vacuum: bool = False,
    since: str = "",
    note_executed: Path | None = None,
) -> BudgetReport:
    """Count requests, and compare with ``file`` or, with ``update``, write it.

    ``routes``: a routes.json; None for the URLs of the project. ``vacuum``: vacuum and analyse the
    default database before. ``since``: the commit after which changes are looked for, instead of
    the last one of ``file``. ``note_executed``: a file for what each request executed.
    Never raises for bad input: the report says what to do.
    """
    try:
        baseline = None if update else read(file.read_bytes())
    except FileNotFoundError:
        return _could_not(f"There is no {file}: write it with --update, and commit it.")
    except (OSError, UnusableBaseline) as error:
        return _could_not(f"{file} can't be used: {error}")
    try:
        _known(since)
        wanted, unfilled = (load_routes.read(routes), {}) if routes else load_routes.of_urls()
        listed, left_out = _listed(wanted)
        if baseline is not None:
            listed = _as_before(listed, baseline, whole=routes is None)
        if vacuum:
            databases.analyse("")
        counts = _counted(listed, user, note_executed)
    except (UnusableRoutes, CouldNotCompare, LookupError) as error:
        return _could_not(str(error))
    if baseline is None:
        if unfilled:
            left_out.append(
                f"Left out, as what fills their paths is not known: {', '.join(sorted(unfilled))}. "
                "Name them in a file for --routes."
            )
        return _written(file, counts, left_out)
    notes = []
    if baseline.python != steps.VERSION:
        whose = f"those of Python {baseline.python}" if baseline.python else "none"
        notes.append(
            f"Python's instructions are not compared: {file} has {whose}, this is {steps.VERSION}."
        )
        counts = {n: msgspec.structs.replace(each, steps=None) for n, each in counts.items()}
    new = sorted(name for name in _answered(counts) if name not in baseline.routes)
    found = comparing.compare(baseline.routes, counts)
    reasons = [
        *notes,
        *left_out,
        *(f"{name} is not in {file} yet: add it with --update." for name in new),
    ]
    without = sorted(name for name, each in baseline.routes.items() if each.blocks is None)
    if without:
        reasons.append(f"{file} has no blocks of {', '.join(without)}: add them with --update.")
    return _explained(found, reasons, baseline.routes, counts, causes.Diff(file, since))


def _explained(
    found: list[Verdict], reasons: list[str],
    before: dict[str, Counts], now: dict[str, Counts], diff: causes.Diff,
) -> BudgetReport:  # fmt: skip
    violated = [each for each in found if each.outcome == "violated"]
    why = causes.causes(violated, before, now, diff)
    named = [_with_cause(each, before, now, diff) for each in found]
    return dataclasses.replace(_judged(named, reasons), causes=why)


def _with_cause(
    found: Verdict, before: dict[str, Counts], now: dict[str, Counts], diff: causes.Diff
) -> Verdict:
    """Return a count that grew without more statements with its cause as the reason."""
    if found.reason != comparing.SAME:
        return found
    cause = causes.of_count(found, before[found.route], now[found.route], diff)
    return found._replace(reason=cause or found.reason)


def _known(since: str) -> None:
    """Raise ``CouldNotCompare`` for a wrong commit: it is used at the end, by what violates."""
    if since:
        checkouts.commit_of(since)


def _counted(listed: list[Listed], user: str, note_executed: Path | None) -> dict[str, Counts]:
    """Count, and note what was executed. Raises ``LookupError`` where there is no such user.

    Each request's log lines would hide the verdict: they are shown where one is answered by an
    error of the server.
    """
    with quiet_logs.kept() as said, counting.client_of(user) as client:
        counts = counting.count(listed, client)
    if any(each.status >= _FIRST_ERROR for each in counts.values()):
        sys.stderr.write(said.getvalue())
    if note_executed is not None:
        executed.write(note_executed, counts)
    return counts


def _could_not(reason: str) -> BudgetReport:
    return BudgetReport(None, console.COULD_NOT_TELL, [reason], [], _SUBJECT)


def _listed(routes: dict[str, Route]) -> tuple[list[Listed], list[str]]:
    """Return the routes with their paths, and a sentence for each that has none."""
    listed, left_out = [], []
    for name, route in routes.items():
        try:
            listed += load_routes.filled({name: route})
        except UnusableRoutes as error:
            left_out.append(f"{name} is left out: {error}")
    return listed, left_out


def _as_before(listed: list[Listed], baseline: Baseline, *, whole: bool) -> list[Listed]:
    """Return the routes of the baseline with the paths of then, and the new ones.

    ``whole``: all routes of the project were looked for, and not a file's alone.
    """
    names = {each.name for each in listed}
    known = [
        Listed(name, 1.0, counts.paths)
        for name, counts in baseline.routes.items()
        if whole or name in names
    ]
    return [*known, *(each for each in listed if each.name not in baseline.routes)]


def _answered(counts: dict[str, Counts]) -> dict[str, Counts]:
    return {name: each for name, each in counts.items() if each.status <= _LAST_FINE_STATUS}


def _written(file: Path, counts: dict[str, Counts], left_out: list[str]) -> BudgetReport:
    answered = _answered(counts)
    if not answered:
        return _could_not("No route answered: name who asks by --user, or the routes by --routes.")
    file.write_bytes(written(answered))
    refused = [
        f"{name} is left out: it answers {each.status}."
        for name, each in counts.items()
        if name not in answered
    ]
    reasons = [f"{count_text(len(answered), 'route')} written to {file}: commit it."]
    return BudgetReport(None, console.FINE, [*reasons, *left_out, *refused], [], _SUBJECT)


def _judged(found: list[Verdict], reasons: list[str]) -> BudgetReport:
    held = sum(each.outcome == "met" for each in found)
    summary = f"{held} of {count_text(len(found), 'count')} are within what the file allows."
    waived = waivers.read()
    judgements = [
        against_before(
            f"{each.what} of {each.route}",
            Evaluation.Outcome(each.outcome),
            before=each.before,
            most=each.most,
            now=each.now,
            text=lambda value: f"{value:,}",
            reason=each.reason,
            waived=waived,
        )
        for each in found
    ]
    code = code_of(judgements)
    unseen = [_NOT_COUNTED] if code == console.FINE else []
    return BudgetReport(None, code, [summary, *reasons, *unseen], judgements, _SUBJECT)
