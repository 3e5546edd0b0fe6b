"""Entry point for an ASGI server; Midst itself is served by gunicorn through ``midst.wsgi``."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "midst.settings.prod")

from django.core.asgi import get_asgi_application

application = get_asgi_application()
