"""``manage.py k6_scenario NAME``: a first scenario of load runs, from the URLconf and real rows."""

import json
import re
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import msgspec

from perfops.analysis import queries
from perfops.analysis.collectors import origins
from perfops.conf import conf
from perfops.load import accounts, routes, scenario_files, trial, writes
from perfops.load.scenarios import SCRIPTS, SignIn
from perfops.load.writes import Writes
from perfops.management import console
from perfops.management.commands.list_routes import days
from perfops.management.console import ReportCommand

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")
_FILE = "scenarios.json"


class Command(ReportCommand):
    help = (
        "Write a first scenario into PERFOPS['SCENARIO_DIR']: routes of the URLconf that are read "
        "by GET, with the shares of the traffic that was counted; without traffic, all alike. Its "
        "requests are those of users who sign in, where the project has such a path. The admin "
        "lists it at once. Exit codes: 0 written, 2 could not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="of the scenario: small letters, digits, _ and -")
        parser.add_argument("--rate", type=int, default=20, help="requests a second (20)")
        parser.add_argument("--seconds", type=int, default=60, help="how long it is held (60)")
        parser.add_argument("--days", type=days, default=7, help="how many days of traffic (7)")
        signing_in = parser.add_mutually_exclusive_group()
        signing_in.add_argument(
            "--log-in", metavar="PATH", help="where users sign in, where the URLs do not say"
        )
        signing_in.add_argument("--anonymous", action="store_true", help="nobody signs in")
        parser.add_argument(
            "--writes", action="store_true",
            help="POSTs as well, whose rows are recognised and removed after each run",
        )  # fmt: skip
        parser.add_argument("--replace", action="store_true", help="replace the one that is there")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        try:
            self._write(Path(conf().SCENARIO_DIR), name, options)
        except (_Refused, OSError) as error:
            console.err().print(str(error), markup=False)
            sys.exit(console.COULD_NOT_TELL)

    def _write(self, folder: Path, name: str, options: dict[str, Any]) -> None:
        if not _NAME.fullmatch(name):
            raise _Refused(f"{name!r} is no name: small letters, digits, _ and -, 50 at most.")
        if min(options["rate"], options["seconds"]) < 1:
            raise _Refused("--rate and --seconds must be at least 1.")
        known = _known(folder)
        if name in known and not options["replace"]:
            raise _Refused(f"There is a scenario {name} already: take another name, or --replace.")
        found, basis = _discovered(options["days"])
        if not found.routes:
            raise _Refused("No route can be asked for by GET as it is: see manage.py list_routes.")
        sign_in = _sign_in(options)
        written = writes.discovered() if options["writes"] else Writes()
        every, failed = trial.tried({**found.routes, **written.routes}, sign_in)
        left_out = [*(f"{path}: nobody knows its ids" for path in found.unfilled)]
        left_out += [*written.left_out, *failed]
        if not every:
            raise _Refused("\n  ".join(["No route answers as expected:", *left_out]))
        shares = _give_shares(every, set(written.routes))
        file = f"{name}-routes.json"
        known[name] = {
            "title": f"Written by k6_scenario: {basis}.",
            "start_rate": options["rate"],
            "stages": [{"seconds": options["seconds"], "rate": options["rate"]}],
            "max_vus": max(40, 2 * options["rate"]),
            "routes": file,
            **({"sign_in": msgspec.to_builtins(sign_in)} if sign_in else {}),
        }
        scenario_files.write_all(folder, {file: every, _FILE: known})
        if options["format"] == "json":
            said = {"file": str(folder / file), "routes": every, "basis": basis}
            signed = sign_in.path if sign_in else None
            console.print_json({**said, "sign_in": signed, "left_out": left_out})
            return
        out = console.out()
        out.print(f"{folder / file}: {len(every)} routes, {basis}.", markup=False)
        if sign_in is not None:
            out.print(
                f"  {accounts.ACCOUNTS} users of each run's own sign in at {sign_in.path}; "
                "--anonymous: nobody does.",
                markup=False,
            )
        for each, percent in shares.items():
            out.print(
                f"  Writes, and removes it after the run: {each}, {percent:.2g}% of the requests",
                markup=False,
            )
        for each in left_out:
            out.print(f"  Left out: {each}", markup=False)
        out.print(f"Next: manage.py run_load_test {name} --here", markup=False)


def _give_shares(every: dict[str, Any], writing: set[str]) -> dict[str, float]:
    """Make those that write a tenth of the requests together, as *mixed* has it; return each one's
    percents.

    Of traffic that was counted reads have shares in percent: beside them a write would never come.
    """
    written = [name for name in every if name in writing]
    reads = sum(
        each["share"] if isinstance(each, dict) else each
        for name, each in every.items()
        if name not in writing
    )
    for name in written if reads else ():
        every[name]["share"] = max(0.001, round(reads / 9 / len(written), 3))
    whole = reads + sum(every[name]["share"] for name in written)
    return {name: 100 * every[name]["share"] / whole for name in written}


def _sign_in(options: dict[str, Any]) -> SignIn | None:
    if options["anonymous"]:
        return None
    path = options["log_in"]
    if path and not path.startswith("/"):
        raise _Refused(f"--log-in is a path: /{path}?")
    return accounts.of_path(path) if path else accounts.discovered()


class _Refused(ValueError):
    """The scenario can't be written; the message says what to do."""


def _known(folder: Path) -> dict[str, Any]:
    """Return what ``scenarios.json`` has; perfops' own where there is none: it would be hidden."""
    file = folder / _FILE
    try:
        found = json.loads((file if file.is_file() else SCRIPTS / _FILE).read_text())
    except ValueError as error:
        raise _Refused(f"{file} is no JSON: {error}. Correct it first.") from error
    if not isinstance(found, dict):
        raise _Refused(f"{file} is no list of scenarios by name. Correct it first.")
    return found


def _discovered(number: int) -> tuple[routes.Found, str]:
    scopes = origins.scopes(since=queries.begin(number))
    counted = {each.name: each.executions for each in scopes if each.name.startswith("GET ")}
    found = routes.discovered(counted) if counted else None
    if found is not None and found.routes:
        return found, f"shares of {sum(counted.values()):,} requests of {number} days"
    return routes.discovered(), "all routes alike, as no traffic was counted"
