"""Celery shells over the services."""

from celery import shared_task

from midst.accounts import services


@shared_task(name="accounts.clear_expired", time_limit=600)
def clear_expired() -> None:
    """Delete what nobody can sign in with any more, and stored answers whose time is over."""
    services.clear_expired()
