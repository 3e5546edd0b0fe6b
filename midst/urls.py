"""Where everything is mounted."""

from django.contrib import admin
from django.urls import path
from django.views.generic import TemplateView

from midst import health
from midst.api import api
from midst.telemetry.views import metrics
from perfops.load.target_endpoint import target_figures

urlpatterns = [
    path("", TemplateView.as_view(template_name="landing.html"), name="landing"),
    path("health", health.health),
    path("ready", health.ready),
    path("status", health.status, name="status"),
    path("metrics", metrics),
    path("perfops/target", target_figures),
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
]
