"""What looks like a secret in a running job does not become a literal of a program."""

from typing import Any

import pulumi
import pytest
from unit.jobs.some_jobs import IMAGE, job, one

from mooring.jobs import Docker, DockerAuth, Driver, Group, Job, Later, Task, as_python
from mooring.jobs.secrets import Secret, looks_secret, without_secrets


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", "x"),
        ("PASSWORD", "x"),
        ("api_key", "x"),
        ("APIKEY", "x"),
        ("GITHUB_TOKEN", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("SESSION_SECRET_2", "x"),
        ("SENTRY_DSN", "https://abc@sentry.example/1"),
        ("DATABASE_URL", "postgres://app:pass@db:5432/app"),
        ("REDIS_URL", "redis://:pass@db:6379"),
    ],
)
def test_a_secret_is_known_by_its_name_or_by_a_login_in_it(name: str, value: str) -> None:
    assert looks_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "8080"),
        ("KEYBOARD", "de"),
        ("COMPASS", "north"),
        ("TOKENIZER", "bpe"),
        ("DB_PASSWORD", ""),
        ("DB_PASSWORD_FILE", "/secrets/db"),
        ("DB_PASSWORD", "${NOMAD_META_password}"),
        ("DATABASE_URL", "postgres://db:5432/app"),
        ("HOMEPAGE", "https://example.org/@someone"),
    ],
)
def test_what_is_none_stays_readable(name: str, value: str) -> None:
    assert not looks_secret(name, value)


def test_each_becomes_a_named_place_and_the_rest_stays() -> None:
    told = one(env={"PORT": "8080", "DB_PASSWORD": "hunter2"}, driver=Docker(IMAGE, auth=DockerAuth(password="p4ss")))  # noqa: S106

    job_, secrets = without_secrets(told, "shop")

    python = as_python(job_)
    assert secrets == [Secret("app-DB_PASSWORD", "hunter2"), Secret("app-registry-password", "p4ss")]
    assert '"DB_PASSWORD": later(pulumi.Config("shop").require_secret("app-DB_PASSWORD"))' in python
    assert '"PORT": "8080"' in python
    assert "hunter2" not in python
    assert "p4ss" not in python


def test_another_drivers_password_is_one_too() -> None:
    told = one(driver=Driver("podman", {"image": "x", "auth": [{"username": "u", "password": "p4ss"}]}))

    job_, secrets = without_secrets(told, "shop")

    assert secrets == [Secret("app-password", "p4ss")]
    assert "p4ss" not in as_python(job_)


def test_two_of_one_name_have_keys_of_their_own() -> None:
    tasks = [Task("app", Docker(IMAGE), env={"A_TOKEN": text}) for text in ("one", "two")]

    _, secrets = without_secrets(job(groups=[Group("a", tasks=tasks[:1]), Group("b", tasks=tasks[1:])]), "shop")

    assert secrets == [Secret("app-A_TOKEN", "one"), Secret("app-A_TOKEN-2", "two")]


def test_its_python_puts_the_configured_value_in_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    told = one(env={"PORT": "8080", "DB_PASSWORD": "hunter2"})
    job_, secrets = without_secrets(told, "shop")
    asked: list[tuple[str, str]] = []

    class Config:
        def __init__(self, name: str) -> None:
            self.name = name

        def require_secret(self, key: str) -> str:
            asked.append((self.name, key))
            return {secret.key: secret.value for secret in secrets}[key]

    monkeypatch.setattr(pulumi, "Config", Config)
    names: dict[str, Any] = {}
    exec(as_python(job_), names)  # noqa: S102 -- it is made for that
    again: Job = names["job"]

    place = again.groups[0].tasks[0].env["DB_PASSWORD"]
    assert isinstance(place, Later)
    assert place.value == "hunter2"
    assert asked == [("shop", "app-DB_PASSWORD")]
