"""`manage.py stack up, down, status`: the two servers alone, in the background."""

from midst.stack import plan as plans
from midst.stack import process, servers, state


def up() -> list[str]:
    """Start the servers and leave them running; return a line per server."""
    with state.only_one():
        if any(child.is_running() for child in process.remembered(state.PROCESSES)):
            return status()
        process.stop_remembered(state.PROCESSES)
        started = servers.start(state.ROOT, outside=servers.outside(state.CALLER), death=None)
        process.remember(started.children, state.PROCESSES)
        variables = plans.variables(plans.read(), started.urls)
        # One process at a time writes metrics here: `manage.py runserver`, say.
        del variables["PROMETHEUS_MULTIPROC_DIR"]
        state.write(variables)
    return status()


def down() -> list[str]:
    """End what ``up`` started; return the names. Not while a `make run` serves."""
    with state.only_one():
        return process.stop_remembered(state.PROCESSES)


def status() -> list[str]:
    """Return a line for each process: its name, number and log."""
    return [
        f"{child.name:<10} {'running' if child.is_running() else 'ended':<8} "
        f"pid {child.pid:<8} {child.log}"
        for child in process.remembered(state.PROCESSES)
    ]
