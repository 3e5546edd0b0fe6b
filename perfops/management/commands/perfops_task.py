"""``manage.py perfops_task``: the regular work, without Celery."""

import shlex
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from perfops import schedules
from perfops.analysis import snapshots
from perfops.analysis.plans import watch as plans
from perfops.jobs import queue
from perfops.load import services as runs
from perfops.management.console import ReportCommand, known_database, print_json
from perfops.origins import store

# What to call, and whether it is about one database.
TASKS: dict[str, tuple[Any, bool]] = {
    "take_snapshot": (snapshots.take_hourly, True),
    "watch_plans": (plans.watch, True),
    "expire_samples": (runs.expire_samples, False),
    "expire_origins": (store.expire, False),
    "reap_lost_runs": (queue.look_after_jobs, False),
}


class Command(ReportCommand):
    help = (
        "Do one piece of the regular work; without a name: print all of it as lines of a crontab. "
        "Exit codes: 0 done, 2 could not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", choices=TASKS)
        parser.add_argument("--database", default="default", help="alias in DATABASES")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, name: str | None, **options: Any) -> None:
        as_json = options["format"] == "json"
        if name is not None:
            database = _run(name, options["database"])
            if as_json:
                print_json({"task": name, "database": database, "done": True})
            return
        program = shlex.join([sys.executable, str(Path(sys.argv[0]).absolute())])
        if as_json:
            print_json({"schedules": schedules.lines(program)})
        else:
            self.stdout.write(schedules.crontab(program), ending="")


def _run(name: str, database: str) -> str | None:
    """Do it, and return its database; None when it is about all of perfops."""
    function, of_one = TASKS[name]
    known_database(database)
    function(database) if of_one else function()
    return database if of_one else None
