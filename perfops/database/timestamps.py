"""Moments as the project keeps them: with USE_TZ off Django reads and writes naive local time."""

from datetime import UTC, datetime

from django.utils import timezone


def to_datetime(epoch_s: float) -> datetime:
    """Return Unix time as a moment that compares with those of models and ``timezone.now``."""
    aware = datetime.fromtimestamp(epoch_s, UTC)
    return aware if timezone.is_aware(timezone.now()) else timezone.make_naive(aware)
