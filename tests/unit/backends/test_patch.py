"""Patches of a profile: what they find, what they change and nothing else, and what stays refused."""

import copy
import functools
import random
import re
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portable.backends.patch import ABSENT, Change, Patching, Steps, Unfit, differences, operated, parsed, patched, pattern_of, pointer
from portable.backends.prepare import Prepared, prepare, refuse_unsafe
from portable.backends.registry import BACK_ENDS, BackEnd
from portable.formats.emit import dump
from portable.formats.load import load
from portable.live.compose.desired import ComposeStack
from portable.live.place import place_of
from portable.model.errors import InputError, Refused
from portable.model.findings import Finding
from portable.model.rendering import Rendering
from portable.model.source import Source
from portable.profiles.load import SHIPPED
from portable.profiles.types import PatchFacts
from tests.render.invariants import check_compose
from tests.render.invariants_kubernetes import check_kubernetes
from tests.shipped import PROFILES

# --- pointers and operations, by the examples of RFC 6901 and RFC 6902


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/foo", ("foo",)),
        ("/foo/0", ("foo", "0")),
        ("/a~1b", ("a/b",)),
        ("/m~0n", ("m~n",)),
        ("/~01", ("~1",)),
        ("/", ("",)),
        ("/ ", (" ",)),
    ],
)
def test_pointers(path: str, parts: tuple[str, ...]) -> None:
    assert parsed(path) == parts
    assert pointer(parts) == path


