"""Performance operations as a Django app: analysis, load runs, budgets."""

from django.apps import AppConfig


class PerfopsConfig(AppConfig):
    name = "perfops"
    verbose_name = "Performance"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from perfops.origins import installing

        installing.install()
