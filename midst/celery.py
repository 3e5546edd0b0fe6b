"""The Celery application: ``celery -A midst.celery worker`` and ``beat``.

Every process that imports ``midst`` comes by here, so it decides nothing: name the settings
in ``DJANGO_SETTINGS_MODULE``.
"""

import os
from pathlib import Path

from celery import Celery
from celery.signals import heartbeat_sent
from django.apps import apps

app = Celery("midst")
# gunicorn's threads queue tasks too; without this only the main thread knows the broker.
app.set_default()
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(lambda: [config.name for config in apps.get_app_configs()])


@heartbeat_sent.connect
def touch_heartbeat_file(**_: object) -> None:
    """Every few seconds, while the broker is connected: the health check looks at its age.

    The path is ``WORKER_HEARTBEAT_FILE``; without it there is no file.
    """
    if path := os.environ.get("WORKER_HEARTBEAT_FILE"):
        Path(path).touch()
