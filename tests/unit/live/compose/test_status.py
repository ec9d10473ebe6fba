"""What `status` tells of a gateway's tunnel."""

import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pytest

from portable.backends import compose as backend
from portable.backends.prepare import prepare
from portable.cli.options import Format
from portable.cli.up import show_rows
from portable.engines.docker.address import Address
from portable.engines.docker.engine import EngineReader
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import Observed, ObservedContainer
from portable.live.compose import open_stack
from portable.live.compose import status as module
from portable.live.compose.desired import ComposeStack, stack_of
from portable.live.compose.status import status, typed_addresses
from portable.live.results import ServiceStatus
from portable.local.network import lan_addresses
from portable.model.plan import Direct, Sealed
from portable.model.question import Question
from portable.secrets.sources import EnvironmentSource
from tests.factories import full_plan
from tests.unit.live.test_tunnel import BROKEN
from tests.unit.verify.fake import TRAFFIC

NOW = 1795997415.0
DEAD = TRAFFIC.replace("1300", "1000")


class Tunnelled(EngineReader):
    """An engine with the gateway of `full_plan`, of which a test says what its log and its tunnel tell."""

    def __init__(self, *answers: str, log: Sequence[tuple[float, str]] = ()) -> None:
        super().__init__(Address(url="unix:///fake", named_by="test"))
        self.answers, self.log = list(answers), log
        self.seen = ObservedContainer(
            id="id-gateway",
            name="gateway",
            service="gateway",
            state="running",
            health="healthy",
            started_at="2026-11-30T00:00:00.000000000Z",
        )

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        return Observed(containers=(self.seen,))

    def ask(self, container: str, question: Question, *arguments: str, seconds: float = 20.0) -> tuple[int | None, str]:
        if not self.answers:
            raise DockerError("gone", "the engine went away")
        return 0, self.answers.pop(0)

    def dated_logs(self, container: str, *, tail: int, since: float) -> tuple[tuple[float, str], ...]:
        assert since == 1795996800.0, "only what it wrote since its start"
        if not self.log:
            raise DockerError("failed", "its logs are written elsewhere")
        return tuple(self.log)


@pytest.fixture(scope="module")
def stack() -> ComposeStack:
    plan = full_plan("compose")
    return stack_of(plan, backend.render(plan))


def row(engine: EngineReader, stack: ComposeStack, *, inside: bool = True) -> ServiceStatus:
    (found,) = [row for row in status(engine, stack, inside=inside) if row.service == "gateway"]
    return found


def test_restarts_are_a_note_and_no_trouble(stack: ComposeStack) -> None:
    engine = Tunnelled(TRAFFIC, log=[(NOW - 600, "INFO start"), (NOW - 500, BROKEN), (NOW - 240, BROKEN)])
    found = row(engine, stack)
    assert (found.reason, found.note) == ("", "VPN restarted 2 times, last 4 min ago")


def test_an_outage_is_a_reason_though_the_gateway_calls_itself_healthy(stack: ComposeStack) -> None:
    assert row(Tunnelled(DEAD, DEAD), stack).reason == "nothing comes back through the tunnel: 200 bytes were sent, and none received"
    assert row(Tunnelled(DEAD, TRAFFIC), stack).reason == "", "one answer came late"


@pytest.mark.parametrize("answers", [(), (DEAD,)])
def test_what_can_not_be_learned_is_no_trouble(answers: tuple[str, ...], stack: ComposeStack) -> None:
    found = row(Tunnelled(*answers), stack)
    assert (found.reason, found.note) == ("", "")


def test_a_gateway_is_asked_only_where_it_runs_and_it_is_wanted(stack: ComposeStack) -> None:
    engine = Tunnelled(DEAD, DEAD)
    assert row(engine, stack, inside=False).reason == ""
    engine.seen = msgspec.structs.replace(engine.seen, state="exited", exit_code=1)
    assert "exit code 1" in row(engine, stack).reason
    assert len(engine.answers) == 2


def test_log_and_tunnel_are_looked_at_together(stack: ComposeStack) -> None:
    class Slow(Tunnelled):
        def ask(self, *arguments: object, **options: object) -> tuple[int | None, str]:
            time.sleep(0.2)
            return 0, TRAFFIC

        def dated_logs(self, container: str, *, tail: int, since: float) -> tuple[tuple[float, str], ...]:
            time.sleep(0.2)
            return ()

    began = time.monotonic()
    row(Slow(), stack)
    assert time.monotonic() - began < 0.38


