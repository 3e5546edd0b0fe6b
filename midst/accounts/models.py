"""Sessions and tokens, and the audit log. Of a token only the hash is stored."""

from collections.abc import Mapping
from enum import StrEnum

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from uuid_utils.compat import uuid7


class Scope(StrEnum):
    """What a personal API token can be allowed to do. A sign-in may do all its user may."""

    PROFILES_READ = "profiles:read"
    PROFILES_WRITE = "profiles:write"
    TAXONOMY_WRITE = "taxonomy:write"
    PERFOPS_READ = "perfops:read"
    PERFOPS_RUN = "perfops:run"


MEANINGS = {
    Scope.PROFILES_READ: "Read your own profiles and everything that belongs to them.",
    Scope.PROFILES_WRITE: (
        "Create, change, delete and export your own profiles; needs profiles:read as well."
    ),
    Scope.TAXONOMY_WRITE: "Change masks, epochs and stages (staff).",
    Scope.PERFOPS_READ: "Read load runs, findings and budgets (staff with the permission).",
    Scope.PERFOPS_RUN: (
        "Start and cancel load runs, acknowledge and mute findings, waive budgets (staff with the "
        "permission); needs perfops:read as well."
    ),
}

# A write answers with all of what it wrote to, so who may not read it may not write it either.
NEEDED_WITH: Mapping[Scope, tuple[Scope, ...]] = {
    Scope.PROFILES_WRITE: (Scope.PROFILES_READ,),
    Scope.PERFOPS_RUN: (Scope.PERFOPS_READ,),
}


HASH_LENGTH = 64  # SHA-256 in hex digits: enough for a random secret of 256 bits


class Session(models.Model):
    """A client's sign-in: all refresh tokens that followed from it end together."""

    class End(models.TextChoices):
        SIGNED_OUT = "signed_out", "signed out"
        REUSE = "reuse", "a refresh token was used twice"
        TOO_MANY = "too_many", "the account had too many sessions"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    # Changes with the password, and so ends every session of the old one.
    auth_hash = models.CharField(max_length=HASH_LENGTH)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_because = models.CharField(max_length=20, choices=End, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["ended_at"],
                name="accounts_session_ended",
                condition=models.Q(ended_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return str(self.id)


class RefreshToken(models.Model):
    """One of the tokens that a session is continued with; ``used_at`` is null for the newest."""

    token_hash = models.CharField(max_length=HASH_LENGTH, primary_key=True)
    session = models.ForeignKey(Session, models.CASCADE, related_name="refresh_tokens")
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.session_id}"


class ApiToken(models.Model):
    """A personal token for programs: some scopes, for some time."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    name = models.CharField(max_length=100)
    hint = models.CharField(max_length=20, help_text="How the token begins.")
    token_hash = models.CharField(max_length=HASH_LENGTH, unique=True)
    scopes = ArrayField(models.CharField(max_length=30))
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API token"
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="accounts_apitoken_newest")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"


class IdempotencyKey(models.Model):
    """A write that was done, under the key that its client gave it, and its answer.

    Not stored unless the write was. ``body`` is null when the answer was too large to store.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    key = models.CharField(max_length=255)
    # Of method, address and body: one key stands for one request.
    fingerprint = models.CharField(max_length=HASH_LENGTH)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="accounts_idempotencykey_once")
        ]

    def __str__(self) -> str:
        return self.key


class AuditEvent(models.Model):
    """Something that matters for security: who did it, from where, to what. Never changed."""

    class Event(models.TextChoices):
        SIGN_IN = "sign_in", "signed in"
        SIGN_IN_FAILED = "sign_in_failed", "failed to sign in"
        SIGN_OUT = "sign_out", "signed out"
        TOKEN_REUSED = "token_reused", "a refresh token was used twice"
        TOKEN_MADE = "token_made", "made a personal token"
        TOKENS_REVOKED = "tokens_revoked", "revoked personal tokens"
        PASSWORD_CHANGED = "password_changed", "a password was changed"
        ACCOUNT_CHANGED = "account_changed", "what an account may do was changed"
        PERMISSIONS_CHANGED = "permissions_changed", "permissions or groups were changed"
        ADMIN_ACTION = "admin_action", "a write in the admin"
        OPERATION = "operation", "an operation of performance"

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    event = models.CharField(max_length=30, choices=Event)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # Stays when the account goes.
    actor_name = models.CharField(max_length=150, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = "audit event"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} UTC {self.event}"
