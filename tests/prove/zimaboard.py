"""The claims of the Zimaboard for real: what is proven on a live host, and without one where none is needed."""

from tests.prove.claim import Claim

_HOME = "tests/zimaboard/test_home.py"

CLAIMS = (
    Claim(
        name="zimaboard is up, all its apps, on a Docker host with BTRFS RAID 1, by its remote engine, and every contract holds",
        bar="every test; upstream apps are stand-ins, qBittorrent and Redis are real, the gateway is a stand-in around a real tunnel",
        tests=(_HOME,),
    ),
    Claim(
        name="kill switch, with a stand-in gateway: no packet leaves past the tunnel, and the same check sees a deliberate leak",
        bar="100 cycles of tunnel loss, gateway kill, gateway restart and start-up races: 0 packets, DNS included",
        tests=("tests/zimaboard/test_kill_switch.py",),
        environment={"PORTABLE_CYCLES": "100"},
        figure="{kill_switch}",
        also=lambda outcome: " 100 cycles" in outcome.properties["kill_switch"],
    ),
    Claim(
        name="by OpenVPN instead of WireGuard: the same contracts, and nothing past the tunnel while the provider is away",
        bar="every test; the gateway is a stand-in around a real OpenVPN",
        tests=("tests/zimaboard/test_openvpn.py",),
    ),
    Claim(
        name="engine and host restarted, provider away: the stack heals without a person, and nothing leaves meanwhile",
        bar="every test",
        tests=("tests/zimaboard/test_heal.py", "tests/verify_lab/test_heal.py"),
    ),
    Claim(
        name="three apps read each cloud through one mount, and read on, not restarted, when the process that mounts it is killed",
        bar="20 kills for each cloud, each answered; exactly one mount a cloud",
        tests=("tests/zimaboard/test_mounts.py",),
        environment={"PORTABLE_CLOUD_KILLS": "20"},
        figure="{torbox_kills}; {zurg_kills}",
        also=lambda outcome: all(outcome.properties[f"{cloud}_kills"].startswith("20 kills") for cloud in ("torbox", "zurg")),
    ),
    Claim(
        name="scenario A: a link in `stream` plays from the cloud; B: a torrent comes by the tunnel, is linked, is served",
        bar="every test; real: qBittorrent, seeder, tunnel, mounts, player (Gerbera); stand-ins: Sonarr, zurg, the gateway",
        tests=("tests/zimaboard/test_scenarios.py",),
        figure="{scenario_b}",
        also=lambda outcome: ", 0 leaked" in outcome.properties["scenario_b"],
    ),
    Claim(
        name="imports from downloads to library share an inode (by stand-ins), and `verify` tells a library that is split",
        bar="1,000 of 1,000",
        tests=(
            "tests/zimaboard/test_standins.py::test_downloads_are_imported_by_link",
            f"{_HOME}::test_a_library_that_is_split_breaks_links",
        ),
        environment={"PORTABLE_IMPORTS": "1000"},
    ),
    Claim(
        name="verify names the right contract for each fault that is put into a live stack",
        bar="at least 20 faults, one test each",
        tests=("tests/verify_lab/test_faults.py",),
    ),
    Claim(
        name="a database that is written all the time is backed up and restored",
        bar="200 backups: 0 corrupt, 0 commits lost that were made before the backup began",
        tests=("tests/unit/programs/backup/test_databases.py::test_a_database_that_is_written_all_the_time",),
        environment={"PORTABLE_BACKUPS": "200"},
        figure="{backups}",
        also=lambda outcome: outcome.properties["backups"].startswith("200 backups"),
    ),
    Claim(
        name="the same on the running stack, written inside SABnzbd's container (by a stand-in) and put back by `portable restore`",
        bar="20 backups: 0 corrupt, 0 commits lost; no file of the keeper's own user beside the database",
        tests=("tests/verify_lab/test_backup.py::test_a_database_that_an_app_writes_all_the_time",),
        environment={"PORTABLE_LAB_BACKUPS": "20"},
        figure="{lab_backups}",
    ),
    Claim(
        name="a backup or restore that is killed at a seeded moment completes when it is run again, and nothing that was there is gone",
        bar="100 kills of each on folders, 20 of `portable restore` on real qBittorrent",
        tests=(
            "tests/unit/programs/backup/test_making.py::test_a_backup_that_is_killed_leaves_nothing_or_a_whole_one",
            "tests/unit/programs/backup/test_restoring.py::test_a_restore_that_is_killed_goes_on",
            "tests/verify_lab/test_backup.py::test_a_restore_that_is_killed_goes_on",
        ),
        environment={"PORTABLE_BACKUP_KILLS": "100", "PORTABLE_RESTORE_KILLS": "20"},
        figure="{restores}; {restore_kills}",
    ),
    Claim(
        name="the keeper of backups does with little memory, whatever an app has",
        bar="300,000 entries backed up twice, tried and put back by a process with 200 MiB of addresses",
        tests=("tests/unit/programs/backup/test_command.py::test_it_does_with_little_memory_what_the_keeper_has_to",),
        environment={"PORTABLE_BACKUP_FILES": "300000"},
        figure="{backup_memory}",
    ),
    Claim(
        name="a restore that is killed on the running stack is given up by `--abort`",
        bar="20 of `portable restore` on real SABnzbd: each time it has what it had, and runs",
        tests=("tests/verify_lab/test_backup.py::test_a_restore_that_is_killed_is_given_up",),
        environment={"PORTABLE_RESTORE_KILLS": "20"},
        figure="{restore_aborts}",
    ),
    Claim(
        name="newer images are taken a group at a time, put back by themselves where an app does not get well, and by hand",
        bar="every test, on a real engine with a registry; any sequence of updates, kills and ways back ends with what the files say",
        tests=("tests/compose_lab/test_live_updates.py", "tests/unit/upkeep/test_updates.py"),
    ),
)
