"""Stand-ins for `sops` and `kubeseal`, and a certificate of Sealed Secrets."""

import os
from pathlib import Path

import pytest

from tests.unit.secrets.stand_ins import install


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stand-ins, first on the PATH."""
    folder = tmp_path / "bin"
    for name in ("sops", "kubeseal"):
        install(folder, name)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate as far as the stand-in looks."""
    path = tmp_path / "cert.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\n")
    return path
