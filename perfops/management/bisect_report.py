"""``check_budget --bisect``: the commit that costs more, as a report of budgets."""

import shlex
import signal
from typing import Any

from perfops.budgets.against import bisecting
from perfops.budgets.against.checkouts import STOPS, git
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.against.measuring import Wanted
from perfops.management import console
from perfops.management.against_report import interrupt
from perfops.management.budget_report import BudgetReport


def report(good: str, bad: str, wanted: Wanted, options: dict[str, Any]) -> BudgetReport:
    """Look for the commit between the two. Never raises for what can't be run."""
    subject = f"The commit after {good} and up to {bad} that costs more"
    words = [f"--{name} {shlex.quote(str(options[name]))}" for name in ("routes", "user")
             if options[name]]  # fmt: skip
    before = {each: signal.signal(each, interrupt) for each in STOPS}
    try:
        found = bisecting.bisect(
            good, bad, wanted, " ".join(words),
            lambda text: console.err().print(text, markup=False),
        )  # fmt: skip
        named = [git("log", "-1", "--format=%h %an: %s", each) for each in found.suspects]
    except CouldNotCompare as error:
        return BudgetReport(None, console.COULD_NOT_TELL, [str(error)], [], subject)
    except KeyboardInterrupt:
        reason = "It was stopped; the checkouts, the databases and the servers are gone."
        return BudgetReport(None, console.COULD_NOT_TELL, [reason], [], subject)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if len(named) == 1:
        return BudgetReport(
            None, console.NOT_FINE, [f"By {found.by}: {named[0]}"], [], subject, found.causes
        )
    reasons = [f"By {found.by}, one of these, as the others can't be tested:", *named]
    return BudgetReport(None, console.NOT_FINE, reasons, [], subject, found.causes)
