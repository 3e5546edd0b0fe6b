"""Every address of Midst, and ``/broken``: an error of ours, for Sentry."""

from typing import NoReturn

from django.http import HttpRequest
from django.urls import path

from midst.urls import urlpatterns as ours


def broken(request: HttpRequest) -> NoReturn:
    raise ValueError("as asked")


urlpatterns = [*ours, path("broken", broken)]
