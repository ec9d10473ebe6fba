"""The addresses of VPN apps as a beacon sees them, and the kill switch with a cut tunnel: each possible answer of a beacon."""

from collections.abc import Sequence

from msgspec.structs import replace

from portable.live.view import CommandResult
from portable.model.plan import Plan
from portable.verify.egress import address_in, egress
from portable.verify.kill_switch import kill_switch
from tests.factories import full_plan
from tests.unit.verify.fake import FakeStack, one, verdicts

URL = "http://192.0.2.80/"
HOST, TUNNEL = "198.51.100.5", "203.0.113.10"
NOTHING = CommandResult(code=7, text="")
SILENT = CommandResult(code=None, text="it did not end within 10 s")


def _planned() -> Plan:
    """Return the full plan; its gateway has an HTTP client."""
    plan = full_plan("compose")
    gateway = next(app for app in plan.apps if app.name == "gateway")
    asking = replace(gateway, containers=tuple(replace(container, fetch="wget") for container in gateway.containers))
    apps = tuple(asking if app is gateway else app for app in plan.apps)
    return replace(plan, apps=apps)


class Outside(FakeStack):
    """A stack whose apps are answered by a beacon: those behind the gateway with the tunnel's address, all others with the host's."""

    def __init__(self, **seen: str) -> None:
        super().__init__(_planned(), answer=self.asked)
        self.seen = {"gateway": TUNNEL, "torrents": TUNNEL, **seen}
        self.cut = False
        self.while_cut: dict[str, str] = {}
        self.commands: list[tuple[str, str]] = []

    def asked(self, name: str, command: Sequence[str]) -> CommandResult | None:
        """Answer as the beacon; the commands themselves show whether the tunnel is cut or restored."""
        text = " ".join(command)
        self.commands.append((name, text))
        if "link set" in text:
            self.cut = '"$device" down' in text
            return CommandResult(code=0, text="tun0")
        if URL not in text:
            return None
        cut = self.cut and name in ("gateway", "torrents")
        address = self.while_cut.get(name, "") if cut else self.seen.get(name, HOST)
        return CommandResult(code=0, text=f"{address}\n") if address else NOTHING


def test_vpn_apps_are_seen_as_their_tunnel() -> None:
    assert verdicts(egress(URL), Outside()) == {"gateway": "holds", "torrents": "holds"}


def test_without_a_beacon_nothing_is_asked() -> None:
    stack = Outside()
    assert verdicts(egress(None), stack) == {"the stack": "unknown"}
    assert verdicts(kill_switch(None), stack) == {"gateway": "unknown"}
    assert not stack.commands


def test_an_app_that_is_seen_as_the_host_is_told() -> None:
    held = one(egress(URL), Outside(torrents=HOST))
    assert (held.subject, f"as {HOST}" in held.text, f"gateway as {TUNNEL}" in held.text) == ("torrents", True, True)
    assert "as 192.0.2.9" in one(egress(URL), Outside(torrents="192.0.2.9")).text
    assert verdicts(egress(URL), Outside(gateway=HOST, torrents=HOST)) == {"gateway": "broken", "torrents": "broken"}


def test_a_beacon_that_does_not_answer_proves_nothing() -> None:
    assert verdicts(egress(URL), Outside(gateway="")) == {"gateway": "unknown", "torrents": "unknown"}
    assert verdicts(egress(URL), Outside(torrents="")) == {"gateway": "holds", "torrents": "unknown"}
    assert verdicts(egress(URL), FakeStack(answer=lambda _name, _command: SILENT))["gateway"] == "unknown"


def test_a_cut_tunnel_lets_nothing_through_and_is_put_back() -> None:
    stack = Outside()
    assert verdicts(kill_switch(URL), stack) == {"gateway": "holds", "torrents": "holds"}
    cut, mended = [text for name, text in stack.commands if "link set" in text and name == "gateway"]
    assert ('"$device" down' in cut, '"$device" down' in mended, '"$device" up' in mended) == (True, False, True)
    assert not stack.cut


def test_an_app_that_reaches_the_outside_without_the_tunnel_is_told() -> None:
    stack = Outside()
    stack.while_cut = {"torrents": HOST}
    held = one(kill_switch(URL), stack)
    assert (held.code, held.subject, HOST in held.text) == ("verify.kill-switch", "torrents", True)
    assert not stack.cut, "also then the tunnel is put back"


def test_a_beacon_by_its_name_shows_nothing_of_the_kill_switch() -> None:
    """Names are resolved through the tunnel."""
    stack = Outside()
    assert verdicts(kill_switch("http://beacon.example/"), stack) == {"gateway": "unknown"}
    assert not stack.commands


def test_nobody_who_could_reach_the_beacon_is_no_proof() -> None:
    """Without an app with direct egress, the beacon may be down as well, and the host's address is unknown."""
    stack = Outside(player="")
    assert verdicts(kill_switch(URL), stack)["torrents"] == "unknown"
    assert verdicts(egress(URL), stack) == {"gateway": "unknown", "torrents": "unknown"}
    assert verdicts(egress(URL), Outside(player="2001:db8::5")) == {"gateway": "unknown", "torrents": "unknown"}


def test_a_page_is_no_answer() -> None:
    assert verdicts(egress(URL), Outside(torrents="<!doctype html>"))["torrents"] == "unknown"


def test_what_shows_nothing_is_not_said_to_hold() -> None:
    assert verdicts(kill_switch(URL), Outside(torrents=""))["torrents"] == "unknown"
    stack = Outside()
    stack.while_cut = {"torrents": TUNNEL}
    held = one(kill_switch(URL), stack, "unknown")
    assert (held.subject, "restored its tunnel" in held.text) == ("torrents", True)


def test_a_tunnel_that_can_not_be_cut_is_told() -> None:
    said = CommandResult(code=3, text="no tunnel: eth0")
    stack = FakeStack(_planned(), answer=lambda _name, command: said if "link set" in " ".join(command) else None)
    held = one(kill_switch(URL), stack, "unknown")
    assert (held.subject, held.text.endswith(": no tunnel: eth0")) == ("gateway", True)


def test_the_address_of_a_result_is_the_subjects_own() -> None:
    """`portable page` shows it; a result without one names none."""
    results = list(egress(URL).tried(Outside()))
    assert {result.subject: address_in(result.text) for result in results} == {"gateway": TUNNEL, "torrents": TUNNEL}
    leaking = [result for result in egress(URL).tried(Outside(torrents=HOST)) if result.subject == "torrents"]
    assert [address_in(result.text) for result in leaking] == [HOST]
    assert address_in("the beacon does not answer it") == address_in("") == address_in("the beacon sees it as unknown, x") == ""