@pytest.mark.parametrize(
    ("value", "op", "path", "new", "expected"),
    [
        ({"foo": "bar"}, "add", "/baz", "qux", {"baz": "qux", "foo": "bar"}),
        ({"foo": ["bar", "baz"]}, "add", "/foo/1", "qux", {"foo": ["bar", "qux", "baz"]}),
        ({"foo": ["bar"]}, "add", "/foo/-", ["abc", "def"], {"foo": ["bar", ["abc", "def"]]}),
        ({"foo": []}, "add", "/foo/-", 1, {"foo": [1]}),
        ({"foo": ["a"]}, "add", "/foo/1", "b", {"foo": ["a", "b"]}),
        ({"foo": "bar"}, "add", "/foo", "new", {"foo": "new"}),
        ({"baz": "qux", "foo": "bar"}, "remove", "/baz", None, {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, "remove", "/foo/1", None, {"foo": ["bar", "baz"]}),
        ({"baz": "qux", "foo": "bar"}, "replace", "/baz", "boo", {"baz": "boo", "foo": "bar"}),
        ({"foo": ["a", "b"]}, "replace", "/foo/1", "c", {"foo": ["a", "c"]}),
        ({"a": {"b": {"c": 1}}}, "replace", "/a/b/c", 2, {"a": {"b": {"c": 2}}}),
    ],
)
def test_operations(value: Any, op: str, path: str, new: Any, expected: Any) -> None:
    before = copy.deepcopy(value)
    assert operated(value, op, parsed(path), new) == expected
    assert value == before


@pytest.mark.parametrize(
    ("value", "op", "path"),
    [
        ({"foo": "bar"}, "add", "/baz/bat"),
        ({"foo": "bar"}, "replace", "/baz"),
        ({"foo": "bar"}, "remove", "/baz"),
        ({"foo": "bar"}, "add", "/foo/x"),
        ({"foo": ["a"]}, "add", "/foo/2"),
        ({"foo": ["a"]}, "replace", "/foo/1"),
        ({"foo": ["a"]}, "remove", "/foo/x"),
        ({"foo": ["a", "b"]}, "remove", "/foo/01"),
        ({"foo": ["a"]}, "remove", "/foo/-1"),
        ({"foo": []}, "replace", "/foo/-"),
        ({"foo": ["a"]}, "replace", "/foo/\u0661"),
    ],
)
def test_operations_that_do_not_fit(value: Any, op: str, path: str) -> None:
    with pytest.raises(Unfit) as caught:
        operated(value, op, parsed(path), "new")
    assert caught.value.code == "patch.path"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab/~", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def leaves(value: Any, at: Steps = ()) -> dict[Steps, Any]:
    """Every leaf by its path; by other code than that of the program."""
    if isinstance(value, dict) and value:
        return {path: leaf for key, inner in value.items() for path, leaf in leaves(inner, (*at, key)).items()}
    if isinstance(value, list) and value:
        return {path: leaf for place, inner in enumerate(value) for path, leaf in leaves(inner, (*at, place)).items()}
    return {at: value}


def exactly(value: Any) -> tuple[str, Any]:
    """So that `1` and `true` differ."""
    return type(value).__name__, value


@given(JSON, JSON)
@settings(max_examples=300, deadline=None)
def test_differences_are_those_of_the_leaves(before: Any, after: Any) -> None:
    old, new = leaves(before), leaves(after)
    wanted = {path for path in {**old, **new} if exactly(old.get(path, ABSENT)) != exactly(new.get(path, ABSENT))}
    found: list[Change] = list(differences(before, after))
    assert {steps for steps, _, _ in found} == wanted


@given(st.dictionaries(st.text("ab/~", max_size=2), JSON, min_size=1, max_size=3), JSON, st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_an_operation_changes_nothing_but_what_its_path_names(value: dict[str, Any], new: Any, chance: random.Random) -> None:
    path = chance.choice([steps[:length] for steps in leaves(value) for length in range(1, len(steps) + 1)])
    after = operated(value, "replace", parsed(pointer(path)), new)
    for steps, _, _ in differences(value, after):
        assert steps[: len(path)] == path
    assert leaves(after).items() >= {steps: leaf for steps, leaf in leaves(value).items() if steps[: len(path)] != path}.items()


# --- on what the shipped profiles render


class Shipped(NamedTuple):
    """A shipped profile, prepared once."""

    prepared: Prepared

    def source(self, number: int) -> Source:
        """Where the profile has that patch."""
        return self.prepared.planned.given.profile_source("patch", number)

    def patched(self, *patches: PatchFacts) -> tuple[Rendering, tuple[Finding, ...]]:
        planned = self.prepared.planned
        told = msgspec.structs.replace(planned.given, profile=msgspec.structs.replace(planned.given.profile, patch=patches))
        return patched(self.prepared.rendering, planned.plan, told, self.prepared.back_end.patching(), ("sonarr", "tdarr"))


@pytest.fixture(params=[name for name in PROFILES if name != "zimaboard-8gb"])
def shipped(request: pytest.FixtureRequest) -> Shipped:
    return place(request.param)


def test_a_patch_changes_what_it_names_or_is_refused(shipped: Shipped) -> None:
    """Each leaf of a rendering, one of each kind of path, and some more by chance: replaced, and removed."""
    rules, plan, rendering = shipped.prepared.back_end.patching(), shipped.prepared.planned.plan, shipped.prepared.rendering
    before = leaves(bodies(rendering))
    by_kind: dict[tuple[object, ...], list[tuple[Any, Steps]]] = {}
    for target in rules.targets(plan, rendering):
        at = (target.document, *target.steps)
        for steps in (path[len(at) :] for path in before if path[: len(at)] == at and len(path) > len(at)):
            kind = (target.kind, target.is_fenced, *("*" if isinstance(step, int) else step for step in steps))
            by_kind.setdefault(kind, []).append((target, steps))
    chance = random.Random(13)
    applied = refused = 0
    for _, places in sorted(by_kind.items(), key=str):
        target, steps = chance.choice(places)
        for op in ("replace", "remove"):
            patch = PatchFacts(kind=target.kind, name=target.name, op=op, path=pointer(steps), value="7" if op == "replace" else None)
            after, (finding,) = shipped.patched(patch)
            changed = {path for path, _, _ in differences(bodies(rendering), bodies(after))}
            assert [d.file for d in after.documents] == [d.file for d in rendering.documents]
            named = (target.document, *target.steps, *steps)
            if finding.verdict == "refused":
                assert changed == set()
                refused += 1
            else:
                assert changed <= {path for path in (*before, *changed) if path[: len(named) - 1] == named[:-1]}
                assert op == "remove" or changed <= {named}
                applied += 1
    assert applied > 10
    assert refused > 50


COMPOSE_FREE = (
    ("service", "sonarr", "add", "/labels/com.example~1team", "media"),
    ("service", "gluetun", "replace", "/logging/options/max-size", "50m"),
    ("service", "qbittorrent", "add", "/ulimits", {"nofile": {"soft": 1024, "hard": 4096}}),
    ("service", "jellyfin", "add", "/shm_size", "1gb"),
    ("service", "sonarr", "replace", "/healthcheck/interval", "9s"),
    ("service", "sonarr", "add", "/x-note", "mine"),
    ("service", "sonarr", "add", "/ports/-", {"target": 8989, "published": "18989", "protocol": "tcp"}),
    ("network", "default", "add", "/driver_opts", {"com.docker.network.driver.mtu": "1400"}),
)
CLUSTER_FREE = (
    ("StatefulSet", "gluetun", "add", "/spec/template/spec/tolerations", [{"key": "media", "operator": "Exists"}]),
    ("StatefulSet", "sonarr", "add", "/spec/template/spec/priorityClassName", "home"),
    ("StatefulSet", "sonarr", "replace", "/spec/revisionHistoryLimit", 3),
    ("StatefulSet", "sonarr", "add", "/spec/template/spec/containers/0/resources/limits/cpu", "2"),
    ("StatefulSet", "sonarr", "replace", "/spec/template/spec/containers/0/livenessProbe/periodSeconds", 60),
    ("StatefulSet", "sonarr", "add", "/spec/template/metadata/annotations/prometheus.io~1scrape", "true"),
    ("StatefulSet", "sonarr", "add", "/metadata/annotations/argocd.argoproj.io~1sync-wave", "2"),
    ("Service", "sonarr", "add", "/metadata/annotations/metallb.io~1address-pool", "lan"),
    ("Service", "sonarr", "add", "/spec/sessionAffinity", "ClientIP"),
    ("CronJob", "capacity", "replace", "/spec/failedJobsHistoryLimit", 5),
    ("ServiceAccount", "managers", "add", "/imagePullSecrets", [{"name": "registry"}]),
)
COMPOSE_REFUSED: tuple[tuple[Any, ...], ...] = (
    ("service", "qbittorrent", "replace", "/network_mode", "bridge"),
    ("service", "qbittorrent", "remove", "/network_mode", None),
    ("service", "sonarr", "add", "/networks/other", {}),
    ("service", "sonarr", "add", "/cap_add/-", "NET_ADMIN"),
    ("service", "gluetun", "remove", "/cap_drop", None),
    ("service", "sonarr", "add", "/privileged", True),
    ("service", "sonarr", "add", "/devices", ["/dev/sda"]),
    ("service", "sonarr", "add", "/use_api_socket", True),
    ("service", "sonarr", "add", "/post_start", [{"command": ["true"], "privileged": True}]),
    ("service", "sonarr", "add", "/pid", "host"),
    ("service", "sonarr", "add", "/annotations", {"run.oci.handler": "krun"}),
    ("service", "sonarr", "add", "/sysctls", {"net.ipv4.ip_forward": "1"}),
    ("service", "sonarr", "add", "/security_opt/-", "seccomp:unconfined"),
    ("service", "gluetun", "replace", "/environment/HTTPPROXY", "on"),
    ("service", "gluetun", "add", "/environment/DNS_KEEP_NAMESERVER", "on"),
    ("service", "sonarr", "add", "/environment/API_KEY", "0123456789abcdef"),
    ("service", "sonarr", "add", "/env_file", ["keys.env"]),
    ("service", "gluetun", "add", "/dns/-", "9.9.9.9"),
    ("service", "qbittorrent", "add", "/dns", ["9.9.9.9"]),
    ("service", "gluetun", "replace", "/entrypoint", ["/gluetun-entrypoint"]),
    ("service", "gluetun", "add", "/ports/-", {"target": 8000, "published": "8000"}),
    ("service", "gluetun", "remove", "/configs/0", None),
    ("config", "gluetun-guard-sh", "replace", "/content", "exit 0"),
    ("secret", "wireguard-key-private-key", "add", "/content", "AAAA"),
    ("service", "sonarr", "remove", "/labels/portable.app", None),
    ("service", "sonarr", "replace", "/labels", {"team": "media"}),
    ("service", "sonarr", "add", "/labels/com.docker.compose.project", "other"),
    ("service", "sonarr", "add", "/volumes/-", {"type": "bind", "source": "/", "target": "/host"}),
    ("service", "sonarr", "remove", "/volumes/0", None),
    ("service", "sonarr", "replace", "/stop_grace_period", "1s"),
    ("service", "sonarr", "replace", "/image", "other"),
    ("service", "sonarr", "replace", "/restart", "no"),
    ("service", "sonarr", "add", "/some_new_key", "x"),
    ("service", "sonarr", "add", "/x-portable-thing", "x"),
    ("network", "default", "replace", "/ipam/config/0/subnet", "10.0.0.0/8"),
    ("network", "default", "add", "/external", True),
)
CLUSTER_REFUSED: tuple[tuple[Any, ...], ...] = (
    ("NetworkPolicy", "gluetun", "add", "/spec/egress/-", {}),
    ("NetworkPolicy", "gluetun", "add", "/metadata/labels/team", "media"),
    ("SecurityContextConstraints", "portable-vpn", "replace", "/allowPrivilegedContainer", True),
    ("RoleBinding", "managers-vpn-portable-vpn", "add", "/subjects/-", {"kind": "ServiceAccount", "name": "default"}),
    ("Namespace", "media-stack", "add", "/metadata/labels/istio-injection", "enabled"),
    ("ServiceAccount", "managers", "add", "/metadata/annotations", {"eks.amazonaws.com/role-arn": "x"}),
    ("StatefulSet", "gluetun", "add", "/spec/template/spec/hostNetwork", True),
    ("StatefulSet", "gluetun", "add", "/spec/template/spec/dnsPolicy", "ClusterFirst"),
    ("StatefulSet", "gluetun", "add", "/spec/template/spec/dnsConfig", {"nameservers": ["9.9.9.9"]}),
    ("StatefulSet", "gluetun", "add", "/spec/template/spec/containers/-", {"name": "x", "image": "x"}),
    ("StatefulSet", "gluetun", "remove", "/spec/template/spec/initContainers/0", None),
    ("StatefulSet", "gluetun", "replace", "/spec/template/spec/initContainers/1/securityContext", {"privileged": True}),
    ("StatefulSet", "gluetun", "add", "/spec/template/spec/initContainers/1/env/-", {"name": "DNS_KEEP_NAMESERVER", "value": "on"}),
    ("StatefulSet", "sonarr", "add", "/spec/template/spec/containers/0/env/-", {"name": "KEY", "value": "0123456789abcdef"}),
    ("StatefulSet", "sonarr", "add", "/spec/template/metadata/annotations/k8s.v1.cni.cncf.io~1networks", "other"),
    ("StatefulSet", "sonarr", "add", "/spec/template/metadata/annotations/io.kubernetes.cri-o.Devices", "/dev/kvm"),
    ("StatefulSet", "sonarr", "replace", "/spec/template/metadata/annotations/openshift.io~1required-scc", "anyuid"),
    ("StatefulSet", "sonarr", "add", "/spec/template/metadata/labels/sidecar.istio.io~1inject", "true"),
    ("StatefulSet", "sonarr", "replace", "/spec/template/metadata/labels/portable~1group", "gluetun"),
    ("StatefulSet", "sonarr", "replace", "/spec/template/spec/serviceAccountName", "default"),
    ("StatefulSet", "sonarr", "replace", "/spec/replicas", 2),
    ("StatefulSet", "sonarr", "remove", "/spec/updateStrategy", None),
    ("StatefulSet", "sonarr", "add", "/spec/template/spec/volumes/-", {"name": "x", "hostPath": {"path": "/"}}),
    ("StatefulSet", "sonarr", "remove", "/spec/template/spec/containers/0/volumeMounts/0", None),
    ("StatefulSet", "sonarr", "replace", "/spec/template/spec/terminationGracePeriodSeconds", 1),
    ("StatefulSet", "sonarr", "replace", "/metadata/name", "other"),
    ("StatefulSet", "sonarr", "replace", "/metadata/labels/app.kubernetes.io~1name", "other"),
    ("PersistentVolumeClaim", "riven-database", "replace", "/spec/resources/requests/storage", "1Gi"),
    ("ConfigMap", "gluetun-files", "replace", "/data", {}),
    ("Service", "prowlarr", "replace", "/spec/type", "NodePort"),
    ("Service", "prowlarr", "add", "/spec/externalIPs", ["192.168.1.9"]),
    ("Service", "sonarr", "replace", "/spec/selector", {"portable/group": "gluetun"}),
    ("Route", "sonarr-web", "replace", "/spec/to/name", "sonarr"),
)
BY_PROFILE = {"zimaboard": (COMPOSE_FREE, COMPOSE_REFUSED), "openshift": (CLUSTER_FREE, CLUSTER_REFUSED)}


def facts(patch: tuple[Any, ...]) -> PatchFacts:
    kind, name, op, path, value = patch
    return PatchFacts(kind=kind, name=name, op=op, path=path, value=value)


def bodies(rendering: Rendering) -> list[dict[str, Any]]:
    return [document.body for document in rendering.documents]


@functools.cache
def place(name: str) -> Shipped:
    return Shipped(prepare(name, folder=SHIPPED))


@pytest.mark.parametrize("profile", BY_PROFILE)
def test_what_is_free_is_applied_and_noted_and_breaks_no_rule(profile: str) -> None:
    here, (free, _) = place(profile), BY_PROFILE[profile]
    after, findings = here.patched(*map(facts, free))
    assert [(f.code, f.field, f.class_, f.verdict) for f in findings] == [("patch.applied", "patch", "function", "noted")] * len(free)
    assert {f.app for f in findings} >= {"sonarr", "gluetun"}
    changed = {pointer(path[1:]) for path, _, _ in differences(bodies(here.prepared.rendering), bodies(after))}
    assert len(changed) >= len(free)
    plan = here.prepared.planned.plan
    broken = check_compose(after.documents[0].body, plan) if profile == "zimaboard" else check_kubernetes(after.documents, plan)
    assert broken == []
    for _, _, _, path, _ in free:
        assert any(path.rstrip("-") in one for one in changed), path


@pytest.mark.parametrize(("profile", "patch"), [(name, patch) for name, (_, refused) in BY_PROFILE.items() for patch in refused], ids=str)
def test_what_could_break_a_promise_is_refused(profile: str, patch: tuple[Any, ...]) -> None:
    here = place(profile)
    after, (finding,) = here.patched(facts(patch))
    assert (finding.code, finding.field, finding.verdict, finding.app) == ("patch.refused", "patch.refused", "refused", None)
    assert (finding.path, finding.where, finding.is_waivable) == ("patch[0]", here.source(0), False)
    assert finding.class_ in ("security", "data", "function")
    assert after == here.prepared.rendering


def test_a_later_patch_may_change_what_an_earlier_one_added() -> None:
    here = place("openshift")
    path = "/metadata/annotations/example.org~1team"
    patches = [facts(("StatefulSet", "sonarr", op, path, value)) for op, value in (("add", "a"), ("replace", "b"), ("remove", None))]
    after, findings = here.patched(*patches[:2])
    assert [(f.verdict, f.code) for f in findings] == [("noted", "patch.applied")] * 2
    assert "example.org/team: b" in "".join(dump(document.body) for document in after.documents)
    after, findings = here.patched(*patches)
    assert after == here.prepared.rendering


def test_a_patch_without_effect_is_noted() -> None:
    here = place("zimaboard")
    patches = [facts(("service", "sonarr", "add", "/labels/a", "b")) for _ in range(2)]
    _, findings = here.patched(*patches)
    assert [(f.code, f.path, f.app, f.class_) for f in findings] == [
        ("patch.applied", "patch[0]", "sonarr", "function"),
        ("patch.no-effect", "patch[1]", "sonarr", "function"),
    ]
    assert [f.where for f in findings] == [here.source(0), here.source(1)]


def test_a_patch_of_what_belongs_to_no_app_is_about_none() -> None:
    _, (finding,) = place("zimaboard").patched(facts(("network", "default", "add", "/labels", {"team": "media"})))
    assert (finding.code, finding.app) == ("patch.applied", None)


def test_a_refused_patch_does_not_stop_the_next_one() -> None:
    here = place("zimaboard")
    patches = [facts(("service", "sonarr", op, *rest)) for op, *rest in (("add", "/privileged", True), ("add", "/labels/a", "b"))]
    after, findings = here.patched(*patches)
    assert [f.code for f in findings] == ["patch.refused", "patch.applied"]
    service = ("services", "sonarr")
    changed = list(differences(bodies(here.prepared.rendering), bodies(after)))
    assert changed == [((0, *service, "labels", "a"), ABSENT, "b")]


@pytest.mark.parametrize(
    ("patch", "code", "told"),
    [
        (("servise", "sonarr", "add", "/labels/a", "b"), "patch.target", "did you mean service?"),
        (("service", "sonar", "add", "/labels/a", "b"), "patch.target", "did you mean service sonarr?"),
        (("volume", "sonarr", "add", "/labels/a", "b"), "patch.target", "config, network, secret, service"),
        (("service", "sonarr", "replace", "/loging/driver", "b"), "patch.path", "did you mean /logging?"),
        (("service", "sonarr", "replace", "/logging/driver/x", "b"), "patch.path", "path"),
        (("service", "sonarr", "remove", "/cap_drop/7", None), "patch.path", "0 to 0"),
        (("service", "sonarr", "add", "/labels/a", None), "patch.value", "write `value`"),
        (("service", "sonarr", "remove", "/logging", "b"), "patch.value", "remove `value`"),
    ],
)
def test_a_patch_that_matches_nothing_says_what_is_near(patch: tuple[Any, ...], code: str, told: str) -> None:
    here = place("zimaboard")
    with pytest.raises(InputError) as caught:
        here.patched(facts(patch))
    (mistake,) = caught.value.mistakes
    assert (mistake.path, mistake.code) == ("patch[0]", code)
    assert told in mistake.remedy


def test_an_app_of_a_group_leads_to_the_group() -> None:
    here = place("openshift")
    with pytest.raises(InputError) as caught:
        here.patched(facts(("StatefulSet", "prowlarr", "add", "/spec/template/spec/priorityClassName", "home")))
    assert ["StatefulSet gluetun" in mistake.remedy for mistake in caught.value.mistakes] == [True]
    assert [mistake.code for mistake in caught.value.mistakes] == ["patch.target"]


def test_all_patches_that_match_nothing_are_told_at_once() -> None:
    here = place("zimaboard")
    with pytest.raises(InputError) as caught:
        here.patched(*(facts(("service", name, "add", "/labels/a", "b")) for name in ("one", "two")))
    assert [mistake.path for mistake in caught.value.mistakes] == ["patch[0]", "patch[1]"]


def test_a_patch_of_an_app_that_does_not_run_here_is_noted() -> None:
    here = place("zimaboard")
    after, (finding,) = here.patched(facts(("service", "tdarr", "add", "/labels/a", "b")))
    assert (finding.code, finding.field, finding.verdict, after) == ("patch.unused", "patch", "noted", here.prepared.rendering)
    assert (finding.path, finding.class_, finding.where) == ("patch[0]", "function", here.source(0))
    after, findings = here.patched(
        facts(("service", "tdarr", "add", "/labels/a", "b")), facts(("service", "sonarr", "add", "/labels/a", "b"))
    )
    assert [f.code for f in findings] == ["patch.unused", "patch.applied"]


@pytest.mark.parametrize("value", [1, True, "not valid!", "x" * 64])
def test_a_label_of_a_cluster_is_a_short_text(value: Any) -> None:
    here = place("openshift")
    with pytest.raises(InputError) as caught:
        here.patched(facts(("StatefulSet", "sonarr", "add", "/metadata/labels/team", value)))
    assert [(mistake.path, mistake.code) for mistake in caught.value.mistakes] == [("patch[0].value", "patch.value-invalid")]


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("labels/*", "labels/a", True),
        ("labels/*", "labels", False),
        ("labels/*", "labels/a/b", False),
        ("logging/**", "logging", True),
        ("logging/**", "logging/options/a", True),
        ("logging/**", "loggings/a", False),
        ("containers/*/tty", "containers/0/tty", True),
    ],
)
def test_patterns(pattern: str, path: str, matches: bool) -> None:
    assert pattern_of(pattern).matches(tuple(path.split("/"))) is matches


