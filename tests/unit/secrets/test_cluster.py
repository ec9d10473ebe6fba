"""The Secrets of a cluster as files."""

from pathlib import Path

from portable.secrets.cluster import cluster_secrets, write
from portable.secrets.values import Resolved, Secret
from tests.factories import full_plan

VALUES = {
    ("torrents-login", "hash"): "h",
    ("shelf-login", "pass"): "p",
    ("vpn-key", "private"): "v",
    ("player-tls", "tls.crt"): "c",
    ("player-tls", "tls.key"): "k",
}


def test_values_and_whole_files_stand_where_the_pods_look_for_them() -> None:
    found = cluster_secrets(full_plan("kubernetes"), Resolved({key: Secret(value) for key, value in VALUES.items()}))
    assert found == {
        "tls-of-player": {"tls.crt": "c", "tls.key": "k"},
        "shelf-rclone-conf": {"rclone.conf": "[shelf]\npass = p\n"},
        "torrents-config": {"torrents.conf": "[Preferences]\nPassword=h\n"},
        "tunnel-key": {"private": "v"},
    }, "player-claim may be missing, and is"


def test_nobody_else_can_read_them(tmp_path: Path) -> None:
    write({"one": {"a": "x"}}, tmp_path / "out")
    assert (tmp_path / "out" / "one" / "a").read_text() == "x"
    assert (tmp_path / "out" / "one" / "a").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "out" / "one").stat().st_mode & 0o777 == 0o700
