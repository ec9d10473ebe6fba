"""What holds of every plan, on generated stacks: random apps, a random place, random ports. A failure prints its seed."""

import collections
import random

import pytest

from portable.catalog.catalog import Catalog
from portable.formats.emit import dump
from portable.formats.load import convert, load
from portable.model import plan as p
from portable.model.errors import InputError
from portable.model.exposures import Lan, Loopback
from portable.planning import make
from portable.planning.inputs import PlanInput
from portable.profiles.load import SHIPPED, load_profile, profile_files
from portable.profiles.types import StackFile
from tests.shipped import PROFILES

SEEDS = range(200)
outcomes: collections.Counter[str] = collections.Counter()


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog()


def generated(seed: int, catalog: Catalog) -> PlanInput:
    """Some apps in some place with some ports changed; the same for the same seed."""
    chance = random.Random(seed)
    usable = [name for name in catalog.names() if not (facts := catalog.app(name)[0]).fuse_mount and not facts.tools]
    apps = chance.sample(usable, chance.randint(0, len(usable)))
    ports: dict[str, dict[str, int]] = {}
    for app in chance.sample(apps, min(len(apps), chance.choice((0, 0, 1, 3)))):
        if names := catalog.ports(app):
            ports[app] = {chance.choice(names): chance.choice((80, 443, 8000, 8080, 8443, 9999, chance.randint(1024, 65535)))}
    stack = load((f"portable.yaml (seed {seed})", dump({"portable": 1, "apps": apps, "ports": ports}).encode()))
    sets = []
    if chance.random() < 0.3:
        sets.append(f"clouds={dump_list(chance.sample(catalog.cloud_names(), chance.randint(0, 3)))}")
    if chance.random() < 0.2:
        sets.append("vpn=null")
    if chance.random() < 0.2:
        sets.append(f"exposure.default={chance.choice(('none', 'loopback', 'lan', 'ingress', 'route'))}")
    profile, document = load_profile(chance.choice(PROFILES), profile_files((SHIPPED,)), sets)
    return PlanInput(stack=convert(stack, StackFile), stack_document=stack, profile=profile, profile_document=document)


def dump_list(names: list[str]) -> str:
    return f"[{', '.join(names)}]"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_or_mistakes_with_their_places(seed: int, catalog: Catalog) -> None:
    given = generated(seed, catalog)
    try:
        planned = make(given, catalog)
    except InputError as error:
        outcomes["mistakes"] += 1
        mistakes_have_places(error)
        return
    outcomes["plans"] += 1
    plan = planned.plan
    every_app_is_in_one_group(plan)
    vpn_apps_are_behind_their_gateway(plan, given, catalog)
    mounts_and_files_are_there(plan)
    the_library_is_one_mount(plan)
    names_are_taken_once(plan)
    ports_are_reachable_as_said(plan)
    assert make(given, catalog).plan == plan, "the same input gives the same plan"
    for finding in planned.findings:
        assert finding.where is not None
        assert finding.remedy


def test_both_outcomes_were_met() -> None:
    if sum(outcomes.values()) == len(SEEDS):  # all ran here, not spread over processes
        assert min(outcomes["plans"], outcomes["mistakes"]) >= 20, outcomes


def mistakes_have_places(error: InputError) -> None:
    assert error.mistakes
    for mistake in error.mistakes:
        assert mistake.source.file
        assert mistake.source.line >= 1
        assert mistake.text


def containers(plan: p.Plan) -> list[p.Container]:
    return [*(c for app in plan.apps for c in app.containers), *(cloud.fuse_mount for cloud in plan.clouds), plan.tools]


def every_app_is_in_one_group(plan: p.Plan) -> None:
    grouped = [app for group in plan.groups for app in group.apps]
    assert sorted(grouped) == sorted(app.name for app in plan.apps)


def vpn_apps_are_behind_their_gateway(plan: p.Plan, given: PlanInput, catalog: Catalog) -> None:
    for group in plan.groups:
        if not isinstance(group.egress, p.Direct):
            assert group.apps[0] == group.egress.gateway == group.name
            assert isinstance(group.egress, p.Tunnel if given.profile.vpn else p.Sealed)
        for app in group.apps:
            if catalog.app(app)[0].egress == "vpn":
                assert not isinstance(group.egress, p.Direct), f"{app} reaches the outside without the VPN"


def mounts_and_files_are_there(plan: p.Plan) -> None:
    volumes, files = {v.id for v in plan.volumes}, {f.id for f in plan.files}
    assert len(volumes) == len(plan.volumes)
    assert len(files) == len(plan.files)
    used = {mount.file for c in containers(plan) for mount in c.files}
    assert used == files, "every file is seen somewhere, and every file that is seen is there"
    assert {mount.volume for c in containers(plan) for mount in c.mounts} <= volumes
    for container in containers(plan):
        paths = [m.path for m in container.mounts] + [f.path for f in container.files] + [s.path for s in container.secrets]
        assert len(paths) == len(set(paths))


def the_library_is_one_mount(plan: p.Plan) -> None:
    assert [v.id for v in plan.volumes if v.holds == "library"] == ["library"]
    for container in containers(plan):
        mounts = [m for m in container.mounts if m.volume == "library" or m.path.startswith(p.LIBRARY)]
        assert mounts in ([], [p.Mount(volume="library", path=p.LIBRARY, access=mounts[0].access if mounts else "rw")])


def names_are_taken_once(plan: p.Plan) -> None:
    names = [name for app in plan.apps for name in (app.name, *app.aliases)]
    assert len(names) == len(set(names))
    order = [app.name for app in plan.apps]
    for app in plan.apps:
        assert all(order.index(after.app) < order.index(app.name) for after in app.after)


def ports_are_reachable_as_said(plan: p.Plan) -> None:
    apps = {app.name: app for app in plan.apps}
    for group in plan.groups:
        taken = [(port.number, port.protocol) for app in group.apps for port in apps[app].ports]
        assert len(taken) == len(set(taken))
    host = []
    for exposure in plan.exposures:
        port = next(port for port in apps[exposure.app].ports if port.name == exposure.port)
        assert not port.private
        if isinstance(exposure.how, Loopback | Lan):
            host.append((exposure.how.number, port.protocol))
    assert len(host) == len(set(host))
    for app in plan.apps:
        for container in app.containers:
            for check in (container.probes.startup, container.probes.ready, container.probes.live):
                if check is not None and isinstance(check.how, p.Http | p.Tcp):
                    assert check.how.port in {port.name for port in app.ports}
