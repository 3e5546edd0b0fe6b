"""Accounts, and their sessions and tokens: staff can end these, but not make or read them."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from midst.accounts import secrets, services
from midst.accounts.models import ApiToken, AuditEvent, Session
from midst.kernel.pagination import BoundedCountPaginator

admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(UserAdmin):
    """Django's own pages, without filters and sorting that a large table has no index for."""

    sortable_by = ()
    show_full_result_count = False
    paginator = BoundedCountPaginator
    list_filter = ()
    list_per_page = 50
    search_fields = ("username__exact",)
    search_help_text = "The exact username."
    actions = ("revoke_everything",)

    @admin.action(
        description="End all sessions and revoke all tokens of the selected users",
        permissions=["change"],
    )
    def revoke_everything(self, request: HttpRequest, users: QuerySet[User]) -> None:
        ended = [services.revoke_all(user) for user in users]
        sessions, tokens = (sum(each) for each in zip(*ended, strict=True))
        self.message_user(request, f"Sessions ended: {sessions}, tokens revoked: {tokens}.")


class _History(admin.ModelAdmin):
    ordering = ["-id"]
    sortable_by = ()
    show_full_result_count = False
    paginator = BoundedCountPaginator
    list_select_related = ["user"]
    search_fields = ["user__username__exact"]
    search_help_text = "The exact username."
    actions = ["end"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"accounts.change_{self.opts.model_name}")


@admin.register(Session)
class SessionAdmin(_History):
    list_display = ["id", "user", "created_at", "expires_at", "ended_at", "ended_because"]

    @admin.action(description="End the selected sessions", permissions=["end"])
    def end(self, request: HttpRequest, sessions: QuerySet[Session]) -> None:
        ended = sessions.filter(ended_at=None).update(
            ended_at=secrets.utc_now(), ended_because=Session.End.SIGNED_OUT
        )
        self.message_user(request, f"Sessions ended: {ended}.")


@admin.register(ApiToken)
class ApiTokenAdmin(_History):
    list_display = ["name", "hint", "user", "scopes", "last_used_at", "expires_at", "revoked_at"]
    exclude = ["token_hash"]

    @admin.action(description="Revoke the selected tokens", permissions=["end"])
    def end(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        ended = tokens.filter(revoked_at=None).update(revoked_at=secrets.utc_now())
        self.message_user(request, f"{ended} tokens revoked.")


@admin.register(AuditEvent)
class AuditEventAdmin(_History):
    """The newest first, to read only; see ``accounts.audit``."""

    actions = []
    list_select_related = []
    list_display = ["at", "event", "actor_name", "address", "subject"]
    list_per_page = 50
    search_fields = ["actor__username__exact"]
    search_help_text = "The exact username of who did it."

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
