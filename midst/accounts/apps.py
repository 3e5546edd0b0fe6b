from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "midst.accounts"
    label = "accounts"

    def ready(self) -> None:
        from midst.accounts import signals  # noqa: F401
