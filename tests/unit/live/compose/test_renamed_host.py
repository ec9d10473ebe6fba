"""After a new name of the host, the causes of the changes are true (docs/facts/probes.md#host-checks)."""

from pathlib import Path

import msgspec

from portable.backends import compose as backend
from portable.engines.docker.observed import Observed, ObservedContainer
from portable.live.compose.desired import ComposeStack, desire, stack_of
from portable.live.compose.reconcile import SEED_FILES_ONLY, reconcile
from tests.unit.planning import Place

VARIABLES = {"PORTABLE_SECRET_QBITTORRENT_QBITTORRENT_CONF": "the whole file"}


def stack(place: Place, address: str) -> ComposeStack:
    plan = place.plan("qbittorrent", "homepage", "jellyfin", exposure={"default": "lan", "address": address}).plan
    return stack_of(plan, backend.render(plan))


def test_the_cause_is_the_file_not_the_password_in_it(tmp_path: Path) -> None:
    before, now = stack(Place(tmp_path), "old.lan"), stack(Place(tmp_path), "new.lan")
    made = desire(before, {}, VARIABLES, Observed())
    owners = {service.name: service.owner for service in before.services}
    containers = tuple(
        ObservedContainer(
            id=f"id-{name}",
            name=name,
            service=name,
            state="exited" if name == "init" else "running",
            started_at="2026-01-01T00:00:00.000000000Z",
            image=body["image"],
            config_hash="the old one",
            labels=dict(body.get("labels") or {}),
            joins=f"id-{owners[name]}" if owners[name] else None,
        )
        for name, body in made.body["services"].items()
    )
    changed = {**VARIABLES, "PORTABLE_SECRET_QBITTORRENT_QBITTORRENT_CONF": "another whole file"}
    wanted = desire(now, {}, changed, Observed(containers=containers))
    hashes = {s.name: frozenset({"the new one" if s.name in ("homepage", "jellyfin") else "the old one"}) for s in now.services}
    settings = {"homepage": ("environment HOMEPAGE_ALLOWED_HOSTS",), "jellyfin": ("environment JELLYFIN_PublishedServerUrl",)}
    changes = reconcile(msgspec.structs.replace(wanted, hashes=hashes, settings=settings), Observed(containers=containers))
    causes = {change.service: change.cause for change in changes}
    assert causes["init"] == f"its config file qbittorrent-qbittorrent-conf changed{SEED_FILES_ONLY}"
    assert causes["homepage"] == "its config file homepage-services-yaml changed"
    assert causes["jellyfin"] == "its environment JELLYFIN_PublishedServerUrl changed"
