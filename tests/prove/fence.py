"""The claims of the fence: nothing of a VPN app leaves past its tunnel, names included, and nobody weakens the fence unnoticed."""

from tests.prove.claim import Claim

_SWITCH = "tests/zimaboard/test_kill_switch.py"

CLAIMS = (
    Claim(
        name="the guard on a real kernel: nothing leaves when Gluetun's own firewall opens, and a restart adds no rules",
        bar="every test; Gluetun is a few lines that do what v3.41.3 does to the firewall",
        tests=("tests/compose_lab/test_guard.py", "tests/unit/catalog/test_gluetun.py"),
    ),
    Claim(
        name="kill switch, a failing start of the firewall among the kinds of trouble",
        bar="100 cycles: 0 packets past the tunnel, names included; the same check sees deliberate leaks; the gateway is a stand-in",
        tests=(_SWITCH,),
        environment={"PORTABLE_CYCLES": "100"},
        figure="{kill_switch}",
        also=lambda outcome: " 100 cycles" in outcome.properties["kill_switch"],
    ),
)
