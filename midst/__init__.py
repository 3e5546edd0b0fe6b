"""Midst. Celery's way to make its app the current one, in every process."""

from midst.celery import app as celery_app

__all__ = ["celery_app"]
