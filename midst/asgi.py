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

_django = get_wsgi_application()


def _serve() -> Server:
    """Return the server; its modules need Django's apps to be ready."""
    from midst.server import hot

    return Server(
        Threads(_django, size=_THREADS, waiting=_THREADS * _WAITING),
        largest_body=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        hot_path=hot.make(),
    )


application = _serve()
