"""Where everything is mounted."""

from django.contrib import admin
from django.urls import path

from midst import health
from midst.api import api
from midst.telemetry.views import metrics
from perfops.load.target_endpoint import target_figures

urlpatterns = [
    path("health", health.health),
    path("ready", health.ready),
    path("status", health.status),
    path("metrics", metrics),
    path("perfops/target", target_figures),
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
]
