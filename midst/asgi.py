"""gunicorn's entry point for its asgi worker: Django in threads behind one event loop."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "midst.settings.prod")
os.environ.setdefault("MIDST_SERVICE", "midst-web")
os.environ.setdefault("WEB_THREADS", "4")
# A connection to the database for each thread, and one for the check of readiness.
os.environ.setdefault("DATABASE_POOL_SIZE", str(int(os.environ["WEB_THREADS"]) + 1))

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from midst.server.application import Server
from midst.server.threads import Threads

_THREADS = int(os.environ["WEB_THREADS"])
# So many requests wait for each thread; more would wait longer than their clients.
_WAITING = int(os.environ.get("WEB_WAITING", "16"))

application = Server(
    Threads(get_wsgi_application(), size=_THREADS, waiting=_THREADS * _WAITING),
    largest_body=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
)
