"""Names under which people come: in every host check, and a finding where there is none."""

from typing import Any

import pytest

from tests.unit.planning import CLUSTER, COMPOSE, Place, app, port_of

LAN = {"default": "lan"}
CHECKING = {"HOSTS": "{{ names | join(',') }}", "URLS": "{{ addresses | join(' ') }}"}


def variables(place: Place, **exposure: Any) -> dict[str, Any]:
    """The environment of an app with a host check."""
    place.write(app("one", containers={"main": {"environment": CHECKING}}))
    (made,) = [a for a in place.plan("one", base=COMPOSE, exposure={**LAN, **exposure}).plan.apps if a.name == "one"]
    return dict(made.containers[0].env)


def findings(place: Place, base: dict[str, Any] = COMPOSE, environment: dict[str, str] = CHECKING, **exposure: Any) -> list[str]:
    place.write(app("one", containers={"main": {"environment": environment}}))
    planned = place.plan("one", base=base, exposure=exposure)
    return [finding.code for finding in planned.findings if finding.code == "exposure.no-name"]


def test_every_name_and_address_is_allowed(place: Place) -> None:
    found = variables(place, address="nas.lan", addresses=["192.168.1.10", "nas.tail1234.ts.net", "fd00::10"])
    assert {"one", "nas.lan", "192.168.1.10", "nas.tail1234.ts.net", "[fd00::10]"} <= set(str(found["HOSTS"]).split(","))
    urls = str(found["URLS"]).split()
    assert urls[0].startswith("http://nas.lan:"), "the first name is the address of the app"
    assert {url.rpartition(":")[0] for url in urls} == {
        "http://nas.lan",
        "http://192.168.1.10",
        "http://nas.tail1234.ts.net",
        "http://[fd00::10]",
    }


def test_further_names_alone_serve_as_the_address(place: Place) -> None:
    place.write(app("one"))
    planned = place.plan("one", base=COMPOSE, exposure={**LAN, "addresses": ["192.168.1.10", "nas.lan"]})
    assert {address.rpartition(":")[0] for address in planned.addresses.values()} == {"http://192.168.1.10"}


def test_a_host_check_without_any_name_is_a_finding(place: Place) -> None:
    assert findings(place, default="lan") == ["exposure.no-name"]
    assert findings(place, default="lan", address="nas.lan") == []
    assert findings(place, default="lan", addresses=["192.168.1.10"]) == []
    assert findings(place, default="loopback") == []
    assert findings(place, default="lan", environment={"HOSTS": "{{ ports.web }}"}) == []


def test_each_host_check_is_found_wherever_it_is_written(place: Place) -> None:
    """In any variable of any container, and in any template; plain files are copied as they are."""
    text = "hosts = {{ names | join(',') }}\n"
    files = [{"template": name, "path": f"/etc/{name}"} for name in ("plain", "other.j2", "hosts.j2")]
    image = {"image": {"repository": "registry.test/side", "tag": "1"}, "identity": "user"}
    side = {**image, "environment": {"A": "1", **CHECKING}, "resources": {"memory": {"request": "1Mi", "limit": "2Mi"}}}
    place.write(
        app("free", containers={"main": {"files": files[:2]}}),
        app("filed", containers={"main": {"files": files}}),
        app("sided", containers={"side": side}),
        templates={
            f"{name}/{file}": text if file != "other.j2" else "x\n"
            for name in ("free", "filed")
            for file in ("plain", "other.j2", "hosts.j2")
        },
    )
    planned = place.plan("free", "filed", "sided", exposure=LAN)
    found = [(f.field, f.path, f.class_, f.app, f.verdict) for f in planned.findings if f.code == "exposure.no-name"]
    assert found == [("exposure.address", f"apps.{name}", "function", name, "noted") for name in ("filed", "sided")]


def test_an_app_that_must_know_its_address_is_found_too(place: Place) -> None:
    address = {"URL": "{{ address() }}"}
    assert findings(place, default="lan", environment=address) == ["exposure.no-name"]
    assert findings(place, default="lan", environment=address, addresses=["192.168.1.10"]) == []
    assert findings(place, default="loopback", environment=address) == []
    both = place.plan("one", base=COMPOSE, exposure=LAN).findings
    assert ["must know the address" in f.text for f in both if f.code == "exposure.no-name"] == [True]


