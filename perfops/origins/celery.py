"""The scope of a Celery task, and the end of Celery's processes."""

from contextvars import Token
from typing import Any

from celery import signals

from perfops.origins import flushing, scope
from perfops.origins.scope import Scope

_running: dict[str, tuple[Scope, Token[Scope | None]]] = {}


def install() -> None:
    """Count what tasks ask of the database under their names."""
    signals.task_prerun.connect(_begin, dispatch_uid="perfops.origins", weak=False)
    signals.task_postrun.connect(_end, dispatch_uid="perfops.origins", weak=False)
    # A pool's child leaves without Python's own exit.
    signals.worker_process_shutdown.connect(_leave, dispatch_uid="perfops.origins", weak=False)


def uninstall() -> None:
    """Stop counting by task."""
    for signal in (signals.task_prerun, signals.task_postrun, signals.worker_process_shutdown):
        signal.disconnect(dispatch_uid="perfops.origins")


def _begin(*, task_id: str, task: Any, **_: object) -> None:
    name = str(task.name)[:300]
    ours = Scope("task", lambda: name)
    _running[task_id] = ours, scope.begin(ours)


def _end(*, task_id: str, **_: object) -> None:
    found = _running.pop(task_id, None)
    if found is not None:
        scope.end(*found)


def _leave(**_: object) -> None:
    flushing.at_exit()
