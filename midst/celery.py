"""The Celery application: ``celery -A midst.celery worker`` and ``beat``."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "midst.settings.prod")
os.environ.setdefault("MIDST_SERVICE", "midst-worker")

from celery import Celery

app = Celery("midst")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
