"""Handing work over to Celery's workers, in projects that have them."""

from typing import Any


class NoWorkers(RuntimeError):
    """Nobody takes the work; the message says why and what to do."""


def hand_over(task: str, *, limit_s: int | None = None, **arguments: Any) -> None:
    """Queue ``task`` (a name) with ``arguments``. Raises ``NoWorkers``.

    ``limit_s``: how long it may take, instead of what the task or the project has for a limit.
    """
    try:
        from celery import current_app
        from celery.exceptions import OperationalError
    except ModuleNotFoundError as error:
        raise NoWorkers("Celery is not installed: install it and start a worker.") from error
    try:
        current_app.send_task(
            task, kwargs=arguments, retry=False, time_limit=limit_s, soft_time_limit=limit_s
        )
    except (OperationalError, OSError) as error:
        raise NoWorkers(
            f"The broker is away ({error}): start it and a worker, then ask again."
        ) from error
