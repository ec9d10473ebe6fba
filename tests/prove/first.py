"""The claims of the first whole: rendering for three back ends, and the local stack live on a Compose engine."""

from tests.prove.claim import Claim

_LOCAL = "tests/compose_lab/local"

CLAIMS = (
    Claim(
        name="renderings are accepted by docker compose config, Kubernetes' schemas, and OpenShift's Route and SCC where they are there",
        bar="all of them",
        tests=(
            "tests/prove/test_renderings.py::test_every_rendering_is_accepted",
            "tests/render/test_compose_config.py",
            "tests/render/test_schemas.py",
        ),
        figure="{accepted}",
        may_skip=True,
    ),
    Claim(
        name="renderings keep the project's invariants, and each invariant can fail",
        bar="no break",
        tests=("tests/render/test_invariants.py", "tests/render/test_golden.py", "tests/render/test_committed.py", "tests/unit/backends"),
    ),
    Claim(
        name="same input, same bytes",
        bar="one digest a profile over processes with other hash seeds",
        tests=("tests/prove/test_renderings.py::test_same_input_same_bytes", "tests/render", "-k", "same"),
        figure="{bytes}",
    ),
    *(
        Claim(
            name=f"nothing is dropped in silence on {back_end}",
            bar="every change of every leaf changes the documents or has a finding",
            tests=(f"tests/prove/test_renderings.py::test_every_leaf[{back_end}]", "tests/render/test_mutation.py", "-k", back_end),
            figure=f"{{leaves_{back_end}}}",
        )
        for back_end in ("compose", "kubernetes", "openshift")
    ),
    Claim(
        name="make up on bare Debian 12 and 13 brings what is missing, upgrades nothing, and ends with four addresses that answer",
        bar="both",
        tests=("tests/bootstrap/test_make_up.py", "tests/bootstrap/test_bootstrap.py"),
        figure="{seconds_12} s on 12, {seconds_13} s on 13, images built from Debian packages where no registry answers",
    ),
    Claim(
        name="local's real apps answer, keep what they were given, link downloads and read the cloud; up again changes nothing",
        bar="all; the cloud is back within 30 s of each kill",
        tests=(f"{_LOCAL}/test_local_apps.py",),
        environment={"PORTABLE_CLOUD_KILLS": "20"},
        figure="qBittorrent {qbittorrent}, SABnzbd {sabnzbd} (its Usenet provider is a stand-in), gerbera listed "
        "after {gerbera_listed_after}, cloud back after {cloud_back_after}, second up {second_up}",
    ),
    Claim(
        name="the sealed app reaches no address outside the local networks (the seal and the app are real)",
        bar="0 packets; a deliberate leak is detected by the same counters",
        tests=(f"{_LOCAL}/test_local_seal.py",),
        environment={"PORTABLE_LEAK_ROUNDS": "200"},
        figure="{leaked} leaked of {sealed}; while starting 0 leaked, {start}; the deliberate leak: {deliberate_leak}",
        also=lambda outcome: outcome.properties["leaked"] == "0",
    ),
    Claim(
        name="a changed config file, setting or secret recreates exactly the apps that use it and those that share their namespace",
        bar="no other container is touched",
        tests=(f"{_LOCAL}/test_local_changes.py", "tests/compose_lab/test_live_up.py"),
    ),
    Claim(
        name="killing up of the real apps at seeded moments and running it again ends in the same healthy state",
        bar="20 of 20",
        tests=(f"{_LOCAL}/test_local_kill.py",),
        environment={"PORTABLE_KILLS": "20"},
        figure="{kills}",
        also=lambda outcome: outcome.properties["kills"].startswith("20 of 20"),
    ),
    Claim(
        name="the same for a stack with every relation that live knows, half of the kills in a change",
        bar="20 of 20",
        tests=("tests/compose_lab/test_live_kill.py",),
        environment={"PORTABLE_KILLS": "20"},
        also=lambda outcome: sum("test_killed_up" in name for name in outcome.passed) >= 20,
    ),
    Claim(
        name="budgets of docs/explanation/architecture.md, and ratios against docker compose config of the same stacks",
        bar="every command within its budget",
        tests=("tests/prove/test_budgets.py",),
        figure="{budgets}; ratios {ratios}",
    ),
    Claim(
        name="a canary secret is in no rendered file, log, label, argument list, traceback or debug output",
        bar="0 found",
        tests=(f"{_LOCAL}/test_local_canary.py", "tests/compose_lab/test_live_secrets.py", "tests/unit/secrets/test_secrets.py"),
        figure="{canary}",
    ),
    Claim(
        name="2,000 generated strings reach docker compose config and a Kubernetes parser unchanged",
        bar="2,000 through both",
        tests=("tests/prove/test_renderings.py::test_the_strings_are_2000", "tests/unit/formats/test_emit.py", "-k", "2000"),
        figure="{strings}",
        also=lambda outcome: {"compose", "kubernetes"} <= {part for name in outcome.passed for part in name.split("_")},
    ),
    Claim(
        name="bad input has a clear error, its exit code, and changes nothing",
        bar="every kind of the issue's list",
        tests=(
            "tests/cli/test_bad_input.py",
            f"{_LOCAL}/test_local_bad_input.py",
            "tests/compose_lab/test_live_engines.py",
            "tests/compose_lab/test_live_up.py::test_a_taken_port_is_named_with_its_holder_before_anything_starts",
            "tests/compose_lab/test_live_up.py::test_a_port_of_another_project_is_named",
            "tests/unit/secrets/test_secrets.py",
        ),
        kinds={
            "unknown profile": r"test_bad_input\[unknown profile\]",
            "unknown app": r"test_bad_input\[unknown app ",
            "unknown key": r"test_bad_input\[unknown key ",
            "wrong type": r"test_bad_input\[wrong type\]",
            "YAML that doesn't parse": r"test_bad_input\[no yaml\]",
            "a tab": r"test_bad_input\[a tab\]",
            "an empty file": r"test_bad_input\[an empty ",
            "a binary file": r"test_bad_input\[a binary file\]",
            "duplicate keys": r"test_bad_input\[duplicate key\]",
            "duplicate names": r"test_bad_input\[duplicate name ",
            "a cycle of extends": r"test_bad_input\[a cycle of extends\]",
            "a cycle of needs": r"test_bad_input\[a cycle of needs\]",
            "--set of an unknown key": r"test_bad_input\[--set of an unknown key\]",
            "a folder that isn't writable": r"test_an_output_folder_that_is_not_writable",
            "an engine that isn't there": r"test_local_bad_input::test_an_engine_that_is_not_there",
            "an engine that refuses": r"test_local_bad_input::test_an_engine_that_refuses",
            "an engine that is too old": r"test_local_bad_input::test_an_engine_that_is_too_old",
            "an engine that goes away in the middle": r"test_local_bad_input::test_an_engine_that_goes_away",
            "a port that is taken": r"test_local_bad_input::test_a_port_that_is_taken",
            "a full disk": r"test_a_full_disk",
            "a secret file that is world-readable": r"test_local_bad_input::test_a_secret_file_that_others_can_read",
        },
    ),
)
