"""Programs in processes of their own that share a directory of metrics."""

import os
import subprocess
import sys

from django.conf import settings

from midst.telemetry.exposition import encode_totals
from midst.telemetry.shared import aggregate

# The end of a process may take its time on a busy machine.
PATIENCE_S = 120
PREAMBLE = """
import os, signal, sys, time
from pathlib import Path
from midst.telemetry import metrics
from midst.telemetry.shared import aggregate, segment
"""


def environment(directory, **variables):
    return {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(directory),
        "DJANGO_SETTINGS_MODULE": "midst.settings.test",
        **variables,
    }


def start(directory, code, *, within=(), **variables):
    """Start ``code``, by the command ``within`` if one is given; talk to it through its pipes."""
    return subprocess.Popen(
        [*within, sys.executable, "-c", PREAMBLE + code],
        env=environment(directory, **variables),
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(directory, code, *, code_of_exit=0, **variables):
    """Run ``code`` to its end and return what it printed."""
    process = start(directory, code, **variables)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code_of_exit
    return output


def scrape(directory, *, openmetrics=False):
    """What the processes say together; this process itself has nothing to add."""
    return encode_totals(aggregate.totals(directory), openmetrics=openmetrics).decode()


def value(told, line):
    """Return the number at the end of ``line``; None when there is no such line."""
    for each in told.splitlines():
        if each.startswith(f"{line} "):
            return float(each.removeprefix(f"{line} ").split()[0])
    return None
