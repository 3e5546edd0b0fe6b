"""``manage.py aa_test``: how often this host's verdicts on two builds are wrong."""

import signal
import sys
from argparse import ArgumentParser
from dataclasses import replace
from typing import Any

from django.forms.models import model_to_dict

from perfops.budgets.against import same_build
from perfops.budgets.against.checkouts import STOPS
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.against.measuring import Wanted
from perfops.management import console
from perfops.management.against_report import interrupt
from perfops.management.console import ReportCommand


class Command(ReportCommand):
    help = (
        "Run this build against itself in turn, and with a known slowdown put in: how often a "
        "verdict of check_budget --against is a false alarm here, or misses, and the smallest "
        "effect that it sees. Stored, and shown in verdicts and beside the budgets. "
        "Exit codes: 0 done, 2 could not run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        usual = Wanted()
        parser.add_argument("--scenario", default=usual.scenario)
        parser.add_argument("--seconds", type=float, default=usual.seconds, help="of one run (15)")
        parser.add_argument("--rate", type=float, help="requests a second; the scenario's highest")
        parser.add_argument("--pairs", type=int, default=24, help="at most (24)")
        parser.add_argument("--minutes", type=float, default=usual.minutes, help="at most (30)")
        parser.add_argument(
            "--slowdown-ms", type=float, default=1.0, help="CPU of each request of the slowed (1)"
        )

        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("scenario", "seconds", "rate", "pairs", "minutes")
        wanted = replace(Wanted(), **{name: options[name] for name in names})
        before = {each: signal.signal(each, interrupt) for each in STOPS}
        out = console.out()
        try:
            found = same_build.run(
                wanted, options["slowdown_ms"], lambda text: console.err().print(text, markup=False)
            )
        except CouldNotCompare as error:
            out.print(str(error), markup=False)
            sys.exit(console.COULD_NOT_TELL)
        except KeyboardInterrupt:
            out.print("It was stopped; the databases and the servers are gone.", markup=False)
            sys.exit(console.COULD_NOT_TELL)
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
        if options["format"] == "json":
            console.print_json({"sentence": same_build.sentence(found), **model_to_dict(found)})
            return
        out.print(same_build.sentence(found), markup=False)
        for name, share in sorted(found.noise.items(), key=lambda pair: -pair[1]):
            out.print(f"  {name}: runs vary by {share:.1%}", markup=False)
