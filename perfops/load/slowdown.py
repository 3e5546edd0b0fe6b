"""A known slowdown for ``manage.py aa_test``: CPU work in each request that reaches Django.

It exists for that alone. A project puts the middleware into the settings that its comparisons run
with, never into production's; and it refuses any database but one that a comparison has made.
"""

import os
import time
from collections.abc import Callable

from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.db import connections
from django.http import HttpRequest, HttpResponseBase

PATH = "perfops.load.slowdown.slowdown_middleware"
# Milliseconds of CPU.
VARIABLE = "PERFOPS_AA_SLOWDOWN_MS"
# What the databases of comparisons are called.
SCRATCH = "perfops_against_"

Handler = Callable[[HttpRequest], HttpResponseBase]


def slowdown_middleware(get_response: Handler) -> Handler:
    """Work for ``PERFOPS_AA_SLOWDOWN_MS`` before each request; unset, it is not there.

    Raises ``ImproperlyConfigured`` beside a database that is not a comparison's own.
    """
    given = os.environ.get(VARIABLE, "")
    if not given:
        raise MiddlewareNotUsed
    database = str(connections["default"].settings_dict["NAME"])
    if not database.startswith(SCRATCH):
        raise ImproperlyConfigured(
            f"{VARIABLE} is set: it slows every request down, and is for the databases of "
            f"`manage.py aa_test` alone, not for {database}. Unset it."
        )
    try:
        seconds = float(given) / 1000
    except ValueError as error:
        raise ImproperlyConfigured(f"{VARIABLE} is {given!r}: give milliseconds.") from error

    def slowed(request: HttpRequest) -> HttpResponseBase:
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass
        return get_response(request)

    return slowed
