import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.perfops.origins.shop.settings")

from celery import Celery

app = Celery("shop", set_as_current=False)
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(name="shop.tidy")
def tidy():
    from tests.perfops.origins.shop import views

    views.first("task")
    views.second("task")
