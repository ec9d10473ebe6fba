"""The bootstrap scripts: what they refuse, what they call (with stand-in commands), and what they bring to a bare Debian 12 and 13."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.bootstrap.bare_debian import SCRIPTS, BareDebian, bare_debian, run, why_not

BOOTSTRAP = SCRIPTS / "bootstrap.sh"
LAB = SCRIPTS / "lab.sh"
TOOLS = """
    awk bash cat chmod chown cp cut dirname find flock grep head install ls mkdir mktemp mv nohup paste perl rm sed setsid sha256sum sleep
    sort tail timeout touch tr uname
""".split()  # noqa: SIM905 - a list would take thirty lines


@dataclass
class Machine:
    """A PATH of its own with stand-ins for the commands that would change this machine; every call is written to `calls`."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("bin", "state", "home"):
            (self.folder / name).mkdir()
        for tool in TOOLS:
            path = shutil.which(tool)
            assert path, f"{tool} is missing on this machine"
            (self.folder / "bin" / tool).symlink_to(path)
        self.stand_in("apt-get", "exit 100")
        self.stand_in("dpkg", "exit 100")
        self.system("debian", "12", "bookworm")
        self.user("alice")

    def stand_in(self, name: str, script: str) -> None:
        path = self.folder / "bin" / name
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self.folder}/calls"\n{script}\n')
        path.chmod(0o755)

    def system(self, name: str, version: str, codename: str) -> None:
        (self.folder / "os-release").write_text(f'NAME="{name.title()}"\nID={name}\nVERSION_ID="{version}"\nVERSION_CODENAME={codename}\n')

    def user(self, name: str) -> None:
        self.stand_in("id", f'if [ "$1" = -u ]; then echo {0 if name == "root" else 1000}; else echo {name}; fi')

    def engine(self, *, server: str = "", compose: str = "") -> None:
        """A docker command; the plug-in that gets installed for this user answers 2.26.1."""
        self.stand_in(
            "docker",
            f"""case "$1 $2" in
  "version --format") if [ -n "{server}" ]; then echo "{server}"; else echo "Cannot connect" >&2; exit 1; fi ;;
  "context inspect") echo unix:///var/run/docker.sock ;;
  "compose version")
    if [ -n "{compose}" ]; then echo "{compose}"
    elif [ -x "$HOME/.docker/cli-plugins/docker-compose" ]; then "$HOME/.docker/cli-plugins/docker-compose"
    else exit 1; fi ;;
esac""",
        )

    def bootstrap(self, *arguments: str, script: Path = BOOTSTRAP) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": str(self.folder / "bin"),
            "HOME": str(self.folder / "home"),
            "PORTABLE_OS_RELEASE": str(self.folder / "os-release"),
            "PORTABLE_BOOTSTRAP_STATE": str(self.folder / "state"),
            **self.environment,
        }
        return subprocess.run([script, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False)

    def calls(self, name: str) -> list[str]:
        record = self.folder / "calls"
        lines = record.read_text().splitlines() if record.exists() else []
        return [line for line in lines if line.split(" ")[0] == name]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "machine").mkdir()
    return Machine(tmp_path / "machine")


# --- how it is called


def test_no_registry_is_named() -> None:
    texts = [file.read_text() for file in SCRIPTS.rglob("*.sh")]
    hosts = re.findall(r"https?://\S+|\b[\w-]+\.(?:org|com|io|net)\b", "\n".join(texts))
    assert set(hosts) <= {"docker.io"}  # Debian's name of the engine's package


def test_help_names_every_command(machine: Machine) -> None:
    told = machine.bootstrap("--help")
    assert told.returncode == 0
    for command in ("python [--dev]", "engine", "engine --stop", "image-tools"):
        assert f"\n  {command} " in told.stdout
    assert machine.bootstrap("--help", script=LAB).stdout.startswith("usage: scripts/lab.sh\n")


@pytest.mark.parametrize(
    "arguments", [[], ["engin"], ["engine", "--halt"], ["engine", "--stop", "now"], ["python", "--all"], ["lab"], ["image-tools", "x"]]
)
def test_wrong_usage_is_2_and_shows_the_usage(machine: Machine, arguments: list[str]) -> None:
    refused = machine.bootstrap(*arguments)
    assert refused.returncode == 2
    assert "usage: scripts/bootstrap.sh" in refused.stderr


