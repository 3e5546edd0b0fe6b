"""Performance operations as a Django app: analysis, load runs, budgets."""

from importlib.util import find_spec

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_migrate


class PerfopsConfig(AppConfig):
    name = "perfops"
    verbose_name = "Performance"
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        """Refuse psycopg2 before anything imports the driver. Raises ``ImproperlyConfigured``."""
        if find_spec("psycopg") is None:
            raise ImproperlyConfigured(
                "perfops needs psycopg 3, and this environment has none: "
                "pip install 'django-perfops[psycopg]'. Django then uses it instead of psycopg2."
            )
        super().import_models()

    def ready(self) -> None:
        from perfops import checks as checks  # registers them
        from perfops import schedules
        from perfops.analysis import recommenders
        from perfops.budgets.metrics import registry
        from perfops.models.budgets import register_metrics
        from perfops.origins import install

        install.install()
        register_metrics(registry.choices)
        recommenders.register("perfops.indexes.services")
        post_migrate.connect(schedules.after_migrate, sender=self)
        post_migrate.connect(recommenders.after_migrate, sender=self)
