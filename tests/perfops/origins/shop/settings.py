import os
from pathlib import Path

import dj_database_url

BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = "of-the-shop"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
    "django.contrib.postgres",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django_celery_beat",
    "perfops",
    "tests.perfops.origins.shop",
]
MIDDLEWARE = [
    "perfops.origins.middleware.origin_middleware",
    "tests.perfops.origins.shop.views.plain_middleware",
]
DATABASES = {"default": dj_database_url.parse(os.environ["SHOP_DATABASE_URL"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.perfops.origins.shop.urls"
USE_TZ = True
PERFOPS = {"ORIGIN_FLUSH_S": 1.0}
CELERY_BROKER_URL = os.environ["SHOP_BROKER_URL"]
CELERY_TASK_DEFAULT_QUEUE = os.environ["SHOP_QUEUE"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
