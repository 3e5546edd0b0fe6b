"""gunicorn's entry point. Threads share a connection pool; nothing else turns it on."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "midst.settings.prod")
os.environ.setdefault("DATABASE_POOL_SIZE", "8")
os.environ.setdefault("MIDST_SERVICE", "midst-web")

from django.core.wsgi import get_wsgi_application

from midst.kernel.chunked import with_chunked_bodies

application = with_chunked_bodies(get_wsgi_application())
