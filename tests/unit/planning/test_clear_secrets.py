"""Secrets in clear text are refused before they are rendered, and never repeated."""

from typing import Any

import pytest

from portable.backends.prepare import prepare
from portable.model.findings import Finding
from tests.unit.planning import CLUSTER, COMPOSE, Place, app, cloud

VALUE = "Tr0ub4dor"
SHIPPED = ("local", "zimaboard", "zimaboard-8gb", "samba", "openshift")


def clear(place: Place, **changes: Any) -> list[Finding]:
    found = [f for f in place.plan("one", base=COMPOSE, **changes).findings if f.code == "security.clear-secret"]
    assert VALUE not in "".join(f"{f.text} {f.remedy} {f.where}" for f in found)
    return found


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
        ("PGPASSWORD", VALUE),
        ("MYSQL_PWD", VALUE),
        ("REDISCLI_AUTH", VALUE),
        ("TS_AUTHKEY", VALUE),
        ("WIREGUARD_PRESHARED_KEY", VALUE),
        ("PLEX_CLAIM", VALUE),
        ("dbPassword", VALUE),
        ("ADMIN_PASSWORDS", VALUE),
        ("FEED", f"https://indexer.test/rss?t=tv&apikey={VALUE}"),
        ("HOOK", f"https://discord.com/api/webhooks/1234567/{VALUE}"),
        ("HEADERS", f"Authorization: Bearer {VALUE}"),
        ("IDENTITY_PEM", f"-----BEGIN OPENSSH PRIVATE KEY-----{VALUE}"),
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
        ("DATABASE_URL", "postgres://one:${DB_PASSWORD}@db/one"),
        ("FEED", "https://indexer.test/rss?t=tv&apikey=$KEY"),
        ("BYPASS", VALUE),
        ("PWD", "/config"),
        ("PASSWORD", "$(cat /run/secrets/db/value)"),
        ("PASSWORD", "`cat /run/secrets/db/value`"),
        ("USER_PASS", "file:/run/secrets/db/value"),
        ("MAX_TOKENS", "4096"),
        ("MIN_PASSWORD", "8"),
        ("RESET_TOKEN", "15m"),
        ("SHOW_PASSWORDS", "never"),
    ],
)
def test_other_variables_are_left_alone(place: Place, name: str, value: str) -> None:
    assert told(place, name, value) == []


ARGUMENTS = [
    (["serve", f"--password={VALUE}"], "--password"),
    (["serve", "--rc-pass", VALUE], "--rc-pass"),
    (["redis-server", "--requirepass", VALUE], "--requirepass"),
    (["tunnel", "run", "--token", VALUE], "--token"),
    (["serve", f"-apiKey={VALUE}"], "-apiKey"),
    (["sh", "-c", f"export DB_PASSWORD='{VALUE}'; exec serve"], "DB_PASSWORD"),
    (["sh", "-c", f"curl -fs -u bob:{VALUE} http://127.0.0.1/"], "login of -u"),
    (["curl", "-H", f"X-Api-Key: {VALUE}", "http://127.0.0.1/"], "form of a secret"),
    (["sync", f"sftp://bob:{VALUE}@host/srv"], "address with a password"),
]


@pytest.mark.parametrize("field", ["command", "args"])
@pytest.mark.parametrize(("command", "why"), ARGUMENTS)
def test_a_secret_in_a_command_is_refused(place: Place, field: str, command: list[str], why: str) -> None:
    facts = app("one")
    facts["containers"]["main"][field] = command
    (found,) = clear(place.write(facts))
    assert (found.path, found.field, found.verdict) == (f"apps.one.containers.main.{field}", f"containers.{field}", "refused")
    assert why in found.text


@pytest.mark.parametrize(
    "command",
    [
        ["serve", "--password-file", "/run/secrets/db/value"],
        ["serve", "--password", "/run/secrets/db/value"],
        ["serve", "--password=$DB_PASSWORD"],
        ["serve", "--ask-password", "--port", "80"],
        ["psql", "--no-password", "mydb"],
        ["serve", "--api-key", "@/run/secrets/db/value"],
        ["serve", "--auth-token", "file:///run/secrets/db/value"],
        ["serve", "--token-ttl", "3600"],
        ["sh", "-c", 'PGPASSWORD="$(cat /run/secrets/db/value)" exec psql'],
        ["su-exec", "--user", "nobody:nogroup", "serve"],
        ["curl", "-u", "1000:1000", "http://127.0.0.1/"],
        [""],
    ],
)
def test_other_commands_are_left_alone(place: Place, command: list[str]) -> None:
    facts = app("one")
    facts["containers"]["main"]["args"] = command
    assert clear(place.write(facts)) == []


@pytest.mark.parametrize(
    "probe", [{"exec": ["serve", "status", "--token", VALUE]}, {"http": {"port": "web", "path": f"/ping?token={VALUE}"}}]
)
def test_a_secret_in_a_health_check_is_refused(place: Place, probe: dict[str, Any]) -> None:
    facts = app("one")
    facts["containers"]["main"]["probe"] = probe
    assert [f.path for f in clear(place.write(facts))] == ["apps.one.containers.main.probes"]


def test_the_container_of_a_cloud_is_read(place: Place) -> None:
    """An override of rclone may hold the password of the remote store."""
    place.write(app("one", clouds=["store"]), clouds=(cloud("store"),))
    main = {"environment": {"RCLONE_CONFIG_STORE_PASS": VALUE}, "args": ["run", f"--sftp-pass={VALUE}"]}
    override = {"rclone": {"containers": {"main": main}}}
    found = clear(place, override=override, clouds=["store"])
    assert [(f.path, f.app) for f in found] == [
        ("clouds.store.fuse_mount.env.RCLONE_CONFIG_STORE_PASS", "store"),
        ("clouds.store.fuse_mount.args", "store"),
    ]


def test_the_shipped_catalog_has_none() -> None:
    for name in SHIPPED:
        assert [f.text for f in prepare(name).planned.findings if f.code == "security.clear-secret"] == []


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


def test_a_secret_in_an_annotation_is_a_mistake(place: Place) -> None:
    """Everybody who may read the objects of a namespace sees it."""
    place.write(app("one"))
    for key, value in (("prometheus.io/password", VALUE), ("prometheus.io/url", f"http://one:{VALUE}@db/"), ("apiKey", VALUE)):
        (mistake,) = place.caught("one", base=CLUSTER, metadata={"default": {"pod": {"annotations": {key: value}}}})
        assert (mistake.path, mistake.code) == (f"metadata.default.pod.annotations.{key}", "security.clear-secret")
        assert VALUE not in mistake.text + mistake.remedy
    assert place.plan("one", base=CLUSTER, metadata={"default": {"pod": {"annotations": {"prometheus.io/port": "9090"}}}}).plan.metadata
