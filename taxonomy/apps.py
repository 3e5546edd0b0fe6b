from django.apps import AppConfig


class TaxonomyConfig(AppConfig):
    name = "taxonomy"

    def ready(self) -> None:
        from midst.kernel.cache.signals import connect
        from taxonomy.cache import INVALIDATES

        connect(INVALIDATES)
