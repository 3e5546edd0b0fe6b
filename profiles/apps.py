from django.apps import AppConfig


class ProfilesConfig(AppConfig):
    name = "profiles"

    def ready(self) -> None:
        from midst.kernel.cache.signals import connect
        from profiles import tasks
        from profiles.cache import INVALIDATES
        from profiles.collections import CACHED

        connect({**INVALIDATES, **{each.model: each.invalidates for each in CACHED}})
        tasks.connect()
