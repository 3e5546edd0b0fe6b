"""The shop's pages. They work, and each of them is slower than it needs to be."""

from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.generic import ListView

from books.models import Book


class BookList(ListView):
    """The newest books. Its template asks for the author of each, one at a time."""

    model = Book
    paginate_by = 20


def book_by_isbn(request: HttpRequest, isbn: str) -> JsonResponse:
    return JsonResponse({"title": get_object_or_404(Book, isbn=isbn).title})


def signed_books(request: HttpRequest) -> JsonResponse:
    titles = Book.objects.filter(details__signed=True).values_list("title", flat=True)
    return JsonResponse({"titles": list(titles)})
