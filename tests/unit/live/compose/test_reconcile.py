"""Reconciling with observations made by hand: every cause, and nothing where nothing differs."""

from typing import Any

import msgspec
import pytest

from portable.backends.compose.files import DIGEST
from portable.engines.docker.observed import Observed, ObservedContainer, ObservedNetwork
from portable.live.compose.desired import FILES, SECRETS, Desired, current, desire, joined
from portable.live.compose.reconcile import SEED_FILES_ONLY, SEEDS_ONLY, reconcile, scope
from portable.live.compose.up import _changes
from portable.model.errors import Refused
from tests.by_hand import by_hand

IMAGE = "registry.test/app:1.0"


def document() -> dict[str, Any]:
    return {
        "name": "media-test",
        "services": {
            "init": {"image": IMAGE},
            "gateway": {
                "image": IMAGE,
                "depends_on": {"init": {"condition": "service_completed_successfully"}},
                "networks": {"default": {}},
            },
            "torrents": {
                "image": IMAGE,
                "network_mode": "service:gateway",
                "depends_on": {"gateway": {"condition": "service_healthy"}},
                "configs": [{"source": "torrents-conf", "target": "/c"}],
            },
            "player": {"image": IMAGE, "labels": {"portable.app": "player"}, "secrets": [{"source": "player-key", "target": "/s"}]},
            "player-tls": {"image": IMAGE, "labels": {"portable.app": "player"}, "network_mode": "service:player"},
        },
        "configs": {"torrents-conf": {"content": "a"}},
        "secrets": {"player-key": {"environment": "PORTABLE_SECRET_PLAYER_KEY"}},
        "networks": {"default": {"ipam": {"config": [{"subnet": "172.20.0.0/16"}]}}},
    }


NOTHING = Observed()
VARIABLES = {"PORTABLE_SECRET_PLAYER_KEY": "value"}


def desired(observed: Observed = NOTHING, body: dict[str, Any] | None = None, variables: dict[str, str] = VARIABLES) -> Desired:
    made = desire(by_hand(project="media-test", body=body or document()), {}, variables, observed)
    hashes = {s.name: frozenset({f"hash of {s.name}"}) for s in made.services}
    return msgspec.structs.replace(made, hashes=hashes, image_ids={IMAGE: "sha256:1"})


def running() -> dict[str, ObservedContainer]:
    """Containers just as the document wants them."""
    wanted = desired()
    seen = {}
    for number, service in enumerate(("init", "gateway", "player", "torrents", "player-tls")):
        labels = {k: v for k, v in (wanted.body["services"][service].get("labels") or {}).items() if k.startswith("portable.")}
        joins = {"torrents": "id-gateway", "player-tls": "id-player"}.get(service)
        seen[service] = ObservedContainer(
            id=f"id-{service}",
            name=f"media-test-{service}-1",
            service=service,
            state="exited" if service == "init" else "running",
            started_at=f"2026-01-01T00:00:0{number}.000000000Z",
            image=IMAGE,
            image_id="sha256:1",
            config_hash=f"hash of {service}",
            labels=labels,
            joins=joins,
            networks=() if joins else ("media-test_default",),
        )
    return seen


def observed(seen: dict[str, ObservedContainer], *more: ObservedContainer, networks: tuple[ObservedNetwork, ...] = ()) -> Observed:
    return Observed(containers=(*seen.values(), *more), networks=networks)


def sentences(
    seen: dict[str, ObservedContainer],
    *more: ObservedContainer,
    body: dict[str, Any] | None = None,
    networks: tuple[ObservedNetwork, ...] = (),
    **options: Any,
) -> list[str]:
    there = observed(seen, *more, networks=networks)
    variables = options.pop("variables", VARIABLES)
    return [change.sentence() for change in reconcile(desired(there, body, variables), there, **options)]


def but(service: str, **changes: Any) -> dict[str, ObservedContainer]:
    seen = running()
    seen[service] = msgspec.structs.replace(seen[service], **changes)
    return seen


def test_nothing_where_nothing_differs() -> None:
    assert sentences(running()) == []


def test_an_empty_engine_gets_everything_in_start_order() -> None:
    assert sentences({}) == [f"create {s}: it does not exist yet" for s in ("init", "gateway", "player", "player-tls", "torrents")]


