"""`exposure.lan`: one setting publishes the ports of a host to its LAN, those of sealed apps included."""

import pytest

from portable.model.errors import InputError
from portable.model.exposures import Lan, Loopback
from portable.model.plan import Sealed
from tests.unit.planning import CLUSTER, Place, app


def test_all_loopback_ports_are_published_to_the_lan_and_sealed_apps_answer(place: Place) -> None:
    place.write(app("one", egress="vpn"), app("two"), app("gluetun", gateway="tunnel"))
    apps = {"two": {"web": {"loopback": {"number": 8099}}}}
    before = place.plan("one", "two", exposure={"default": "loopback", "apps": apps})
    assert {type(e.how) for e in before.plan.exposures} == {Loopback}
    after = place.plan("one", "two", exposure={"default": "loopback", "lan": "192.168.7.0/24", "apps": apps})
    numbers = {(e.app, e.port): e.how.number for e in before.plan.exposures if isinstance(e.how, Loopback)}
    assert {(e.app, e.port): e.how.number for e in after.plan.exposures if isinstance(e.how, Lan)} == numbers
    assert numbers["two", "web"] == 8099
    (sealed,) = (group.egress for group in after.plan.groups if isinstance(group.egress, Sealed))
    assert "192.168.7.0/24" in sealed.networks
    assert not [f for f in after.findings if f.code == "vpn.sealed-port"]


def test_ports_that_are_hidden_or_published_otherwise_stay_so(place: Place) -> None:
    place.write(app("one"), app("two"))
    exposure = {"default": "none", "lan": "192.168.7.0/24", "apps": {"two": {"web": {"lan": 8099}}}}
    assert [(e.app, e.how) for e in place.plan("one", "two", exposure=exposure).plan.exposures] == [("two", Lan(number=8099))]


@pytest.mark.parametrize("lan", ["192.168.7.5/24", "192.168.7.0/33"])
def test_a_network_that_is_none_is_a_mistake_of_that_key(place: Place, lan: str) -> None:
    place.write(app("one"))
    with pytest.raises(InputError) as caught:
        place.plan("one", exposure={"default": "loopback", "lan": lan})
    assert [(m.path, m.code) for m in caught.value.mistakes] == [("exposure.lan", "plan.network")]


def test_one_address_of_the_host_is_where_the_lan_reaches_the_ports(place: Place) -> None:
    place.write(app("one"), app("two"))
    exposure = {"default": "lan", "lan-address": "192.168.7.2", "apps": {"two": {"web": {"lan": {"address": "fd00::2", "number": 9000}}}}}
    found = {e.app: e.how for e in place.plan("one", "two", exposure=exposure).plan.exposures}
    assert {app: how.address for app, how in found.items() if isinstance(how, Lan)} == {"one": "192.168.7.2", "two": "fd00::2"}
    assert found["two"] == Lan(number=9000, address="fd00::2")


@pytest.mark.parametrize("address", ["192.168.7.300", "127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.1", "fe80::1"])
def test_an_address_that_no_port_can_be_published_at_is_a_mistake(place: Place, address: str) -> None:
    place.write(app("one"))
    for exposure, path in (
        ({"default": "lan", "lan-address": address}, "exposure.lan-address"),
        ({"apps": {"one": {"web": {"lan": {"address": address}}}}}, "exposure.apps.one.web.lan.address"),
    ):
        assert place.told("one", exposure=exposure) == [(path, "port.lan-address")]


def test_a_cluster_has_no_ports_of_a_host(place: Place) -> None:
    place.write(app("one"))
    with pytest.raises(InputError) as caught:
        place.plan("one", base=CLUSTER, exposure={"lan": "192.168.7.0/24"})
    assert [(m.path, m.code) for m in caught.value.mistakes] == [("exposure.lan", "plan.no-effect")]
