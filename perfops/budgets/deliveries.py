"""Delivering alerts: each to each receiver once; what fails is tried again a few times."""

from django.db.models import F, QuerySet
from django.utils import timezone

from perfops.budgets import receivers
from perfops.budgets.alerts import Alert
from perfops.budgets.receivers import Receiver
from perfops.models.budgets import AlertDelivery

State = AlertDelivery.State
# Seconds until the second, third, ... attempt. Each is shorter than the hour after which Redis
# hands a task that waits to another worker.
BACKOFF_S = (30, 120, 600, 1800)


def deliver(alert: Alert) -> list[str]:
    """Send ``alert`` to each receiver that does not have it; return a sentence for each failure.

    A receiver that another worker sends to now, that has it, or that failed often enough is left
    out. Three queries a receiver.
    """
    failures = []
    for receiver in receivers.receivers():
        if not _claim(alert, receiver):
            continue
        failed = receivers.send(alert, receiver)
        _of(alert, receiver).update(
            state=State.FAILED if failed else State.DELIVERED, updated_at=timezone.now()
        )
        if failed:
            failures.append(failed)
    return failures


def _claim(alert: Alert, receiver: Receiver) -> bool:
    _, is_new = AlertDelivery.objects.get_or_create(run=alert.run, receiver=receiver.key)
    if is_new:
        return True
    failed = _of(alert, receiver).filter(state=State.FAILED, attempts__lte=len(BACKOFF_S))
    changes = {"state": State.SENDING, "attempts": F("attempts") + 1}
    return failed.update(**changes, updated_at=timezone.now()) == 1


def _of(alert: Alert, receiver: Receiver) -> QuerySet[AlertDelivery]:
    return AlertDelivery.objects.filter(run=alert.run, receiver=receiver.key)