def test_the_lab_takes_no_argument(machine: Machine) -> None:
    refused = machine.bootstrap("x", script=LAB)
    assert refused.returncode == 2
    assert "usage: scripts/lab.sh" in refused.stderr


# --- the engine, with stand-in commands


def test_an_engine_that_answers_is_used(machine: Machine) -> None:
    machine.engine(server="28.0.1", compose="2.35.0")
    done = machine.bootstrap("engine")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "bootstrap: the engine 28.0.1 and Docker Compose 2.35.0 are ready\n"
    assert machine.calls("apt-get") == []


@pytest.mark.parametrize(
    ("version", "good"),
    [
        *((version, True) for version in ("2.23.1", "v2.24.0", "2.26.1-4", "5.0.0")),
        *((version, False) for version in ("2.23.0", "v2.9.9", "1.29.2", "dev")),
    ],
)
def test_compose_is_compared_by_numbers(machine: Machine, version: str, good: bool) -> None:
    machine.engine(server="28.0.1", compose=version)
    machine.system("ubuntu", "24.04", "noble")
    done = machine.bootstrap("engine")
    assert done.returncode == (0 if good else 4)
    if not good:
        assert "older than 2.23.1" in done.stderr
        assert "Debian 12 and 13 only, and this is ubuntu 24.04" in done.stderr


def test_a_user_without_an_engine_is_told_what_root_does(machine: Machine) -> None:
    machine.engine()
    machine.stand_in("dockerd", "exit 1")
    refused = machine.bootstrap("engine")
    assert refused.returncode == 4
    assert f"{BOOTSTRAP} engine\n" in refused.stderr
    assert "usermod -aG docker alice" in refused.stderr
    assert "all rights of root" in refused.stderr
    assert machine.calls("apt-get") == []
    assert machine.calls("dockerd") == []


def test_a_named_engine_that_is_silent_is_not_replaced(machine: Machine) -> None:
    machine.user("root")
    machine.engine()
    machine.environment["DOCKER_HOST"] = "tcp://192.0.2.9:2376"
    failed = machine.bootstrap("engine")
    assert failed.returncode == 1
    assert "tcp://192.0.2.9:2376" in failed.stderr
    assert "Cannot connect" in failed.stderr
    assert machine.calls("apt-get") == []


MIRRORS = """
Debian|bookworm-security|main|http://mirror.test/debian-security/
|bookworm|stable|http://elsewhere.test/docker/
Other|bookworm|main|http://elsewhere.test/thing/
Debian|bookworm|main|http://mirror.test/debian/
"""


@pytest.mark.parametrize("older", ["", "2.5.0"])
def test_the_plugin_comes_from_the_machines_mirror_and_leaves_apt_alone(machine: Machine, older: str) -> None:
    machine.engine(server="20.10.24")
    plugins = machine.folder / "home/.docker/cli-plugins"
    if older:
        plugins.mkdir(parents=True)
        (plugins / "docker-compose").write_text(f"#!/bin/bash\necho {older}\n")
        (plugins / "docker-compose").chmod(0o755)
    seen = machine.folder / "sources"
    machine.stand_in(
        "apt-get",
        f"""case "$*" in
  indextargets*) printf '%s' '{MIRRORS}' ;;
  "-c "*update) cat "${{2%/*}}/sources.list" >>"{seen}"; cat "$2" >>"{seen}" ;;
  "-c "*"download docker-compose") touch docker-compose_2.26.1-4_amd64.deb ;;
  *) exit 100 ;;
esac""",
    )
    machine.stand_in(
        "dpkg",
        """folder=$3/usr/libexec/docker/cli-plugins
mkdir -p "$folder"; printf '#!/bin/bash\necho 2.26.1\n' >"$folder/docker-compose"; chmod 755 "$folder/"*""",
    )
    done = machine.bootstrap("engine")
    assert (done.returncode, done.stderr) == (0, "")
    assert "installing the plug-in docker-compose of Debian 13" in done.stdout
    private = seen.read_text()
    assert "http://mirror.test/debian/ trixie main" in private
    assert "elsewhere" not in private
    assert 'Acquire::AllowInsecureRepositories "false";' in private
    assert all(call.startswith(("apt-get indextargets", "apt-get -c ")) for call in machine.calls("apt-get"))
    kept = machine.folder / f"home/.docker/docker-compose-{older}"
    assert kept.exists() == bool(older)


