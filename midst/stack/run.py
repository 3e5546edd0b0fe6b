"""`manage.py stack`: everything, from nothing to a judged load run; or the two servers alone."""

import contextlib
import functools
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from midst.stack import plan as plans
from midst.stack import privileges, process, servers, state
from midst.stack.plan import Plan
from midst.stack.state import StackError
from midst.stack.supervisor import Stop, Supervisor, stop_on_signals

READY_TIMEOUT_S = 60
ADMIN = "admin"
# The exit code of `prepare` when there was a superuser already.
HAD_ADMIN = 3

Say = Callable[[str], None]


def run(say: Say) -> None:
    """Start, load, analyse, judge, report; serve until a signal. Raises ``StackError``."""
    stop_on_signals()
    plan = plans.read()
    outside = servers.outside(state.CALLER)
    with state.only_one():
        for name in process.stop_remembered(state.PROCESSES):
            say(f"Ended {name}, left over from an earlier start.")
        plans.check_ground(plan)
        supervisor = Supervisor(say)
        try:
            _bring_up(plan, outside, supervisor, say)
            supervisor.serve()
        except Stop:
            say("Stopping ...")
        finally:
            supervisor.stop()
        say("Everything has stopped; the data stays.")


def _bring_up(plan: Plan, outside: dict[str, str], supervisor: Supervisor, say: Say) -> None:
    variables = _start_servers(plan, outside, supervisor, say)
    password = _prepare(plan, variables)
    say("Migrated; the taxonomy and the profiles are there.")
    *programs, beat = plans.programs(plan, variables)
    for program in programs:
        supervisor.start(program.start)
    _wait_until_ready(plan, supervisor)
    say(f"Serving on {plan.url}")
    codes = _prove(variables) if plan.smoke else {}
    # Last: it sends at once what was due while nothing ran, and one run loads a target at a time.
    supervisor.start(beat.start)
    say(_where_to_look(plan, password, codes))


def _start_servers(
    plan: Plan, outside: dict[str, str], supervisor: Supervisor, say: Say
) -> dict[str, str]:
    shutil.rmtree(state.ROOT / "logs", ignore_errors=True)
    # Counters of processes that have ended belong to the start before.
    metrics = state.ROOT / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir()
    started = servers.start(state.ROOT, outside=outside, death=signal.SIGINT)
    for child in started.children:
        again = functools.partial(servers.restart, child.name, state.ROOT, death=signal.SIGINT)
        supervisor.adopt(child, again)
    for name, url in started.urls.items():
        kind = "PostgreSQL" if name == "DATABASE_URL" else "Redis"
        say(f"{kind}: {'yours' if name in outside else 'embedded'}, port {urlsplit(url).port}")
    variables = plans.variables(plan, started.urls)
    state.write(variables)
    return variables


def _prepare(plan: Plan, variables: dict[str, str]) -> str | None:
    """Make the database ready; return the new admin's password, None when there was one."""
    password = secrets.token_urlsafe(12)
    code = _manage(
        "prepare", "--profiles", str(plan.profiles), "--admin", ADMIN,
        variables={**variables, "DJANGO_SUPERUSER_PASSWORD": password},
        codes=(0, HAD_ADMIN),
    )  # fmt: skip
    return password if code == 0 else None


def _prove(variables: dict[str, str]) -> dict[str, int]:
    """Load, analyse, judge: each prints its own report, and none keeps us from serving."""
    return {
        command[0]: _manage(*command, variables=variables, codes=(0, 1, 2))
        for command in (["run_load_test", "smoke"], ["analyze_db"], ["check_budget"])
    }


def _manage(*command: str, variables: dict[str, str], codes: tuple[int, ...] = (0,)) -> int:
    """Run ``manage.py`` in this terminal. Raises ``StackError`` for other exit codes."""
    sys.stdout.flush()
    line = privileges.bound([sys.executable, "manage.py", *command], death=signal.SIGTERM)
    child = subprocess.Popen(line, cwd=state.CHECKOUT, env={**os.environ, **variables})
    try:
        code = child.wait()
    except Stop:
        _end(child)
        raise
    if code not in codes:
        raise StackError(f"`manage.py {' '.join(command)}` ended with {code}; it says why above.")
    return code


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a command: the terminal's Ctrl-C reached it as well, a plain SIGTERM to us did not."""
    for number, patience_s in ((None, 5), (signal.SIGINT, 10), (signal.SIGKILL, None)):
        if number is not None:
            child.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience_s)
            return


def _wait_until_ready(plan: Plan, supervisor: Supervisor) -> None:
    web = next(watched.child for watched in supervisor.watched if watched.child.name == "web")
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(f"{plan.url}/ready", timeout=5).close()  # noqa: S310
        except (URLError, OSError) as error:
            if not web.is_running() or time.monotonic() > deadline:
                # /ready says which of its checks failed.
                said = error.read().decode() if isinstance(error, HTTPError) else str(error)
                raise StackError(
                    f"The web server is not ready: {said}. The end of {web.log}:\n{web.log_tail()}"
                ) from error
            time.sleep(0.2)
        else:
            return


def _where_to_look(plan: Plan, password: str | None, codes: dict[str, int]) -> str:
    meaning = {0: "fine", 1: "not fine", 2: "could not tell"}
    results = [f"  {name:<14} {meaning[code]}" for name, code in codes.items()]
    who = (
        f"user: {ADMIN}, password: {password} (shown once)"
        if password
        else f"user: {ADMIN}; a new password: .venv/bin/python manage.py changepassword {ADMIN}"
    )
    return "\n".join(
        [
            "",
            *(["Results", *results, ""] if results else []),
            "Where to look",
            f"  admin          {plan.url}/admin/  ({who})",
            f"  load runs      {plan.url}/admin/perfops/loadrun/",
            f"  API docs       {plan.url}/api/v1/docs",
            f"  OpenAPI        {plan.url}/api/v1/openapi.json",
            f"  metrics        {plan.metrics_url}",
            f"  logs           {state.ROOT / 'logs'}",
            "",
            "Ctrl-C stops everything; the data stays.",
        ]
    )


def up() -> list[process.Child]:
    """Start the servers and leave them running; return them.

    One that has ended beside one that runs is started again, at its old address.
    """
    with state.only_one():
        there = process.remembered(state.PROCESSES)
        if any(child.is_running() for child in there):
            _revive(there)
            return status()
        process.stop_remembered(state.PROCESSES)
        started = servers.start(state.ROOT, outside=servers.outside(state.CALLER), death=None)
        process.remember(started.children, state.PROCESSES)
        variables = plans.variables(plans.read(), started.urls)
        # One process at a time writes metrics here: `manage.py runserver`, say.
        del variables["PROMETHEUS_MULTIPROC_DIR"]
        state.write(variables)
    return status()


def _revive(there: list[process.Child]) -> None:
    for place, child in enumerate(there):
        if not child.is_running():
            # Its sessions may have outlived it.
            process.stop(child)
            there[place] = servers.restart(child.name, state.ROOT, death=None)
            process.remember(there, state.PROCESSES)


def down() -> list[str]:
    """End what ``up`` started; return the names. Not while a `make run` serves."""
    with state.only_one():
        return process.stop_remembered(state.PROCESSES)


def status() -> list[process.Child]:
    """Return what was started, whether it still runs or not."""
    return process.remembered(state.PROCESSES)
