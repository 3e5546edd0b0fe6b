"""Celery shells over the services, and what queues them."""

import logging
from functools import partial
from typing import Any

from celery import shared_task
from django.db import transaction
from django.db.models.signals import post_save
from kombu.exceptions import OperationalError

from profiles.services import profiles
from taxonomy.models import Mask

log = logging.getLogger(__name__)


@shared_task(name="profiles.refresh_search", time_limit=3600)
def refresh_search(mask: int) -> None:
    """Let the profiles be found again whose default mask has changed what it leaves out."""
    profiles.refresh_search(mask)


def queue_search(mask: int) -> None:
    """Queue ``refresh_search`` when a change of the mask was too large to be followed at once."""
    if not profiles.lacks_search(mask):
        return
    try:
        refresh_search.apply_async((mask,), retry=False)
    except OperationalError:
        log.exception(
            "the search finds no profile of mask %s: the broker is away. Save the mask again.",
            mask,
        )


def _after_a_mask(instance: Mask, created: bool, **_: Any) -> None:
    if not created:
        transaction.on_commit(partial(queue_search, instance.pk))


def connect() -> None:
    post_save.connect(_after_a_mask, sender=Mask, dispatch_uid="profiles.search")
