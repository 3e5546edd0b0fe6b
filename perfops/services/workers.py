"""Handing work over to Celery's workers, in projects that have them."""

from typing import Any


class NoWorkers(RuntimeError):
    """Nobody takes the work; the message says why and what to do."""


def hand_over(task: str, **arguments: Any) -> None:
    """Queue ``task`` (a name) with ``arguments``. Raises ``NoWorkers``."""
    try:
        from celery import current_app
        from celery.exceptions import OperationalError
    except ModuleNotFoundError as error:
        raise NoWorkers("Celery is not installed: install it and start a worker.") from error
    try:
        current_app.send_task(task, kwargs=arguments, retry=False)
    except (OperationalError, OSError) as error:
        raise NoWorkers(
            f"The broker is away ({error}): start it and a worker, then ask again."
        ) from error
