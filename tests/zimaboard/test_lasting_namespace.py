"""The gateway's container dies in a namespace that outlives it, as in a pod, and comes back: names resolve, and nothing leaks."""

import json
import os
from collections.abc import Callable

import pytest

from tests.lab.home.box import BEACON, PROVIDER
from tests.lab.home.home import Home
from tests.lab.home.internet import NAME
from tests.lab.home.pod import APP, SIDECAR, pod_up, state

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(1200)]
Record = Callable[[str, object], None]
KILLS = int(os.environ.get("PORTABLE_KILLS", "5"))
TARGET = f"tcp://{BEACON}:80"


def test_a_gateway_that_is_killed_again_and_again(home: Home, record_property: Record) -> None:
    sonarr = home.stack.inspected()["sonarr"]["NetworkSettings"]["Networks"]
    neighbour = next(iter(sonarr.values()))["IPAddress"]
    with home.capture() as seen, pod_up(home) as pod:
        rules = pod.rules()
        assert pod.addresses(f"first.{NAME}") == {BEACON}
        for number in range(KILLS):
            pod.kill()
            pod.start()
            assert pod.addresses(f"kill-{number}.{NAME}") == {BEACON}, pod.log()[-2000:]
            assert pod.addresses("sonarr") == {neighbour}, f"after {number + 1} kills: {pod.inside(SIDECAR, 'cat', '/etc/resolv.conf')}"
            assert pod.rules() == rules, f"after {number + 1} kills"
        assert state(home, SIDECAR)["OOMKilled"] is False
        tried = json.loads(pod.inside(APP, "cat", "/tmp/outside.json"))
    assert seen.leaked == [], f"{seen}: {seen.leaked[:5]}"
    assert tried[TARGET]["answered"] > 0, tried
    askers = {line.rpartition(" ")[2] for line in home.internet.asked() if line.startswith("kill-")}
    assert askers == {PROVIDER}
    record_property("lasting_namespace", f"{KILLS} kills; {seen}; the app tried {int(tried[TARGET]['tried'])} times")


def test_a_firewall_that_fails_in_it(home: Home) -> None:
    """What the real program leaves open is still open when its container is gone, for as long as the pod lives."""
    with home.capture() as seen, pod_up(home) as pod:
        home.host.sh(
            f"mkdir -p /tmp/own/iptables && echo 'iptables -A OUTPUT -m no-such-match -j ACCEPT' >/tmp/own/iptables/post-rules.txt "
            f"&& docker cp /tmp/own/iptables {SIDECAR}:/"
        )
        for _ in range(2):
            pod.kill()
            home.host.sh(f"docker start {SIDECAR}; docker wait {SIDECAR}")
            home.host.sh("sleep 2")
        assert "running user defined post firewall rules" in pod.log()
    assert seen.leaked == [], f"{seen}: {seen.leaked[:5]}"
