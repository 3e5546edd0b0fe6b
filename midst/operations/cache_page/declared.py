"""Which region of the cache an answer came from: ``PERFOPS["CACHE_REGION_OF"]``."""

from pathlib import Path

from django.conf import settings
from django.http import HttpResponse

from midst.kernel.http import Origin


def region_of(response: HttpResponse) -> tuple[str, str] | None:
    """Return the region's name, and its file from the project's folder on; None for no region."""
    origin: Origin | None = getattr(response, "origin", None)
    if origin is None:
        return None
    region = origin.source.region
    file = Path(region.file)
    here = settings.BASE_DIR
    return region.name, str(file.relative_to(here) if file.is_relative_to(here) else file)
