"""``manage.py visit``: what visitors of the shop ask for, in place of visitors."""

from typing import Any

from django.core.management.base import BaseCommand
from django.test import Client

VISITS, BOOKS_EACH = 30, 8


class Command(BaseCommand):
    help = "Ask for the shop's pages: 30 visitors, each of whom looks up eight books."

    def handle(self, *args: Any, **options: Any) -> None:
        client = Client(SERVER_NAME="localhost")
        for n in range(VISITS):
            books = [
                f"/isbn/{9780000000000 + (n * BOOKS_EACH + k) * 97}/" for k in range(BOOKS_EACH)
            ]
            for page in ("/", "/signed/", *books):
                answer = client.get(page)
                if answer.status_code != 200:
                    self.stderr.write(f"{page}: {answer.status_code}")
        self.stdout.write(f"{(2 + BOOKS_EACH) * VISITS} pages were asked for.")
