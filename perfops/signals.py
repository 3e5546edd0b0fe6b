"""What the project around perfops may hear of, such as for an audit log of its own.

``written`` is sent after each write that somebody asked for: over REST, and each start, cancel and
change of the rate of a load run, from wherever it was asked for. With ``action`` ("start a load
run"), ``subject`` ("run 12 (smoke, http://127.0.0.1:8000)"), ``request`` (None at the terminal and
by a schedule), ``user`` (None where nobody signed in) and ``by``: the user's name, that of the
system's user at the terminal ("root at the command line"), or "schedule".
"""

import getpass
import os
from typing import Any

from django.dispatch import Signal
from django.http import HttpRequest

from perfops.models.jobs import Trigger

written = Signal()


def tell(
    action: str,
    subject: str,
    *,
    request: HttpRequest | None = None,
    user: Any = None,
    trigger: Trigger = Trigger.API,
) -> None:
    """Send ``written``. What a receiver raises goes through: nothing is done without its record."""
    by = name_of(user, trigger)
    written.send(sender=None, request=request, action=action, subject=subject, user=user, by=by)


def name_of(user: Any, trigger: Trigger) -> str:
    """Return who asked: the user, at the terminal the system's user, else from where."""
    if user is not None:
        return str(user.get_username())
    return f"{_system_user()} at the command line" if trigger == Trigger.COMMAND else trigger.value


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user need have no name.
        return f"uid {os.getuid()}"
