"""The pages of the stack in a real browser: each one is shown, and none has an error in its console."""

import pytest

from portable.backends.prepare import prepare
from portable.engines.docker.engine import Engine
from tests.lab import chromium
from tests.lab.local import APPS, PROFILE, Local

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def image(engine: Engine) -> str:
    return chromium.bring(engine)


@pytest.mark.parametrize("app", APPS)
def test_a_browser_shows_the_page_of_each_app_without_an_error(app: str, local: Local, image: str) -> None:
    plan = prepare(PROFILE, folder=local.folder).planned.plan
    (port,) = [port for one in plan.apps if one.name == app for port in one.ports if port.name == "web"]
    (network,) = local.networks()
    dom, faults = chromium.visited(image, f"{port.serves}://{app}:{port.number}/", network)
    assert not faults, "\n".join(faults)
    assert "<body" in dom
