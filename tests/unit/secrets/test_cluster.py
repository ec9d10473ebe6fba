"""The Secrets of a cluster as files."""

from pathlib import Path

import pytest
import yaml

from portable.secrets.cluster import cluster_secrets, secret_object, write
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
    body = secret_object("one", {"a": "x: y"}, namespace="home", labels={"app.kubernetes.io/name": "one"})
    for _ in range(2):  # a second time writes the same
        write({"one": body}, out := tmp_path / "deep" / "out")
        assert yaml.safe_load((out / "one.yaml").read_text()) == body
    assert (out / "one.yaml").read_text().startswith("apiVersion: v1\nkind: Secret\nmetadata:\n  name: one\n")
    assert (out / "one.yaml").stat().st_mode & 0o777 == 0o600
    assert out.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("keys", "kind"),
    [(("tls.crt", "tls.key"), "kubernetes.io/tls"), (("ca.crt", "tls.crt", "tls.key"), "kubernetes.io/tls"), (("tls.crt",), "Opaque")],
)
def test_a_certificate_with_its_key_has_its_own_type(keys: tuple[str, ...], kind: str) -> None:
    body = secret_object("one", dict.fromkeys(keys, "x"), namespace="home", labels={"app.kubernetes.io/managed-by": "portable"})
    assert body["type"] == kind
    assert body["metadata"] == {"name": "one", "namespace": "home", "labels": {"app.kubernetes.io/managed-by": "portable"}}
    assert set(body["data"].values()) == {"eA=="}
