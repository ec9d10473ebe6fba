"""The claims of the Zimaboard for real: what is proven on a live host, and without one where none is needed."""

from tests.prove.claim import Claim

CLAIMS = (
    Claim(
        name="a database that is written all the time is backed up and restored",
        bar="200 backups: 0 corrupt, 0 commits lost that were made before the backup began",
        tests=("tests/unit/catalog/test_backup.py::test_a_database_that_is_written_all_the_time",),
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
            "tests/unit/catalog/test_backup.py::test_a_backup_that_is_killed_leaves_nothing_or_a_whole_one",
            "tests/unit/catalog/test_backup.py::test_a_restore_that_is_killed_goes_on",
            "tests/verify_lab/test_backup.py::test_a_restore_that_is_killed_goes_on",
        ),
        environment={"PORTABLE_BACKUP_KILLS": "100", "PORTABLE_RESTORE_KILLS": "20"},
        figure="{restores}; {restore_kills}",
    ),
)
