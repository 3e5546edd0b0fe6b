"""Three pages and the admin."""

from django.contrib import admin
from django.urls import path

from books import views

urlpatterns = [
    path("", views.BookList.as_view()),
    path("isbn/<str:isbn>/", views.book_by_isbn),
    path("signed/", views.signed_books),
    path("admin/", admin.site.urls),
]
