"""Someone with an account, and a way to ask with a token."""

import pytest
from django.contrib.auth import get_user_model

PASSWORD = "correct horse battery"


@pytest.fixture
def ada(db):
    return get_user_model().objects.create_user("ada", password=PASSWORD)


@pytest.fixture
def post(client):
    def ask(path, body, token=None):
        return client.post(
            f"/api/v1/auth{path}", body, content_type="application/json", headers=bearer(token)
        )

    return ask


@pytest.fixture
def sign_in(post, ada):
    def ask(username="ada", password=PASSWORD):
        return post("/token", {"username": username, "password": password})

    return ask


def bearer(token):
    return {"Authorization": f"Bearer {token}"} if token else {}
