"""The claims of inputs that once went wrong silently: each is right, refused, or a finding, before anything starts."""

from tests.prove.claim import Claim

_BACK_ENDS = "tests/unit/backends"
_PLANNING = "tests/unit/planning"
_FACTS = "tests/unit/catalog/test_app_facts.py"
_KUBERNETES = f"{_BACK_ENDS}/kubernetes"


POINTS = range(1, 27)
"""The numbered points of the issue; each belongs to a claim at least (tests/unit/test_prove.py)."""


def _every(points: tuple[int, ...], name: str, *tests: str, bar: str = "every test", figure: str = "") -> Claim:
    return Claim(name=name, bar=bar, tests=tests, figure=figure, points=points)


CLAIMS = (
    _every(
        (1,), "the image that is named runs: an override drops digest and recipe, a moving tag is a finding", f"{_PLANNING}/test_images.py"
    ),
    _every(
        (2,),
        "an older version on newer state, and a step without a way back, are refused unless accepted by name",
        "tests/unit/live/test_versions.py",
        "tests/unit/live/compose/test_suitability.py",
        "tests/unit/live/compose/test_slow_start.py",
        "tests/unit/upkeep/test_backup.py",
        "tests/unit/migrate/test_stack_move.py",
    ),
    _every((3,), "no waiver lets an app run without its engine", f"{_PLANNING}/test_check.py", "-k", "engine"),
    _every((4,), "an alias says where the old state is looked for", f"{_PLANNING}/test_aliases.py"),
    _every(
        (5,),
        "networks are compared with those of the engine and the host; too small and IPv6 ones are mistakes",
        f"{_PLANNING}/test_network.py",
        "tests/unit/live/test_engine_limits.py",
        "tests/unit/verify/test_engine.py",
    ),
    _every(
        (6, 21),
        "people come in by every name of the host: in first settings, after a rename by `wire`, and `verify` tries each",
        f"{_PLANNING}/test_host_names.py",
        "tests/unit/live/compose/test_renamed_host.py",
        "tests/unit/verify/test_ports.py",
        "tests/unit/wiring",
        "tests/verify_lab/test_wire.py",
    ),
    _every(
        (7,),
        "ports go to one address of the host where the profile says so; one on an address of the internet is found",
        f"{_PLANNING}/test_lan.py",
        "tests/unit/verify/test_doctor.py::test_a_port_on_an_address_of_the_internet_is_wrong",
        "tests/unit/backends/compose/test_conditions.py",
        "tests/compose_lab/local/test_local_bad_input.py::test_an_address_that_the_host_does_not_have",
    ),
    _every((8, 9), "options of SMB and NFS shares: each row of the tables; logins in them are mistakes", f"{_PLANNING}/test_shares.py"),
    _every((10,), "a GPU has its group, and one of NVIDIA is refused", f"{_PLANNING}/test_check.py", "-k", "gpu"),
    _every(
        (11,),
        "what an engine says of itself is read: memory, SELinux, rootless, Podman, platform, known faults, containers in Proxmox",
        "tests/unit/live/test_engine_limits.py",
        "tests/unit/verify/test_engine.py",
        "tests/unit/catalog/test_gluetun.py",
    ),
    Claim(
        points=(12,),
        name="texts of engines, hosts and registries have a cause and a remedy, and unknown ones pass whole",
        bar="at least 60 reported inputs, each in docs/facts/reports.md with its verdict",
        tests=("tests/unit/engines/docker/test_trouble.py",),
        figure="{reports} reports",
        also=lambda outcome: int(outcome.properties["reports"]) >= 60,
    ),
    _every((13,), "state of another user is named with its chown", "tests/unit/live/test_state_owners.py"),
    _every(
        (9, 14),
        "line ends and control characters in secrets, secrets in clear text, and whose they are",
        "tests/unit/secrets/test_text.py",
        "tests/unit/secrets/test_owner.py",
        "tests/unit/engines/docker/test_record.py",
        "tests/unit/live/compose/test_other_values.py",
        "tests/unit/live/compose/test_adopt.py",
        f"{_PLANNING}/test_clear_secrets.py",
    ),
    _every(
        (15,),
        "nothing outside a catalog is read, its templates cannot keep a machine busy, and what it may do is listed before",
        "tests/unit/catalog/test_inside.py",
        "tests/unit/catalog/test_powers.py",
        "tests/cli/test_powers.py",
        f"{_PLANNING}/test_template_limits.py",
    ),
    _every(
        (16, 17, 18, 19, 20, 24, 25),
        "facts of the catalog: probes, ports, keys and folders of the real programs",
        _FACTS,
        "tests/unit/catalog/test_autoscan.py",
        "tests/unit/catalog/test_pins.py",
        "tests/unit/catalog/test_shipped_yaml.py",
    ),
    _every((23,), "an app whose page others reach before it has a login is a finding", f"{_PLANNING}/test_logins.py"),
    _every(
        (5, 22),
        "names in pods, large requests of an Ingress, and the cluster's networks behind a gateway",
        f"{_KUBERNETES}/test_network.py",
        f"{_KUBERNETES}/test_pod.py",
        f"{_PLANNING}/test_cloud_mounts.py",
    ),
    _every(
        (18, 22, 23),
        "kubo and rclone of the pinned versions, for real, with the catalog's probes",
        "tests/compose_lab/test_kubo.py",
        "tests/compose_lab/test_rclone.py",
        figure="kubo {kubo}; rclone {rclone}",
    ),
    _every(
        (21, 23, 24), "`wire` on qBittorrent and SABnzbd of the newest Debian", "tests/verify_lab/test_wire_newest.py", figure="{newest}"
    ),
    _every(
        (26,),
        "every app with each back end's checkov findings passed or waived by name",
        "tests/render/test_checkov.py",
        figure="{checkov}",
    ),
)