def test_a_note_stands_beside_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [ServiceStatus(app="g", service="g", state="running", health="healthy", since="", reason="why", note="VPN restarted once")]
    show_rows(rows, Format.text)
    assert "why; VPN restarted once" in capsys.readouterr().out
    show_rows(rows, Format.json)
    assert '"reason": "why",\n      "note": "VPN restarted once"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("url", "names", "lan", "loopback"),
    [
        ("unix:///x", (), ("http://192.0.2.7:1",), "http://127.0.0.1:2"),
        ("tcp://127.0.0.1:2375", (), ("http://192.0.2.7:1",), "http://127.0.0.1:2"),
        ("unix:///x", ("nas.lan",), ("http://nas.lan:1", "http://192.0.2.7:1"), "http://127.0.0.1:2"),
        ("ssh://nas", ("nas.lan", "fd00::2"), ("http://nas.lan:1", "http://[fd00::2]:1", "http://nas:1"), "http://127.0.0.1:2 (on nas)"),
        ("unix:///x", ("192.0.2.7",), ("http://192.0.2.7:1",), "http://127.0.0.1:2"),
        ("ssh://nas", ("nas.lan",), ("http://nas.lan:1", "http://nas:1"), "http://127.0.0.1:2 (on nas)"),
    ],
)
def test_an_address_can_be_typed_on_another_machine(
    url: str, names: tuple[str, ...], lan: tuple[str, ...], loopback: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "lan_addresses", lambda: ("192.0.2.7",))
    address = Address(url=url, named_by="test")
    assert typed_addresses("http://{host}:1", address, names) == lan
    assert typed_addresses("http://127.0.0.1:2", address, names) == (loopback,)


@pytest.mark.parametrize(
    ("exposure", "names"),
    [
        ("{address: nas.lan, addresses: [192.168.1.10, nas]}", ("nas.lan", "192.168.1.10", "nas")),
        ("{addresses: [192.168.1.10, nas.lan]}", ("192.168.1.10", "nas.lan")),
        ("{address: nas.lan, addresses: ['fd00::2', nas.lan]}", ("nas.lan", "fd00::2")),
        ("{}", ()),
    ],
)
def test_a_stack_knows_every_name_of_its_host(exposure: str, names: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "home.yaml").write_text(f"portable: 1\nname: home\nextends: local\nexposure: {exposure}\n")
    (tmp_path / "portable.yaml").write_text("portable: 1\napps: [sonarr]\n")
    prepared = prepare("home", sets=("exposure.lan=192.168.1.0/24",), folder=tmp_path)
    stack = open_stack(prepared, None, {}, tmp_path, EnvironmentSource()).stack
    assert isinstance(stack, ComposeStack)
    assert stack.names == names


def test_without_a_way_out_a_machine_is_reached_by_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "lan_addresses", tuple)
    assert typed_addresses("http://{host}:1", Address(url="unix:///x", named_by="test"), ()) == ("http://127.0.0.1:1",)


def test_the_lans_address_is_one_of_this_machine() -> None:
    for address in lan_addresses():
        with socket.create_server((address, 0)):  # only an own address can be listened on
            pass


def test_an_app_behind_a_gateway_is_told_from_others(stack: ComposeStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert stack.plan is not None
    behind = stack.plan.behind_gateways
    rows = status(Tunnelled(TRAFFIC), stack)
    assert {row.app: row.egress for row in rows if row.egress} == dict.fromkeys(behind, "vpn")
    show_rows([row for row in rows if row.app in behind][:1], Format.text)
    assert capsys.readouterr().out.split("\n")[1].split()[2] == "vpn"
    show_rows(rows[:1], Format.json)
    assert '"egress": ' in capsys.readouterr().out


def test_a_sealed_app_is_told_from_one_behind_a_vpn(stack: ComposeStack) -> None:
    assert stack.plan is not None
    groups = tuple(
        msgspec.structs.replace(g, egress=Sealed(gateway=g.egress.gateway)) if not isinstance(g.egress, Direct) else g
        for g in stack.plan.groups
    )
    sealed = msgspec.structs.replace(stack, plan=msgspec.structs.replace(stack.plan, groups=groups))
    assert set(sealed.egress.values()) == {"sealed"}
    assert set(sealed.egress) == set(stack.egress)
