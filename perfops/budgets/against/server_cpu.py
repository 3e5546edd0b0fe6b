"""CPU of a build's server for each request: it varies far less than times on a shared machine."""

import os
from contextlib import suppress
from dataclasses import dataclass, replace

import psutil

from perfops.budgets.against.measuring import Measured

# The figure and what it is of, as reports name it.
CPU, ALL_ROUTES = "CPU", "all routes"


@dataclass(frozen=True, slots=True)
class Server:
    """A build that serves, as the group of its processes; ``group``: its leader's id."""

    group: int

    def cpu_s(self) -> float:
        """Return the CPU seconds (user and system) that its processes have used so far.

        With those of workers that have ended, which their parent counts once it has read their
        end. In steps of the clock's tick, 10 ms on Linux.
        """
        found = 0.0
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                if os.getpgid(process.pid) == self.group:
                    its = process.cpu_times()
                    found += its.user + its.system + its.children_user + its.children_system
        return found


def with_cpu(run: Measured, cpu_s: float) -> Measured:
    """Return the run with the CPU of its server in ms for each request, where there is any."""
    requests = sum(run.requests.values())
    if not requests or cpu_s <= 0:
        return run
    return replace(run, figures={**run.figures, (ALL_ROUTES, CPU): cpu_s / requests * 1000})
