"""Beat that lives on while the database is away: ``CELERY_BEAT_SCHEDULER`` names the class.

django_celery_beat 2.9 survives an error when it asks whether the schedule has changed, and ends
with one when it reads the schedule, every five minutes or after a change.
"""

import logging
from typing import Any

from django.db import Error, close_old_connections
from django_celery_beat.schedulers import DatabaseScheduler

log = logging.getLogger(__name__)


class PatientScheduler(DatabaseScheduler):  # type: ignore[misc]  # it has no types
    """Sends what is due as soon as the database answers again."""

    def tick(self, *args: Any, **options: Any) -> float:
        """Send one task if it is due; return after how many seconds to look again."""
        try:
            seconds: float = super().tick(*args, **options)
        except Error as error:
            log.warning("the schedule can't be read, beat asks again: %s", type(error).__name__)
            close_old_connections()
            seconds = self.max_interval
        return seconds
