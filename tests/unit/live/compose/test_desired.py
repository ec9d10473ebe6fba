"""From a rendered plan to what Compose is handed: every variable is provided, images are replaced, nothing secret is written."""

import hashlib
import json
import re

import pytest

from portable.backends.compose import render
from portable.engines.docker.observed import Observed
from portable.live.compose.apps import apps_of
from portable.live.compose.desired import FILES, SECRETS, addresses_of, desire, differing, stack_of
from portable.model import plan as p
from portable.model.exposures import Exposure, Lan, Loopback
from portable.secrets.values import NOTHING, Resolved, Secret
from tests.factories import app, container, full_plan, plan


def test_every_variable_that_the_rendering_wants_is_provided() -> None:
    """The names are made in two places of the program; here they meet."""
    made = full_plan("compose")
    stack = stack_of(made, render(made))
    given = stack.environment(Resolved({(n.name, n.key): Secret(f"canary-{n.name}-{n.key}") for n in stack.secrets}))
    wanted = set(re.findall(r"PORTABLE_SECRET_[A-Z0-9_]+", json.dumps(stack.body)))
    assert wanted
    assert wanted <= set(given)
    assert all("canary" in given[variable] for variable in wanted)


def test_every_image_of_the_rendering_is_known() -> None:
    made = full_plan("compose")
    stack = stack_of(made, render(made))
    assert {s["image"] for s in stack.body["services"].values()} <= {need.reference for need in stack.images}
    assert {need.recipe for need in stack.images} == {None, "torrents", "tools"}


def test_what_is_handed_to_compose_holds_no_secret() -> None:
    made = full_plan("compose")
    stack = stack_of(made, render(made))
    resolved = Resolved({(n.name, n.key): Secret(f"canary-{n.name}-{n.key}") for n in stack.secrets})
    desired = desire(
        stack, {need.reference: f"localhost/{need.reference}" for need in stack.images}, stack.environment(resolved), Observed()
    )
    assert "canary" not in json.dumps(desired.body)
    assert all(s["image"].startswith("localhost/") for s in desired.body["services"].values())
    assert {s.name for s in desired.services if s.owner == "gateway"} == {"torrents"}
    assert desired.service("init").once
    assert SECRETS in desired.body["services"]["init"]["labels"]  # it copies the seed, so the seed's secret is its own
    assert "player-conf=" in desired.body["services"]["player"]["labels"][FILES]
    assert "canary" not in repr(stack) + repr(desired) + repr(resolved)


def test_where_apps_answer() -> None:
    assert addresses_of(full_plan("compose")) == {
        "torrents": ("http://{host}:8080",),
        "player": ("http://127.0.0.1:32400", "https://{host}:443"),
    }


@pytest.mark.parametrize(("own", "host"), [(None, "{host}"), ("192.168.7.2", "192.168.7.2"), ("fd00::2", "[fd00::2]")])
def test_an_app_at_one_address_of_the_host_answers_there(own: str | None, host: str) -> None:
    web = (p.Port(name="web", number=8000, serves="http"),)
    made = plan(app(ports=web), exposures=(Exposure(app="demo", port="web", how=Lan(number=80, address=own)),))
    assert addresses_of(made) == {"demo": (f"http://{host}:80",)}


def test_an_app_without_secrets_and_files_gets_no_label_of_them() -> None:
    made = plan(app(containers=(container(env={"A": "$literal"}),)))
    stack = stack_of(made, render(made))
    labels = desire(stack, {}, {}, Observed()).body["services"]["demo"]["labels"]
    assert FILES not in labels
    assert SECRETS not in labels


def test_ports_are_read_in_both_forms() -> None:
    made = plan(app(), exposures=(Exposure(app="demo", port="web", how=Loopback(number=18000)),))
    stack = stack_of(made, render(made))
    ports = desire(stack, {}, {}, Observed()).service("demo").ports
    assert [(port.number, port.protocol, port.address) for port in ports] == [(18000, "tcp", "127.0.0.1")]


def test_slow_digests_are_made_only_for_a_document_that_is_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    made = full_plan("compose")
    stack = stack_of(made, render(made))
    assert desire(stack, {}, stack.environment(NOTHING), Observed()).body["services"]["init"]["labels"][SECRETS]

    def never(*_: object, **__: object) -> bytes:
        raise AssertionError("a digest is made")

    monkeypatch.setattr(hashlib, "scrypt", never)
    assert "torrents" in apps_of(stack)
    assert SECRETS not in desire(stack, {}, None, Observed()).body["services"]["init"]["labels"]


def test_settings_are_told_apart_by_name_and_never_by_value() -> None:
    service = {
        "environment": {"PUID": "1", "TOKEN": "old", "TZ": "UTC"},
        "ports": ["80:80"],
        "labels": {SECRETS: "1"},
        "init": "",
    }
    before = {"services": {"demo": service, "same": service, "gone": {}}}
    changed = {**service, "environment": {"PUID": "2", "TOKEN": "new", "TZ": "UTC"}, "ports": ["81:80"], "labels": {SECRETS: "2"}}
    now = {"services": {"demo": changed, "same": service, "new": {}, "later": {"image": "x"}}}
    assert differing(before, now) == {"demo": ("environment PUID, TOKEN", "ports"), "same": ()}
    assert differing({}, now) == {}
