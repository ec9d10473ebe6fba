"""The README's first command on a bare Debian: everything that is missing is brought, and the local stack answers.

The full form of a claim: minutes long, so never in CI. Images are built from Debian packages where no registry answers.
"""

import io
import os
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bootstrap.bare_debian import BareDebian, bare_debian, why_not

ROOT = Path(__file__).parents[2]
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
ANSWERS = """\
import sys, urllib.request
for address in sys.argv[1:]:
    print(address, urllib.request.urlopen(address, timeout=20).status)
"""


def put_checkout(host: BareDebian) -> None:
    """What git has of this checkout, as a clone would bring it, and the machine's own authorities for pip."""
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD"], capture_output=True, check=True).stdout
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        if AUTHORITIES.exists():
            tar.add(AUTHORITIES.resolve(), "ca-test.crt")
    for content, folder in ((archive, "/src"), (buffer.getvalue(), "/usr/local/share")):
        host.sh(f"mkdir -p {folder}")
        subprocess.run(["docker", "exec", "-i", host.name, "tar", "-x", "-C", folder], input=content, check=True)


@pytest.mark.prove
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("release", ["12", "13"])
def test_one_command_on_a_bare_machine(release: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    assert not (reason := why_not()), reason
    with bare_debian(release, tmp_path) as host:
        host.sh("apt-get update -qq && apt-get install -y -qq --no-install-recommends make >/dev/null")
        before = host.packages()
        put_checkout(host)
        # The machine's own authorities, as a person's machine has them; nothing of the project is changed by it.
        environment = "export PIP_CERT=/usr/local/share/ca-test.crt;" if os.environ.get("PIP_CERT") else ""
        start = time.monotonic()
        first = host.sh(f"cd /src; {environment} make up 2>&1", check=False, timeout=1800)
        record_property(f"seconds_{release}", round(time.monotonic() - start))
        assert first.returncode == 0, first.stdout[-4000:]
        assert len(first.stdout.splitlines()) <= 60, first.stdout
        assert "portable secrets show qbittorrent-password" in first.stdout
        after = host.packages()
        assert {name: after[name] for name in before} == before, "make up must not upgrade what is there"
        addresses = [word for word in first.stdout.split() if word.startswith("http://127.0.0.1:")]
        assert len(addresses) == 4, first.stdout[-2000:]
        answers = host.sh(f"cd /src; cat >/tmp/a.py <<'E'\n{ANSWERS}E\n.venv/bin/python /tmp/a.py {' '.join(addresses)}").stdout
        assert answers.count(" 200") == 4, answers
        started = "docker inspect -f '{{.Id}} {{.State.StartedAt}}' $(docker ps -q) | sort"
        running = host.sh(started).stdout
        again = host.sh(f"cd /src; {environment} make up 2>&1", timeout=300)
        assert "nothing to change" in again.stdout
        assert host.sh(started).stdout == running
        host.sh("cd /src; make down", timeout=300)
        assert host.sh("docker ps -aq").stdout == ""
        assert host.sh("ls /srv/portable/local/config/qbittorrent").stdout.strip() == "qBittorrent"
