"""Loaded the schedules once; they come with ``post_migrate`` now (perfops/schedules.py).

A dependency on django-celery-beat would keep a project from adding it later.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("perfops", "0002_budgets")]
    operations = []