JELLYFIN = "JELLYFIN_PublishedServerUrl"


@pytest.mark.parametrize(
    ("exposure", "wanted"),
    [
        ({"default": "lan", "address": "nas.lan", "addresses": ["192.168.1.10"]}, "http://nas.lan:8096"),
        ({"default": "lan", "addresses": ["fd00::10", "192.168.1.10"]}, "http://[fd00::10]:8096"),
        ({"default": "lan", "address": "nas.lan", "apps": {"jellyfin": {"web": {"lan": 9000}}}}, "http://nas.lan:9000"),
        ({"default": "lan", "address": "nas.lan", "lan-address": "192.168.1.10"}, "http://192.168.1.10:8096"),
        ({"default": "lan"}, ""),
        ({"default": "none"}, ""),
        ({"default": "loopback"}, "http://127.0.0.1:8096"),
    ],
)
def test_jellyfin_tells_the_first_address(place: Place, exposure: dict[str, Any], wanted: str) -> None:
    (made,) = place.plan("jellyfin", base=COMPOSE, exposure=exposure).plan.apps
    assert made.containers[0].env[JELLYFIN] == wanted


def claims(place: Place, facts: dict[str, Any], **changes: Any) -> list[tuple[str, str, str, str]]:
    place.write(app("one", secrets={"token": {"about": "a token"}}, **facts))
    return [(f.field, f.class_, f.verdict, f.remedy) for f in place.plan("one", **changes).findings if f.code == "app.claim"]


CLAIM = {"claim": {"secret": "token", "addresses": "Settings, Network"}}
HOW = "store a token right before the first start, `portable secrets set token`; then set Settings, Network to "


def test_an_app_that_must_be_claimed_is_a_finding_where_people_come(place: Place) -> None:
    def found(**exposure: Any) -> list[tuple[str, str, str, str]]:
        return claims(place, CLAIM, exposure=exposure)

    remedies = [found(default="lan", address="nas.lan", addresses=["192.168.1.10"]), found(default="lan"), found(default="loopback")]
    number = port_of("one")
    ends = [
        f"http://nas.lan:{number} and http://192.168.1.10:{number}",
        "the address at which people open it",
        f"http://127.0.0.1:{number}",
    ]
    assert remedies == [[("claim", "function", "noted", HOW + end)] for end in ends]
    assert found(default="none") == []
    assert claims(place, {}, exposure=LAN) == []


def test_a_claim_needs_a_secret_of_the_app(place: Place) -> None:
    place.write(app("one", **CLAIM))
    assert "claim.secret" in place.mistakes("one")


def test_the_finding_leads_to_the_profiles_exposure(place: Place) -> None:
    place.write(app("one", containers={"main": {"environment": CHECKING}}))
    (found,) = (f for f in place.plan("one", exposure=LAN).findings if f.code == "exposure.no-name")
    ways = [f.where for f in place.plan("one", exposure={**LAN, "lan": "192.168.7.0/24"}).findings if f.code == "exposure.no-name"]
    assert found.where is not None
    assert (found.where.file, ways) == ("test.yaml", [found.where])
    assert found.where.line > 1


@pytest.mark.parametrize("wrong", ["nas..lan", "192.168.1.300", "fd00::zz:1", "-nas"])
def test_what_is_no_host_is_a_mistake(place: Place, wrong: str) -> None:
    place.write(app("one"))
    ((path, code),) = place.told("one", base=COMPOSE, exposure={**LAN, "addresses": ["nas.lan", wrong]})
    assert path.startswith("exposure.addresses[1]")
    assert code in ("port.host-name", "value.format")


def test_on_a_cluster_further_names_have_no_effect(place: Place) -> None:
    place.write(app("one"))
    assert place.told("one", base=CLUSTER, exposure={"addresses": ["nas.lan"]}) == [("exposure.addresses", "plan.no-effect")]
