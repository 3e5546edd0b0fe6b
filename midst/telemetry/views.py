"""``/metrics`` on the API port: only for addresses in ``METRICS_ALLOW``, by default for none."""

from typing import cast

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView

from midst.telemetry import exposition
from midst.telemetry.sampling import is_within
from midst.telemetry.shared.values import directory


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics of all processes; 404 to everyone who is not on the list.

    The peer's own address counts: a forwarded one can be invented.
    """
    address = request.META.get("REMOTE_ADDR") or "0.0.0.0"  # noqa: S104 -- a unix socket has none
    if not is_within(address, tuple(settings.METRICS_ALLOW)):
        raise Http404
    accept = request.headers.get("Accept", "")
    if directory() is None and "openmetrics" not in accept:
        # One process: django-prometheus' view. It knows neither exemplars nor the shared files.
        return cast(HttpResponse, ExportToDjangoView(request))
    body, content_type = exposition.render(accept)
    return HttpResponse(body, content_type=content_type)
