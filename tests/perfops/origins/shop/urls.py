from django.urls import path, re_path

from tests.perfops.origins.shop import views

urlpatterns = [
    path("shelves/<int:number>/", views.shelf),
    re_path(r"^counters/(?P<name>\w+)$", views.counter),
    path("awaiting/", views.awaiting),
    path("stream/", views.stream),
    path("nothing/", views.nothing),
]
