"""The Celery application: ``celery -A midst.celery worker`` and ``beat``.

Every process that imports ``midst`` comes by here, so it decides nothing: name the settings
in ``DJANGO_SETTINGS_MODULE``.
"""

from celery import Celery
from django.apps import apps

app = Celery("midst")
# gunicorn's threads queue tasks too; without this only the main thread knows the broker.
app.set_default()
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(lambda: [config.name for config in apps.get_app_configs()])