def test_a_mirror_that_fails_is_told_with_the_reason(machine: Machine) -> None:
    machine.engine(server="20.10.24")
    machine.stand_in("apt-get", f"case $1 in indextargets) printf '%s' '{MIRRORS}' ;; *) echo 'E: no such mirror'; exit 100 ;; esac")
    failed = machine.bootstrap("engine")
    assert failed.returncode == 1
    assert "E: no such mirror" in failed.stderr
    assert "cannot download docker-compose of Debian 13" in failed.stderr
    assert not (machine.folder / "home/.docker").exists()


# --- packages, with stand-in commands

POLICY = "printf 'x:\\n  Installed: (none)\\n  Candidate: 1.0\\n'"


def test_packages_need_root(machine: Machine) -> None:
    refused = machine.bootstrap("image-tools")
    assert refused.returncode == 4
    assert "missing: mmdebstrap" in refused.stderr
    assert f"{BOOTSTRAP} image-tools" in refused.stderr


def test_the_tools_of_the_lab_need_root(machine: Machine) -> None:
    refused = machine.bootstrap(script=LAB)
    assert refused.returncode == 4
    assert refused.stderr.startswith("lab: missing: mmdebstrap fuse3 ")
    assert f"    {LAB}\n" in refused.stderr


def test_packages_need_debian(machine: Machine) -> None:
    machine.user("root")
    machine.system("fedora", "41", "")
    refused = machine.bootstrap("image-tools")
    assert refused.returncode == 4
    assert "this is fedora 41" in refused.stderr


@pytest.mark.parametrize("there", ["nothing", "a link"])
def test_without_a_home_nobody_else_decides_where_the_log_goes(machine: Machine, tmp_path: Path, there: str) -> None:
    machine.environment = {"HOME": "", "PORTABLE_BOOTSTRAP_STATE": "", "TMPDIR": str(tmp_path)}
    (tmp_path / "elsewhere").mkdir()
    if there == "a link":
        (tmp_path / "portable-1000").symlink_to(tmp_path / "elsewhere")
    told = machine.bootstrap("image-tools")
    refused = "portable-1000 is a link, or belongs to another user" in told.stderr
    assert (refused, told.returncode) == ((True, 1) if there == "a link" else (False, 4))
    assert not list((tmp_path / "elsewhere").iterdir())


def test_without_a_home_a_user_gets_no_plugin_in_the_root_folder(machine: Machine) -> None:
    machine.engine(server="20.10.24", compose="2.20.0")
    machine.environment = {"HOME": ""}
    failed = machine.bootstrap("engine")
    assert failed.returncode == 1
    assert "HOME is not set" in failed.stderr


@pytest.mark.parametrize(
    ("planned", "told"),
    [
        ("Inst libc6 [2.36-9] (2.37-1 Debian:12 [amd64])", "upgrade libc6 from 2.36-9 to 2.37-1"),
        ("Remv containerd.io [1.7]", "remove containerd.io"),
    ],
)
def test_what_would_change_the_machine_is_refused(machine: Machine, planned: str, told: str) -> None:
    machine.user("root")
    machine.stand_in("apt-cache", POLICY)
    machine.stand_in("apt-get", f"case $* in *' -s '*) echo '{planned}'; echo 'Inst mmdebstrap (1.0 Debian:12 [all])' ;; esac")
    refused = machine.bootstrap("image-tools")
    assert refused.returncode == 4
    assert f"  {told}\n" in refused.stderr
    assert "apt-get install --no-install-recommends mmdebstrap" in refused.stderr
    assert "installing" not in refused.stdout
    assert [call for call in machine.calls("apt-get") if "install" in call and " -s " not in call] == []
    assert len([call for call in machine.calls("apt-get") if call.endswith("update")]) == 1


def test_one_package_that_would_change_the_machine_keeps_no_other_away(machine: Machine) -> None:
    machine.user("root")
    machine.stand_in("apt-cache", POLICY)
    conflict = "case $* in *' -s '*fuse3*) echo 'Inst libfuse3-3 [3.14.0-4] (3.15 Debian:12 [amd64])' ;; esac"
    machine.stand_in("apt-get", conflict)
    refused = machine.bootstrap(script=LAB)
    assert refused.returncode == 4
    assert "not installed: fuse3, since" in refused.stderr
    assert "  upgrade libfuse3-3 from 3.14.0-4 to 3.15\n" in refused.stderr
    assert refused.stderr.rstrip().endswith("run: apt-get install --no-install-recommends fuse3")
    (installed,) = [call.split() for call in machine.calls("apt-get") if " install " in call and " -s " not in call]
    assert {"mmdebstrap", "shellcheck"} <= set(installed)
    assert "fuse3" not in installed
    said = {line.split()[2].rstrip(":") for line in refused.stdout.splitlines() if line.startswith("lab: installing ")}
    assert said == set(installed[installed.index("--no-upgrade") + 1 :])