@pytest.mark.parametrize(
    ("service", "changes", "expected"),
    [
        ("player", {"image": "registry.test/app:0.9"}, f"recreate player: its image changed from registry.test/app:0.9 to {IMAGE}"),
        ("player", {"image_id": "sha256:0"}, f"recreate player: the engine has a newer image of {IMAGE}"),
        ("player", {"config_hash": "other"}, "recreate player: its settings changed"),
        ("player", {"labels": {}}, "recreate player: its secret player-key changed"),
        ("torrents", {"labels": {FILES: "torrents-conf=000000000000"}}, "recreate torrents: its config file torrents-conf changed"),
        ("torrents", {"labels": {}}, "recreate torrents: its config file torrents-conf changed"),
        ("torrents", {"joins": "id-of-another"}, "recreate torrents: it shares the network of gateway, which was recreated from outside"),
        (
            "torrents",
            {"started_at": "2026-01-01T00:00:00.500000000Z"},
            "restart torrents: it shares the network of gateway, which was restarted from outside",
        ),
        ("torrents", {"state": "created"}, "recreate torrents: its container was created but never started"),
        (
            "init",
            {"state": "exited", "exit_code": 127, "error": "not a directory"},
            "recreate init: it could not be started: not a directory",
        ),
        ("torrents", {"state": "dead"}, "recreate torrents: its container is dead"),
        (
            "torrents",
            {"state": "exited", "exit_code": 137, "out_of_memory": True},
            "start torrents: it is not running (it ran out of memory)",
        ),
        ("torrents", {"state": "exited", "exit_code": 1}, "start torrents: it is not running (exit code 1)"),
        ("torrents", {"state": "paused"}, "start torrents: it is paused"),
        ("init", {"exit_code": 2}, "start init: it did not finish (exit code 2)"),
    ],
)
def test_one_cause(service: str, changes: dict[str, Any], expected: str) -> None:
    found = sentences(but(service, **changes))
    assert found[0] == expected
    if service != "player":
        assert len(found) == 1


@pytest.mark.parametrize("state", ["running", "restarting"])
def test_what_runs_or_is_restarted_by_the_engine_is_left_alone(state: str) -> None:
    assert sentences(but("torrents", state=state, health="unhealthy")) == []


def test_sharers_follow_their_owner() -> None:
    assert sentences(but("gateway", config_hash="other")) == [
        "recreate gateway: its settings changed",
        "recreate torrents: it shares the network of gateway, which is recreated",
    ]
    assert (
        sentences(but("gateway", state="exited", exit_code=0))[1] == "restart torrents: it shares the network of gateway, which is started"
    )
    seen = running()
    del seen["gateway"]
    assert sentences(seen)[1] == "recreate torrents: it shares the network of gateway, which is created"


def test_an_app_that_left_is_removed_first() -> None:
    gone = ObservedContainer(id="x", name="media-test-old-1", service="old", state="running")
    assert sentences(running(), gone) == ["remove old: it is no longer part of the stack; its data stays"]
    assert sentences(running(), gone, apps=("player",)) == []


def test_a_second_container_of_a_service_is_removed() -> None:
    second = ObservedContainer(id="x", name="1234_media-test-player-1", service="player", state="created", replaces="id-player")
    assert sentences(running(), second) == ["remove 1234_media-test-player-1: a second container of player, left by an interrupted change"]


def test_a_changed_subnet() -> None:
    network = ObservedNetwork(id="n", name="media-test_default", key="default", subnets=("172.21.0.0/16",))
    found = sentences(running(), networks=(network,))
    assert found[0] == "recreate network default: its subnet changed from 172.21.0.0/16 to 172.20.0.0/16"
    assert "recreate torrents: it shares the network of gateway, which is recreated" in found
    assert sentences(running(), networks=(msgspec.structs.replace(network, subnets=("172.20.0.0/16",)),)) == []


def test_who_was_taken_off_its_network_is_made_anew() -> None:
    """Its settings are the same, so Compose would leave it where nobody finds it."""
    network = ObservedNetwork(id="n", name="media-test_default", key="default", subnets=("172.20.0.0/16",))
    found = sentences(but("player", networks=()), networks=(network,))
    assert found[0] == "recreate player: it was taken off the network default from outside"
    assert sentences(but("player", networks=(), state="exited"), networks=(network,))[0].startswith("start player")


def test_only_some_apps_and_what_they_need() -> None:
    assert scope(desired(), ("torrents",)) == {"torrents", "gateway", "init"}
    assert sentences({}, apps=("torrents",)) == [f"create {s}: it does not exist yet" for s in ("init", "gateway", "torrents")]
    # Who shares the namespace of what is recreated is not left behind on a dead one.
    assert sentences(but("player", config_hash="x"), apps=("player",))[-1].startswith("recreate player-tls")
    assert sentences(but("gateway", config_hash="x"), apps=("gateway",))[-1].startswith("recreate torrents")


