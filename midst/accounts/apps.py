from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "midst.accounts"
    label = "accounts"