@pytest.mark.parametrize("back_end", BACK_ENDS, ids=lambda known: str(known.name))
def test_every_back_end_says_what_is_free(back_end: BackEnd) -> None:
    assert isinstance(back_end.patching(), Patching)


# --- from a file to a rendering

PATCH = "patch:\n  - {kind: service, name: sonarr, op: add, path: /labels/price, value: a$b}\n"


def prepared(folder: Path, more: str) -> Prepared:
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "portable.yaml").write_text("portable: 1\n")
    (folder / "profiles" / "mine.yaml").write_text(f"portable: 1\nname: mine\nextends: zimaboard\nback-end: compose\n{more}")
    return prepare("mine", folder=folder)


def test_a_profile_patches_its_rendering_and_the_ledger_says_where(tmp_path: Path) -> None:
    before, after = prepared(tmp_path, ""), prepared(tmp_path, PATCH)
    changed = list(differences(bodies(before.rendering), bodies(after.rendering)))
    assert changed == [((0, "services", "sonarr", "labels", "price"), ABSENT, "a$b")]
    assert "a$$b" in dump(after.rendering.documents[0].body, compose=True), "a value is no variable of Compose"
    (finding,) = set(after.ledger) - set(before.ledger)
    assert (finding.field, finding.verdict, finding.app) == ("patch", "noted", "sonarr")
    assert re.fullmatch(r".*/profiles/mine\.yaml:6:5", str(finding.where))


