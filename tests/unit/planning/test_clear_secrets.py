"""Secrets in clear text are refused before they are rendered, and never repeated."""

import pytest

from tests.unit.planning import COMPOSE, Place, app

VALUE = "Tr0ub4dor"


def told(place: Place, name: str, value: str) -> list[tuple[str, str, str]]:
    facts = app("one")
    facts["containers"]["main"]["environment"] = {name: value}
    place.write(facts)
    findings = [f for f in place.plan("one", base=COMPOSE).findings if f.code == "security.clear-secret"]
    assert VALUE not in "".join(f"{f.text} {f.remedy} {f.where}" for f in findings)
    return [(f.path, f.verdict, f.class_) for f in findings]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PASSWORD", VALUE),
        ("DB_PASSWORD", VALUE),
        ("db_pass", VALUE),
        ("MYSQL_ROOT_PASSWD", VALUE),
        ("JWT_SECRET", VALUE),
        ("PLEX_TOKEN", VALUE),
        ("SONARR_APIKEY", VALUE),
        ("SONARR_API_KEY_1", VALUE),
        ("AWS_SECRET_ACCESS_KEY", VALUE),
        ("ENCRYPTION_KEY", VALUE),
        ("WIREGUARD_PRIVATE_KEY", VALUE),
        ("DATABASE_URL", f"postgres://one:{VALUE}@db/one"),
        ("BROKER", f"--broker=amqp://:{VALUE}@queue"),
    ],
)
def test_a_secret_in_clear_text_is_refused(place: Place, name: str, value: str) -> None:
    assert told(place, name, value) == [(f"apps.one.containers.main.env.{name}", "refused", "security")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD_FILE", "/run/secrets/db/value"),
        ("PASSWORD", "/run/secrets/db/value"),
        ("TOKEN_TTL", "3600"),
        ("ENABLE_PASSWORD", "false"),
        ("PASSWORD", ""),
        ("KEY", "F4"),
        ("MONKEY", VALUE),
        ("DATABASE_URL", "postgres://db/one"),
        ("DATABASE_URL", "postgres://one@db/one"),
        ("HELP", "see https://example.test:8080/a@b"),
    ],
)
def test_other_variables_are_left_alone(place: Place, name: str, value: str) -> None:
    assert told(place, name, value) == []


def test_a_reference_is_what_the_remedy_asks_for(place: Place) -> None:
    facts = app("one", secrets={"one-db-password": {"about": "of the database"}})
    facts["containers"]["main"]["environment"] = {"DB_PASSWORD": {"secret": "one-db-password"}}
    place.write(facts)
    assert [f for f in place.plan("one", base=COMPOSE).findings if f.code == "security.clear-secret"] == []


def test_an_override_of_a_profile_is_seen_and_can_be_accepted(place: Place) -> None:
    place.write(app("one"))
    override = {"one": {"containers": {"main": {"environment": {"DB_PASSWORD": VALUE}}}}}
    (found,) = [f for f in place.plan("one", base=COMPOSE, override=override).findings if f.code == "security.clear-secret"]
    assert found.where is not None
    assert "test.yaml" in str(found.where)
