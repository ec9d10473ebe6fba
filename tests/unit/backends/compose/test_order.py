"""What starts after what."""

from typing import Any

from portable.backends.common import PlacedContainer, containers, index
from portable.backends.compose.names import service_name
from portable.backends.compose.order import order
from portable.model import plan as p
from tests.factories import app, container, full_plan, plan

PROBED = container(probes=p.Probes(ready=p.Check(how=p.Exec(command=("ok",)))))


def waits(of: p.Plan) -> dict[str, dict[str, Any]]:
    known = index(of)
    return {service_name(placed): order(placed, known).keys.get("depends_on", {}) for placed in containers(of)}


def test_full_plan() -> None:
    found = waits(full_plan("compose"))
    assert found["init"] == {}
    assert all("init" in found[name] for name in found if name != "init")
    assert found["torrents"]["gateway"] == {"condition": "service_healthy", "restart": True}
    assert found["torrents"]["player"] == {"condition": "service_started"}
    assert found["player"]["cloud-shelf"] == {"condition": "service_healthy"}
    assert found["player"]["player-store"] == {"condition": "service_healthy", "restart": True}
    assert found["player-tls"]["player-store"] == {"condition": "service_started", "restart": True}
    assert "player" not in found["player-store"]
    assert "cloud-shelf" not in found["player-tls"]


def test_an_app_without_probe_is_waited_for_until_it_starts_and_that_is_told() -> None:
    demo = app("demo", after=(p.After(app="other"),))
    part = order(PlacedContainer("", demo.containers[0], app=demo), index(plan(demo, app("other"))))
    assert part.keys["depends_on"]["other"] == {"condition": "service_started"}
    assert [finding.path for finding in part.findings] == ["apps.demo.after.other"]


def test_an_app_with_probe_is_waited_for_until_it_is_ready() -> None:
    demo = app("demo", after=(p.After(app="other"),))
    part = order(PlacedContainer("", demo.containers[0], app=demo), index(plan(demo, app("other", containers=(PROBED,)))))
    assert part.keys["depends_on"]["other"] == {"condition": "service_healthy"}
    assert part.findings == ()


def test_waiting_for_oneself_or_nobody_is_refused() -> None:
    demo = app("demo", after=(p.After(app="demo"), p.After(app="nowhere")))
    part = order(PlacedContainer("", demo.containers[0], app=demo), index(plan(demo)))
    assert list(part.keys["depends_on"]) == ["init"]
    assert [(finding.verdict, finding.code) for finding in part.findings] == 2 * [("refused", "order.app-unknown")]
    assert ["'demo'" in part.findings[0].text, "'nowhere'" in part.findings[1].text] == [True, True]