def test_what_runs_is_the_patched_document(tmp_path: Path) -> None:
    """`diff` and `up` get it: a stack is made of the rendering."""
    stack = place_of(prepared(tmp_path, PATCH), {"HOME": str(tmp_path)}).stack
    assert isinstance(stack, ComposeStack)
    assert stack.body["services"]["sonarr"]["labels"]["price"] == "a$b"


def test_inherited_patches_that_an_own_list_replaces_are_told(tmp_path: Path) -> None:
    prepared(tmp_path, PATCH)
    top = "portable: 1\nname: top\nextends: mine\nback-end: compose\n"
    (tmp_path / "profiles" / "top.yaml").write_text(top)
    inherited = prepare("top", folder=tmp_path)
    assert [Path(f.where.file).name for f in inherited.ledger if f.field == "patch" and f.where] == ["mine.yaml"]
    (tmp_path / "profiles" / "top.yaml").write_text(top + PATCH.replace("price", "cost"))
    own = prepare("top", folder=tmp_path)
    assert [(f.code, f.path, Path(f.where.file).name) for f in own.ledger if f.field == "patch" and f.where] == [
        ("patch.replaced", "patch", "top.yaml"),
        ("patch.applied", "patch[0]", "top.yaml"),
    ]
    labels = own.rendering.documents[0].body["services"]["sonarr"]["labels"]
    assert ("cost" in labels, "price" in labels) == (True, False)


