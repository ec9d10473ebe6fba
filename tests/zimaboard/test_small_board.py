"""The board with 8 GB, on the same host: the owner's other profile takes the place of the first, with the data that was there."""

import pytest

from portable.engines.docker.engine import Engine
from tests.lab.home.box import PROVIDER
from tests.lab.home.home import Home

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(600)]


def test_from_16_to_8_gb(home: Home, here: Engine) -> None:
    """Apps that the smaller board has no room for go, their folders stay; all others are there, and every contract holds."""
    home.take(here, "zimaboard")  # which a test before this one may have taken away
    home.stack.portable("up")
    before = set(home.stack.inspected())
    home.take(here, "zimaboard-8gb")
    home.stack.portable("up")
    after = set(home.stack.inspected())
    assert before - after >= {"tubearchivist", "tubearchivist-queue", "tubearchivist-search"}, sorted(before - after)
    assert "gluetun" in after
    assert home.host.ends_well("test -d /mnt/storage/appdata/tubearchivist-queue")
    assert home.stack.portable("verify", code=None).code == 0, str(home.stack.ran[-1])
    assert home.address_of("qbittorrent") == PROVIDER
    limits = home.host.sh("docker ps -q | xargs docker inspect -f '{{.HostConfig.Memory}}'").split()
    assert 0 < sum(map(int, limits)) <= 6 * 2**30
