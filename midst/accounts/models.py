"""Who is signed in, and with what. No secret is stored: only hashes of random tokens."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from uuid_utils.compat import uuid7

HASH_LENGTH = 64  # SHA-256 in hex digits: enough for a random secret of 256 bits


class Session(models.Model):
    """A client's sign-in: one chain of refresh tokens, ended as a whole."""

    class End(models.TextChoices):
        SIGNED_OUT = "signed_out", "signed out"
        REUSE = "reuse", "a refresh token came twice"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    # Changes with the password, and so ends every session of the old one.
    auth_hash = models.CharField(max_length=HASH_LENGTH)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_because = models.CharField(max_length=20, choices=End, blank=True)

    def __str__(self) -> str:
        return str(self.id)


class RefreshToken(models.Model):
    """One link of a session's chain; ``used_at`` tells whether it is the last."""

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
    hint = models.CharField(max_length=20, help_text="How the token begins, to tell it by.")
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