@pytest.mark.parametrize("block", [0, 1])
def test_the_patches_of_the_document_are_applied(block: int) -> None:
    text = (Path(__file__).parents[3] / "docs" / "how-to" / "patch-a-rendered-object.md").read_text()
    said = load(("docs", re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[block].encode())).data
    here = place(("zimaboard", "openshift")[block])
    _, findings = here.patched(*msgspec.convert(said["patch"], list[PatchFacts]))
    assert [f.verdict for f in findings] == ["noted"] * len(said["patch"])


@pytest.mark.parametrize("apps", ["", "apps: [sonarr], "])
def test_no_waiver_accepts_what_is_refused(apps: str, tmp_path: Path) -> None:
    patch = "patch: [{kind: service, name: sonarr, op: add, path: /privileged, value: true}]\n"
    with pytest.raises(Refused) as caught:
        refuse_unsafe(prepared(tmp_path, patch), strict=False)
    assert (caught.value.code, [f.code for f in caught.value.findings]) == ("plan.findings-open", ["patch.refused"])
    with pytest.raises(InputError, match=r"\[stack\.waiver-refused\]"):
        prepared(tmp_path, f"{patch}waive: [{{field: patch.refused, class: security, {apps}reason: x}}]\n")


@pytest.mark.parametrize("path", ["", "labels", "/a~2", "/a~"])
def test_a_pointer_that_is_none_is_a_mistake_of_the_file(path: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine\.yaml:\d+:\d+: patch\[0\]\.path"):
        prepared(tmp_path, f"patch: [{{kind: service, name: sonarr, op: remove, path: '{path}'}}]\n")