def test_labels_that_still_tell_the_truth_are_kept() -> None:
    first = desired().body["services"]["player"]["labels"][SECRETS]
    there = observed(but("player", labels={SECRETS: first, "portable.app": "player"}))
    assert desired(there).body["services"]["player"]["labels"][SECRETS] == first
    assert desired(there, variables={"PORTABLE_SECRET_PLAYER_KEY": "other"}).body["services"]["player"]["labels"][SECRETS] != first
    assert "value" not in first


def test_hashes_are_asked_for_as_containers_have_them() -> None:
    there = observed(running())
    services = joined(desired(there), there)["services"]
    assert services["torrents"]["network_mode"] == "container:id-gateway"
    assert services["player-tls"]["depends_on"] == {"player": {"condition": "service_started", "restart": True}}
    assert joined(desired(), Observed())["services"]["torrents"]["network_mode"] == "service:gateway"


def test_of_two_containers_the_running_one_counts() -> None:
    new = ObservedContainer(id="new", name="x", service="player", state="created", started_at="")
    assert current(observed(running(), new))["player"].id == "id-player"


def test_a_cycle_of_dependencies_does_not_hang() -> None:
    body = document()
    body["services"]["gateway"]["depends_on"] = {"player": {"condition": "service_started"}}
    body["services"]["player"]["depends_on"] = {"gateway": {"condition": "service_started"}}
    assert len(sentences({}, body=body)) == 5


def test_a_network_is_not_made_anew_for_some_of_the_apps_on_it() -> None:
    there = observed(running(), networks=(ObservedNetwork(id="n", name="media-test_default", key="default", subnets=("10.0.0.0/24",)),))
    with pytest.raises(Refused, match=r"network default: .* 10\.0\.0\.0/24 to 172\.20\.0\.0/16") as caught:
        _changes(desired(there), there, ("player",))
    assert (caught.value.code, caught.value.where) == ("up.stops-all", "media-test")
    assert _changes(desired(there), there, ())
    same = observed(running())
    assert not _changes(desired(same), same, ("player",))


def test_a_secret_that_only_seeds_is_not_said_to_be_applied() -> None:
    body = document()
    body["services"]["init"]["secrets"] = [{"source": "player-key", "target": "/seeds/player-key"}]
    assert f"recreate init: its secret player-key changed{SEEDS_ONLY}" in sentences(running(), body=body)
    body["services"]["init"]["environment"] = {"KEY": "${PORTABLE_SECRET_PLAYER_KEY:?missing}"}
    assert "recreate init: its secret player-key changed" in sentences(running(), body=body)


def with_seeds(seen: dict[str, ObservedContainer], digest: str, *files: str) -> list[str]:
    """The sentences where the services' digest is `b`, that of the containers `digest`, and `files` of `init` have secrets in them."""
    body = document()
    for service in ("init", "player"):
        body["services"][service]["labels"] = {**(body["services"][service].get("labels") or {}), DIGEST: "b"}
    made = desired(observed(seen), body)
    services = tuple(
        msgspec.structs.replace(s, secret_files=files, seed_files=tuple(f for f in files if f != "tools-conf")) if s.name == "init" else s
        for s in made.services
    )
    seen = {**seen, "init": msgspec.structs.replace(seen["init"], labels={**seen["init"].labels, DIGEST: digest} if digest else {})}
    seen["player"] = msgspec.structs.replace(seen["player"], labels={**seen["player"].labels, DIGEST: "b"})
    return [change.sentence() for change in reconcile(msgspec.structs.replace(made, services=services), observed(seen))]


def test_a_new_text_around_a_secret_is_not_called_a_new_secret() -> None:
    one = f"recreate init: its config file torrents-conf changed{SEED_FILES_ONLY}"
    assert with_seeds(running(), "a", "torrents-conf") == [one]
    several = f"recreate init: one of its config files changed (torrents-conf, usenet-ini){SEED_FILES_ONLY}"
    assert with_seeds(running(), "a", "torrents-conf", "usenet-ini") == [several]
    mounted = "recreate init: one of its config files changed (tools-conf, torrents-conf)"
    assert with_seeds(running(), "a", "tools-conf", "torrents-conf") == [mounted]
    assert with_seeds(running(), "b", "torrents-conf") == with_seeds(running(), "", "torrents-conf") == with_seeds(running(), "a") == []


def test_settings_that_changed_are_named_where_they_are_known() -> None:
    there = observed(but("player", config_hash="other"))
    wanted = msgspec.structs.replace(desired(there), settings={"player": ("environment PUID", "ports")})
    assert reconcile(wanted, there)[0].sentence() == "recreate player: its environment PUID and ports changed"
