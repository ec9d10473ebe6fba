"""The claims of the whole catalog: every app on every back end, and the owner's places."""

from tests.prove.claim import Claim

_CATALOG = "tests/render/test_catalog.py"

CLAIMS = (
    Claim(
        name="nothing of any app is dropped in silence on any back end",
        bar="every change of every leaf of every app changes the documents or has a finding",
        tests=(_CATALOG, "-k", "dropped"),
    ),
    Claim(
        name="the shipped profiles leave no finding of class security or data open, and are what is committed",
        bar="none; no difference",
        tests=("tests/render/test_committed.py",),
    ),
    Claim(
        name="the owner's deployment checklist holds for the seven apps that read the clouds",
        bar="seven of seven",
        tests=(_CATALOG, "-k", "checklist"),
    ),
    Claim(
        name="pods that need neither VPN, FUSE nor an image's root start keep Pod Security restricted",
        bar="all of them",
        tests=(_CATALOG, "-k", "restricted"),
        figure="samba {restricted_samba}; openshift {restricted_openshift}",
    ),
    Claim(
        name="checkov on k8s/: every finding passed or waived by name with its reason",
        bar="nothing new, no waiver that matches nothing",
        tests=("tests/render/test_checkov.py",),
        figure="{checkov}",
    ),
    Claim(
        name="memory limits fit the host's share on 16 and 8 GB, and Tube Archivist is refused on 8 GB with the figures",
        bar="both fit; refused",
        tests=(_CATALOG, "-k", "limits or tube_archivist"),
        figure="zimaboard {memory_zimaboard}, zimaboard-8gb {memory_zimaboard-8gb}",
    ),
    Claim(
        name="templates: homepage has every app at its real address, first settings have their host checks, ports, paths and secrets",
        bar="on each back end",
        tests=("tests/render/test_templates.py",),
    ),
    Claim(
        name="jobs of upkeep run at their times on a real engine, do what they say, and touch nothing else",
        bar="every test",
        tests=(
            "tests/compose_lab/local/test_local_upkeep.py",
            "tests/unit/planning/test_schedule.py",
            "tests/unit/backends/compose/test_jobs.py",
            "tests/unit/backends/kubernetes/test_jobs.py",
        ),
    ),
    Claim(
        name="what apps bring along, as the catalog has it: PostgreSQL and Redis start first, nginx ends TLS (Debian's programs)",
        bar="every test",
        tests=("tests/compose_lab/test_parts.py",),
    ),
    Claim(
        name="kubo and rclone of the pinned versions, built from source, with the catalog's probes, scripts and settings",
        bar="every test",
        tests=("tests/compose_lab/test_kubo.py", "tests/compose_lab/test_rclone.py"),
        figure="kubo {kubo}; rclone {rclone}, cache {cache}",
    ),
    Claim(
        name="portable wire does the same on qBittorrent and SABnzbd of the newest Debian as on those of the recipes",
        bar="every test",
        tests=("tests/verify_lab/test_wire_newest.py",),
        figure="{newest}",
    ),
    Claim(
        name="the page of every place in a real browser, and a drawing and a text for every form",
        bar="no script, nothing loaded, every app on it",
        tests=("tests/browser", "tests/unit/graph"),
    ),
    Claim(
        name="an app of one's own, written by `catalog new`, renders in every place; every command that a document names can be typed",
        bar="every test",
        tests=("tests/cli/test_usage.py::test_an_app_of_ones_own_renders_everywhere", "tests/cli/test_documents.py"),
    ),
    Claim(
        name="a hundred generated stacks render without a crash, twice the same bytes, all valid",
        bar="100 of 100",
        tests=(_CATALOG, "-k", "random"),
        environment={"PORTABLE_STACKS": "100"},
    ),
    Claim(
        name="budgets of docs/explanation/architecture.md for the whole catalog's places",
        bar="every command within its budget",
        tests=("tests/prove/test_budgets.py",),
        figure="{budgets}; ratios {ratios}",
    ),
)
