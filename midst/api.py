"""The one API, built from each app's router."""

from ninja import NinjaAPI

api = NinjaAPI(title="Midst", version="1")
