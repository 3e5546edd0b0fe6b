"""Books and who wrote them, with an index that is missing and one that nobody uses."""

from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class Book(models.Model):
    author = models.ForeignKey(Author, models.CASCADE)
    title = models.CharField(max_length=200)
    # Looked up by each visitor of /isbn/..., and not indexed.
    isbn = models.CharField(max_length=13)
    # Indexed, and asked for by nobody.
    shelf_mark = models.CharField(max_length=40)
    # /signed/ filters by a key within it.
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["shelf_mark"], name="book_shelf_mark")]

    def __str__(self) -> str:
        return self.title
