"""Users for load runs that sign in: made before a run, removed with all they made after it."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.utils import timezone

SCENARIOS = ("mixed",)
PEOPLE = 20
_PREFIX = "load-run-"
# No run goes on for longer; what an older one left was left by a process that was killed.
_OVER_AFTER = timedelta(hours=2)


@contextmanager
def around(scenario: str, run_id: int) -> Iterator[dict[str, str]]:
    """Yield the variables of the scenario's script: ``PEOPLE``, names and a password as JSON.

    Nothing for a scenario that signs nobody in.
    """
    if scenario not in SCENARIOS:
        yield {}
        return
    users = get_user_model()
    remove(f"{_PREFIX}", older_than=_OVER_AFTER)
    password = secrets.token_urlsafe(24)
    # Hashed once: twenty times would take seconds, and the password is the same.
    hashed = make_password(password)
    prefix = f"{_PREFIX}{run_id}-"
    names = [f"{prefix}{number}" for number in range(PEOPLE)]
    users._default_manager.bulk_create(
        users(username=name, password=hashed, email=f"{name}@example.invalid") for name in names
    )
    try:
        yield {"PEOPLE": json.dumps({"names": names, "password": password})}
    finally:
        remove(prefix)


def remove(prefix: str, *, older_than: timedelta = timedelta()) -> None:
    """Delete the users whose names begin so, with their profiles and all that belongs to them."""
    made_before = timezone.now() - older_than
    found = get_user_model()._default_manager.filter(
        username__startswith=prefix, date_joined__lte=made_before
    )
    for user in found:
        user.delete()
