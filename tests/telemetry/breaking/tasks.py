"""A task that fails."""

from celery import shared_task


@shared_task(name="breaking.fail")
def fail():
    raise ValueError("as asked")
