from django.apps import AppConfig


class TaxonomyConfig(AppConfig):
    name = "taxonomy"

    def ready(self) -> None:
        from taxonomy import signals  # noqa: F401 -- importing connects
