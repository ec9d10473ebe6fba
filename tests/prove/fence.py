"""The claims of the fence: nothing of a VPN app leaves past its tunnel, names included, and nobody weakens the fence unnoticed."""

from tests.prove.claim import Claim

_HOME = "tests/zimaboard"

CLAIMS = (
    Claim(
        name="the guard on a real kernel: nothing leaves when Gluetun's own firewall opens, and a restart adds no rules",
        bar="every test; Gluetun is a few lines that do what v3.41.3 does to the firewall",
        tests=("tests/compose_lab/test_guard.py", "tests/unit/catalog/test_gluetun.py"),
    ),
    Claim(
        name="kill switch, with a failing start of the firewall among the kinds of trouble",
        bar="100 cycles: 0 packets past the tunnel, names included; the same check sees deliberate leaks; the gateway is a stand-in",
        tests=(f"{_HOME}/test_kill_switch.py",),
        environment={"PORTABLE_CYCLES": "100"},
        figure="{kill_switch}",
        also=lambda outcome: " 100 cycles" in outcome.properties["kill_switch"],
    ),
    Claim(
        name="a gateway that is killed in a network namespace that outlives it, as a pod's, comes back with its names",
        bar="20 kills, names after each, as many rules as before, 0 packets past the tunnel; the namespace is a container's",
        tests=(f"{_HOME}/test_lasting_namespace.py",),
        environment={"PORTABLE_KILLS": "20"},
        figure="{lasting_namespace}",
        also=lambda outcome: outcome.properties["lasting_namespace"].startswith("20 kills"),
    ),
    Claim(
        name="the gateway lives in its memory limit under load",
        bar="60 s of six connections through WireGuard in user space: 0 restarts, 0 packets past the tunnel",
        tests=(f"{_HOME}/test_load.py",),
        environment={"PORTABLE_LOAD_SECONDS": "60"},
        figure="{load}",
        also=lambda outcome: outcome.properties["load"].startswith("60 s"),
    ),
    Claim(
        name="no name leaves past the tunnel, also where the host's resolver is on loopback",
        bar="five kinds of names, asked of the gateway's and of the engine's name server: 0 questions on the uplink",
        tests=(f"{_HOME}/test_names.py",),
    ),
    Claim(
        name="ways to weaken the gateway by override, environment, waiver or profile: each refused, named or harmless",
        bar="at least 20 ways, one test each",
        tests=("tests/unit/planning/test_weakening.py",),
        also=lambda outcome: len(outcome.passed) >= 20,
    ),
    Claim(
        name="ways to weaken it by hand with `docker`: verify says so, by the right contract",
        bar="one test each, on a running stack with a tunnel, and with the seal",
        tests=(f"{_HOME}/test_weakened.py", "tests/verify_lab/test_faults.py", "tests/unit/verify/test_environment.py"),
        also=lambda outcome: len(outcome.passed) >= 20,
    ),
    Claim(
        name="nothing of the client's Docker configuration, environment or working folder changes what runs",
        bar="every test, on a real engine",
        tests=("tests/compose_lab/test_live_client.py",),
    ),
    Claim(
        name="another VPN provider is one name, for each that Gluetun v3.41.3 lists",
        bar="one row each",
        tests=("tests/unit/planning/test_tunnel.py", "tests/unit/secrets/test_vpn.py"),
    ),
    Claim(
        name="a peer outside reaches qBittorrent through the tunnel at the forwarded port, also after it changes",
        bar="every test; real: qBittorrent, tunnel, NAT-PMP (RFC 6886); stand-ins: the gateway and the provider",
        tests=(f"{_HOME}/test_forwarded_port.py", "tests/unit/catalog/test_forwarded.py"),
    ),
    Claim(
        name="outages, restarts of the VPN inside the gateway, and apps that listen on a tunnel that is gone are told and healed",
        bar="every test",
        tests=(
            f"{_HOME}/test_tunnel.py",
            f"{_HOME}/test_listener.py",
            "tests/unit/verify/test_listener.py",
            "tests/unit/live/compose/test_healing.py",
        ),
    ),
    Claim(
        name="the stand-in of the gateway does what the real program does",
        bar="every test; what it is compared with was read in the source of v3.41.3",
        tests=("tests/unit/lab",),
    ),
)
