"""The Celery application: ``celery -A midst.celery worker`` and ``beat``."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "midst.settings.prod")

from celery import Celery

app = Celery("midst")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
