"""``check_budget``: whether a run and those just before it are slower than earlier ones."""

from dataclasses import replace

from perfops.budgets import waivers
from perfops.budgets.against import same_build
from perfops.budgets.earlier_runs import against_earlier
from perfops.management import console
from perfops.management.against_report import judgement
from perfops.management.budget_report import BudgetReport, code_of
from perfops.models.runs import LoadRun

_BESIDE = ", beside earlier runs"


def by_earlier(report: BudgetReport, run: LoadRun) -> BudgetReport:
    """Return ``report`` on a run that no budget judges: the runs before it alone decide.

    With too few of them for a pass it can't be told.
    """
    beside = beside_earlier(report, run)
    return replace(beside, code=code_of(beside.judgements))


def beside_earlier(report: BudgetReport, run: LoadRun) -> BudgetReport:
    """Return ``report`` with what the runs before say: it is never better than it was."""
    found = against_earlier(run)
    reasons = [*report.reasons, found.sentence, *same_build.of_host()]
    report = replace(report, reasons=reasons)
    if found.decision is None or found.outcome is None:
        return report
    waived = waivers.read()
    judged = [judgement(each, waived, _BESIDE) for each in found.decision.judged]
    code = code_of(judged)
    is_worse = report.code == console.FINE
    return replace(
        report, code=code if is_worse else report.code, judgements=[*report.judgements, *judged]
    )
