"""``manage.py fill``: books enough for a missing index to matter."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from books.models import Author, Book

AUTHORS, BOOKS = 1_000, 30_000


class Command(BaseCommand):
    help = "Throw all books away and make 30,000 new ones by 1,000 authors."

    def handle(self, *args: Any, **options: Any) -> None:
        Author.objects.all().delete()
        authors = Author.objects.bulk_create(Author(name=f"Author {n}") for n in range(AUTHORS))
        Book.objects.bulk_create(
            [
                Book(
                    author=authors[n % AUTHORS],
                    title=f"Book {n}",
                    isbn=f"{9780000000000 + n}",
                    shelf_mark=f"{n % 97:02}-{n:035}",
                    details={"pages": 100 + n % 400, "signed": n % 5_000 == 0},
                )
                for n in range(BOOKS)
            ],
            batch_size=5_000,
        )
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        self.stdout.write(f"{BOOKS} books by {AUTHORS} authors.")
