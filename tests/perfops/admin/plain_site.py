"""The admin of a project that has Django's site alone: perfops' pages with no guard around."""

from django.contrib import admin
from django.urls import include, path

plain = admin.AdminSite()
for _model, _its in admin.site._registry.items():
    plain.register(_model, type(_its))

urlpatterns = [path("admin/", plain.urls), path("", include("midst.urls"))]
