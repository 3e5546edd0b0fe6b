"""Starting a load run as it is asked for in the form, in a schedule, at the terminal, over REST."""

import math
from typing import Any

import msgspec
from django.http import HttpRequest

from perfops.budgets import services as budgets
from perfops.load import services as runs
from perfops.load.parameters import Parameters
from perfops.load.services import RunRefused
from perfops.load.sizing import Size
from perfops.models.jobs import Trigger
from perfops.models.runs import LoadRun

UP_TO, MINUTES = 2000.0, 8.0


class Wishes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not to be as the scenario says; None, {}, "": as it says.

    ``rate`` (the highest, requests/s) and ``seconds``: its size. ``mix``, ``rows``, ``data_set``:
    as in ``perfops.load.parameters``. ``abort_after``: end it early, and no sooner than after so
    many seconds, when it breaks a budget that fails it. ``find_limit``: seek the highest rate
    within the budgets, no higher than ``up_to`` (requests/s) and for ``minutes`` at most.
    """

    rate: float | None = None
    seconds: float | None = None
    mix: dict[str, float] = {}
    rows: int | None = None
    data_set: str = ""
    abort_after: float | None = None
    find_limit: bool = False
    up_to: float | None = None
    minutes: float | None = None


def start(
    scenario: str,
    wishes: Wishes,
    *,
    target: str | None = None,
    trigger: Trigger = Trigger.COMMAND,
    user: Any = None,
    enqueue: bool = True,
    request: HttpRequest | None = None,
) -> LoadRun:
    """Queue a run of ``scenario`` (see ``perfops.load.services.request_run``).

    Raises ``RunRefused`` for wishes that the scenario can't have, or that do not go together.
    """
    for name, text in refusals(wishes).items():
        raise RunRefused(f"{name}: {text}")
    abort, limit = None, None
    if wishes.abort_after is not None:
        abort = budgets.abort(wishes.abort_after)
    if wishes.find_limit:
        ceiling = UP_TO if wishes.up_to is None else wishes.up_to
        minutes = MINUTES if wishes.minutes is None else wishes.minutes
        limit = budgets.limit_search(ceiling=ceiling, minutes=minutes)
    return runs.request_run(
        scenario=scenario, target=target, trigger=trigger, user=user, enqueue=enqueue,
        limit=limit, abort=abort, size=Size(wishes.rate, wishes.seconds),
        changed=Parameters(wishes.mix, wishes.rows, wishes.data_set), request=request,
    )  # fmt: skip


def refusals(wishes: Wishes) -> dict[str, str]:
    """Return by field why ``wishes`` do not go together; empty where they do."""
    found: dict[str, str] = {}
    if wishes.find_limit:
        for name in ("rate", "seconds", "abort_after"):
            if getattr(wishes, name) is not None:
                found[name] = "Leave it empty: the search tries rates of its own."
    else:
        for name in ("up_to", "minutes"):
            if getattr(wishes, name) is not None:
                found[name] = "Only where the highest rate is sought: ask for that, or leave it."
    if wishes.abort_after is not None and not 0 <= wishes.abort_after < math.inf:
        found["abort_after"] = "It is a number of seconds from 0."
    shares = wishes.mix.values()
    if not all(0 <= share < math.inf for share in shares) or (wishes.mix and not any(shares)):
        found["mix"] = "Shares are numbers from 0, and at least one must be above 0."
    return found