def test_what_apt_cannot_do_is_told_with_its_reason(machine: Machine) -> None:
    machine.user("root")
    machine.stand_in("apt-cache", POLICY)
    machine.stand_in("apt-get", "case $* in *' -s '*) echo 'E: held broken packages'; exit 100 ;; esac")
    failed = machine.bootstrap("image-tools")
    assert failed.returncode == 1
    assert "E: held broken packages" in failed.stderr


# --- the Python environment

BACKEND = """
import zipfile
def build_editable(folder, settings=None, metadata=None):
    name = "demo-1-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.writestr("demo.pth", __file__.rpartition("/")[0] + "\\n")
        wheel.writestr("demo-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: demo\\nVersion: 1\\n")
        wheel.writestr("demo-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("demo-1.dist-info/RECORD", "")
    return name
"""


class Checkout:
    """A project with two lock files that needs no network: its packages are wheels in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels = folder / "wheels"
        self.wheels.mkdir(parents=True)
        shutil.copytree(SCRIPTS, folder / "scripts")
        self.script = folder / "scripts/bootstrap.sh"
        (folder / "pyproject.toml").write_text('[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n')
        (folder / "backend.py").write_text(BACKEND)
        (folder / "demo.py").write_text("")
        first, second = self._wheel("first"), self._wheel("second")
        (folder / "requirements.lock").write_text(first)
        (folder / "requirements-dev.lock").write_text(first + second)

    def _wheel(self, name: str) -> str:
        path = self.wheels / f"{name}-1-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr(f"{name}.py", "")
            wheel.writestr(f"{name}-1.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
            wheel.writestr(f"{name}-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{name}-1.dist-info/RECORD", "")
        return f"{name}==1 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"

    def has(self, *modules: str) -> bool:
        return run(str(self.folder / ".venv/bin/python"), "-c", f"import {', '.join(modules)}", check=False).returncode == 0


@pytest.fixture
def checkout(tmp_path: Path, machine: Machine) -> Checkout:
    made = Checkout(tmp_path / "checkout")
    machine.environment |= {
        "PORTABLE_PYTHON": sys.executable,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(made.wheels),
        "PIP_CONFIG_FILE": os.devnull,
    }
    return made


def test_the_environment_is_made_once_and_grows(machine: Machine, checkout: Checkout) -> None:
    def bring(*arguments: str) -> str:
        done = machine.bootstrap("python", *arguments, script=checkout.script)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert "installing the locked packages of requirements.lock" in bring()
    assert checkout.has("demo", "first")
    assert not checkout.has("second")
    assert "created .venv" not in bring("--dev")  # added to what is there
    assert checkout.has("demo", "first", "second")

    times = []
    for arguments in [[], ["--dev"]] * 5:
        start = time.monotonic()
        assert bring(*arguments) == ""
        times.append(time.monotonic() - start)
    assert min(times) < 0.05

    (checkout.folder / "requirements-dev.lock").write_text((checkout.folder / "requirements.lock").read_text())
    assert "created .venv" not in bring()  # the lock that matters here is the same
    assert "requirements-dev.lock" in bring("--dev")
    (checkout.folder / "requirements.lock").write_text("# changed\n" + (checkout.folder / "requirements.lock").read_text())
    assert "created .venv" in bring()
    assert not checkout.has("second")  # nothing stays of what was locked before


def test_a_package_with_another_digest_is_refused_and_the_next_call_tries_again(machine: Machine, checkout: Checkout) -> None:
    lock = checkout.folder / "requirements.lock"
    good = lock.read_text()
    lock.write_text(f"first==1 --hash=sha256:{'0' * 64}\n")
    failed = machine.bootstrap("python", script=checkout.script)
    assert failed.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in failed.stderr
    assert not checkout.has("first")
    lock.write_text(good)
    machine.stand_in("python3", "exit 1")  # first on the PATH, and of no use
    machine.environment["PORTABLE_PYTHON"] = str(machine.folder / "bin/python3")
    (machine.folder / "bin/python3.13").symlink_to(sys.executable)
    assert machine.bootstrap("python", script=checkout.script).returncode == 0
    assert checkout.has("demo", "first")


def test_a_missing_lock_file_is_named(machine: Machine, checkout: Checkout) -> None:
    (checkout.folder / "requirements-dev.lock").unlink()
    failed = machine.bootstrap("python", "--dev", script=checkout.script)
    assert failed.returncode == 1
    assert f"{checkout.folder}/requirements-dev.lock is missing" in failed.stderr


# --- a bare Debian, for real


@dataclass
class Story:
    """A bare Debian, what the script said to a user and to root there, and what was installed before and after."""

    host: BareDebian
    refused: subprocess.CompletedProcess[str]
    elsewhere: subprocess.CompletedProcess[str]
    brought: subprocess.CompletedProcess[str]
    before: dict[str, str]
    apt_before: str

    def answers(self) -> bool:
        return self.host.sh("docker version", check=False).returncode == 0


APT_CONFIGURATION = "find /etc/apt /usr/sbin/policy-rc.d -type f 2>/dev/null | sort | xargs sha256sum"
RELEASES = [pytest.param(release, marks=pytest.mark.xdist_group(f"bare-{release}")) for release in ("12", "13")]

# An image of a few files: no registry is asked.
IMPORT_IMAGE = """
set -e
tar -C / -ch bin/sleep bin/echo lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6 | docker import - tiny >/dev/null
"""


@pytest.fixture(scope="module", params=RELEASES)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with bare_debian(request.param, tmp_path_factory.mktemp("bare")) as host:
        before, apt = host.packages(), host.sh(APT_CONFIGURATION, check=False).stdout
        state = "PORTABLE_BOOTSTRAP_STATE=/tmp/state"
        refused = host.bootstrap("engine", user=1000, environment=state)
        host.sh("printf 'ID=arch\\n' >/tmp/os-release")
        elsewhere = host.bootstrap("engine", environment="PORTABLE_OS_RELEASE=/tmp/os-release")
        yield Story(host, refused, elsewhere, host.bootstrap("engine"), before, apt)


@pytest.mark.compose_lab
def test_a_bare_debian_gets_an_engine_that_runs_containers(story: Story) -> None:
    assert story.brought.returncode == 0, story.brought.stderr
    for line in ("installing docker.io: ", "installing iptables: ", "starting dockerd in the background: "):
        assert f"bootstrap: {line}" in story.brought.stdout
    assert story.host.sh(f"{IMPORT_IMAGE}\ndocker run --rm tiny /bin/echo it runs").stdout == "it runs\n"
    version = story.host.sh("docker compose version --short").stdout.strip().removeprefix("v")
    assert tuple(int(part) for part in re.split(r"[.-]", version)[:3]) >= (2, 23, 1)


@pytest.mark.compose_lab
def test_nothing_that_was_there_is_upgraded_and_apt_is_as_it_was(story: Story) -> None:
    after = story.host.packages()
    assert {name: after.get(name) for name in story.before} == story.before
    assert len(after) > len(story.before)
    assert story.host.sh(APT_CONFIGURATION, check=False).stdout == story.apt_before
    other = "trixie" if story.host.release == "12" else "bookworm"
    assert story.host.sh(f"ls /var/lib/apt/lists | grep -c {other}", check=False).stdout.strip() == "0"
    assert story.host.sh("ls /tmp").stdout.split() == ["os-release"]


@pytest.mark.compose_lab
def test_without_root_or_debian_it_is_refused_and_nothing_is_done(story: Story) -> None:
    assert story.refused.returncode == 4
    assert "only root can install or start one" in story.refused.stderr
    assert "/checkout/scripts/bootstrap.sh engine" in story.refused.stderr
    assert story.elsewhere.returncode == 4
    assert "this is arch of unknown version" in story.elsewhere.stderr


@pytest.mark.compose_lab
def test_a_user_who_may_not_use_the_engine_is_told_of_the_group(story: Story) -> None:
    refused = story.host.bootstrap("engine", user=1000, environment="PORTABLE_BOOTSTRAP_STATE=/tmp/state")
    assert refused.returncode == 4
    assert "usermod -aG docker 1000" in refused.stderr
    assert "all rights of root" in refused.stderr


@pytest.mark.compose_lab
def test_a_second_call_does_nothing_and_is_quick(story: Story) -> None:
    packages = story.host.packages()
    done = story.host.sh("time /checkout/scripts/bootstrap.sh engine")
    assert re.fullmatch(r"bootstrap: the engine \S+ and Docker Compose \S+ are ready\n", done.stdout)
    minutes, seconds = re.findall(r"real\s+(\d+)m([\d.]+)s", done.stderr)[0]
    assert int(minutes) * 60 + float(seconds) < 2
    assert story.host.packages() == packages


@pytest.mark.compose_lab
@pytest.mark.parametrize("killed", ["the engine alone", "all, and other processes own their numbers"])
def test_an_engine_that_was_killed_hard_comes_back(story: Story, killed: str) -> None:
    story.host.sh(f"{IMPORT_IMAGE}\ndocker run -d --name kept --restart always --stop-timeout 1 tiny /bin/sleep 1000")
    if killed == "the engine alone":
        story.host.sh("kill -9 $(cat /var/run/docker.pid)")
    else:
        pids = "/var/run/docker.pid /var/run/docker/containerd/containerd.pid"
        story.host.sh(f"for f in {pids}; do kill -9 $(cat $f); echo 1 >$f; done")
    back = story.host.bootstrap("engine")
    assert back.returncode == 0, back.stderr
    assert story.host.sh("docker inspect -f '{{.State.Running}}' kept").stdout == "true\n"
    story.host.sh("docker rm -f kept")


@pytest.mark.compose_lab
def test_stop_stops_what_this_script_started_and_nothing_else(story: Story) -> None:
    story.host.bootstrap("engine")
    stopped = story.host.bootstrap("engine --stop")
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert not story.answers()

    story.host.sh("setsid dockerd >/var/log/own.log 2>&1 </dev/null &")
    story.host.sh("for i in $(seq 100); do docker version >/dev/null 2>&1 && exit; sleep 0.1; done; exit 1")
    assert "nothing to stop" in story.host.bootstrap("engine --stop").stdout
    assert story.answers()
    story.host.sh("pid=$(cat /var/run/docker.pid); kill $pid; while [ -e /var/run/docker.pid ]; do sleep 0.1; done", timeout=60)


@pytest.mark.compose_lab
def test_an_engine_that_does_not_come_up_says_why(story: Story) -> None:
    story.host.bootstrap("engine --stop")
    story.host.sh("mkdir -p /etc/docker; echo '{\"no-such-setting\": 1}' >/etc/docker/daemon.json")
    try:
        failed = story.host.bootstrap("engine")
    finally:
        story.host.sh("rm /etc/docker/daemon.json")
    assert failed.returncode == 1
    assert "no-such-setting" in failed.stderr
    assert story.host.bootstrap("engine").returncode == 0


@pytest.mark.compose_lab
def test_a_bare_debian_gets_python_and_the_environment(story: Story, tmp_path: Path) -> None:
    made = Checkout(tmp_path / "project")
    run("docker", "cp", str(made.folder), f"{story.host.name}:/project")
    settings = "export PIP_NO_INDEX=1 PIP_FIND_LINKS=/project/wheels"
    first = story.host.sh(f"{settings}; /project/scripts/bootstrap.sh python --dev", check=False)
    assert first.returncode == 0, first.stderr
    assert "installing python3-venv: " in first.stdout
    assert story.host.sh("/project/.venv/bin/python -c 'import demo, first, second'").returncode == 0
    assert story.host.sh(f"{settings}; /project/scripts/bootstrap.sh python").stdout == ""


@pytest.mark.compose_lab
def test_a_bare_debian_gets_the_tools_of_the_tests(story: Story) -> None:
    brought = story.host.bootstrap("", script="lab.sh")
    assert brought.returncode == 0, brought.stderr
    for tool in ("mmdebstrap", "fusermount3", "ip", "iptables", "tcpdump", "kubectl", "ssh", "sshd", "shellcheck", "busybox", "smtpd"):
        assert story.host.sh(f"PATH=$PATH:/usr/sbin command -v {tool}").stdout
    assert story.host.sh("cat /proc/[0-9]*/comm | grep -c '^sshd$'", check=False).stdout == "0\n"
    assert story.host.bootstrap("", script="lab.sh").stdout == "lab: nothing to install\n"
    assert story.host.bootstrap("image-tools").stdout == "bootstrap: nothing to install\n"
