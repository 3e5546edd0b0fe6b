"""How schedules of django-celery-beat ended last."""

from django.db import models


class ScheduleOutcome(models.Model):
    """The last end of the schedule ``name``, as the worker saw it; ``error``: "" where it is done.

    A schedule that no worker has executed yet has none.
    """

    name = models.CharField(max_length=200, unique=True)
    ended_at = models.DateTimeField()
    error = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.error or 'ok'}"
