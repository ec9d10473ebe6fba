"""What a driver knows of services comes from the plan; here it is held against the rendered document, read by the tests' own reader."""

from pathlib import Path

import pytest

from portable.backends.compose import render
from portable.backends.compose.services import ServicePort, planned_services, published_ports, subnets
from portable.backends.prepare import prepare
from portable.model.plan import Plan
from portable.model.secret_refs import SecretRef
from portable.model.variables import secret_variable
from tests.by_hand import services_of, subnets_of
from tests.factories import full_plan
from tests.shipped import PROFILES


def agrees(plan: Plan) -> None:
    (document,) = render(plan).documents
    called = {
        secret_variable(file.id): ", ".join(sorted({part.name for part in file.body if isinstance(part, SecretRef)}))
        for file in plan.files
        if file.is_secret
    }
    assert planned_services(plan) == services_of(document.body, called)
    assert subnets(plan) == subnets_of(document.body)


@pytest.mark.parametrize("profile", [name for name in PROFILES if name not in ("samba", "openshift")])
def test_the_services_of_a_shipped_profile_are_those_of_its_document(profile: str, tmp_path: Path) -> None:
    agrees(prepare(profile, folder=tmp_path).planned.plan)


def test_so_are_those_of_a_plan_in_which_every_field_is_set() -> None:
    agrees(full_plan("compose"))


@pytest.mark.parametrize(
    ("entry", "port"),
    [
        ({"target": 80, "published": "8080", "protocol": "tcp"}, ServicePort(number=8080, protocol="tcp", address="")),
        ({"target": 80, "published": 8080, "host_ip": "127.0.0.1"}, ServicePort(number=8080, protocol="tcp", address="127.0.0.1")),
        ("8080:80", ServicePort(number=8080, protocol="tcp", address="")),
        ("8080:80/udp", ServicePort(number=8080, protocol="udp", address="")),
        ("127.0.0.1:8080:80", ServicePort(number=8080, protocol="tcp", address="127.0.0.1")),
        ("[::1]:8080:80/udp", ServicePort(number=8080, protocol="udp", address="::1")),
    ],
)
def test_a_published_port_in_each_form(entry: dict[str, object] | str, port: ServicePort) -> None:
    assert published_ports([entry]) == (port,)


@pytest.mark.parametrize("entry", ["80", {"target": 80}, "8080-8090:80-90", {"target": 80, "published": "8080-8090"}])
def test_a_port_whose_number_the_engine_chooses_is_left_out(entry: dict[str, object] | str) -> None:
    assert published_ports([entry]) == ()
