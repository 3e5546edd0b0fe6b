"""Plans are changed by staff."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest

from midst.kernel.http import check_preconditions
from midst.kernel.problems import invalid
from profiles.models import Subscription
from profiles.selectors import access, subscriptions


def change(request: HttpRequest, reference: str, user: Any, fields: dict[str, Any]) -> bytes:
    """Change the terms of a profile's plan; return them. Raises ``Problem``: 404, 403, 412, 422."""
    with transaction.atomic():
        profile = access.lock_own_profile(reference, user)
        check_preconditions(request, subscriptions.encoded(profile.pk))
        found = Subscription.objects.filter(profile=profile).first()
        subscription = found or Subscription(profile=profile)
        for name, value in fields.items():
            setattr(subscription, name, value)
        start, end = subscription.period_start, subscription.period_end
        if start is not None and end is not None and end <= start:
            raise invalid("body.period_end", "must be after period_start")
        subscription.save()
        return subscriptions.encoded(profile.pk)
