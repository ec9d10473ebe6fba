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


def test_a_cluster_has_no_ports_of_a_host(place: Place) -> None:
    place.write(app("one"))
    with pytest.raises(InputError) as caught:
        place.plan("one", base=CLUSTER, exposure={"lan": "192.168.7.0/24"})
    assert [(m.path, m.code) for m in caught.value.mistakes] == [("exposure.lan", "plan.no-effect")]
