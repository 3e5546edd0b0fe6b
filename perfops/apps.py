"""Performance operations as a Django app: analysis, load runs, budgets."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PerfopsConfig(AppConfig):
    name = "perfops"
    verbose_name = "Performance"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from perfops import checks  # noqa: F401 -- registers them
        from perfops.origins import installing
        from perfops.services import schedules

        installing.install()
        post_migrate.connect(schedules.after_migrate, sender=self)
