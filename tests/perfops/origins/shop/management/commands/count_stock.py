from django.core.management.base import BaseCommand

from tests.perfops.origins.shop.views import first


class Command(BaseCommand):
    def handle(self, *args, **options):
        for name in "ab":
            first(name)
