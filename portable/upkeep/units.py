"""The systemd service of the healer, and the services and timers of upkeep: their texts, and how to install them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from portable.model.base import Struct
from portable.model.errors import PortableError, Refused

_UNITS = Path("/etc/systemd/system")
_RUNNING = Path("/run/systemd/system")
"""Exists if systemd runs the machine (sd_booted(3))."""
_INHERITED_VARIABLES = (
    *("DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST", "DOCKER_TLS_VERIFY"),
    *("HOME", "KUBECONFIG", "PATH", "PYTHONPATH", "XDG_CONFIG_HOME", "XDG_STATE_HOME"),
)
"""With these the service uses the same engine, secrets and state as the person who installs it."""


class Interval(Struct, frozen=True, kw_only=True):
    """How often a timer runs."""

    calendar: str
    """The expression of systemd.time(7)."""
    delay: str
    """The longest random delay, so that not all machines ask at once."""
    about: str


MONTHLY = Interval(calendar="monthly", delay="6h", about="upkeep, once a month")
HOURLY = Interval(calendar="hourly", delay="5min", about="the page, every hour")


def name_of(project: str) -> str:
    """The name of a project's healer service."""
    return f"portable-heal-{project}.service"


def timer_of(project: str) -> str:
    """The name of a project's upkeep timer; its service has the same name with another suffix."""
    return f"portable-upkeep-{project}.timer"


def text_of(project: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Make the healer's unit. `arguments` are those of `portable`; `folder` is the working folder, which finds `portable.yaml`."""
    return f"""\
# Written by `portable heal --install`; `portable heal --uninstall` removes it.
[Unit]
Description=portable: heals {project}
After=docker.service network-online.target
Wants=network-online.target

[Service]
{_command(arguments, folder, environment)}Restart=always
SuccessExitStatus=130
RestartSec=10
{_SANDBOX}
[Install]
WantedBy=multi-user.target
"""


def page_timer_of(project: str) -> str:
    """The name of the timer that has a project's page written."""
    return f"portable-page-{project}.timer"


def timed_of(
    timer: str, when: Interval, project: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> dict[str, str]:
    """Make a timer and its service, by name. A run missed while the machine was off happens after its next boot."""
    head = "# Written by `portable upkeep --install`; `portable upkeep --uninstall` removes it.\n[Unit]\n"
    return {
        timer.replace(".timer", ".service"): f"""\
{head}Description=portable: {when.about}, of {project}
After=docker.service network-online.target
Wants=network-online.target

[Service]
Type=oneshot
{_command(arguments, folder, environment)}{_SANDBOX}""",
        timer: f"""\
{head}Description=portable: {when.about}, of {project}

[Timer]
OnCalendar={when.calendar}
RandomizedDelaySec={when.delay}
Persistent=yes

[Install]
WantedBy=timers.target
""",
    }


_SANDBOX = """\
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full
UMask=0077
"""


def _command(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Make the lines with command and folder. Python imports nothing from that folder (`-P`), which others may be able to write."""
    variables = "".join(f"Environment={_quoted(f'{name}={environment[name]}')}\n" for name in _INHERITED_VARIABLES if environment.get(name))
    command = " ".join(_quoted(part) for part in (sys.executable, "-P", "-m", "portable", *arguments))
    return f"ExecStart={command}\nWorkingDirectory={_escaped(str(folder))}\n{variables}"


def is_installed(project: str) -> bool | None:
    """Whether the healer's unit is installed; None if this machine does not run systemd."""
    return (_UNITS / name_of(project)).exists() if _RUNNING.is_dir() else None


def install(project: str, text: str) -> Path:
    """Install the healer's unit and start it. Raises Refused without systemd, and for users other than root."""
    return _install({name_of(project): text}, name_of(project), instead="`portable heal --watch` with the same options")


def install_timed(timer: str, texts: Mapping[str, str]) -> Path:
    """Install the units of `timed_of` and start the timer. Raises as `install` does."""
    return _install(texts, timer, instead="`portable upkeep` with the same task, at its times")


def uninstall(project: str) -> bool:
    """Stop and remove the healer's unit; False if there was none."""
    return _remove(name_of(project), instead="`portable heal --watch` with the same options")


def uninstall_timed(timer: str) -> bool:
    """Remove a timer and its service; False if there were none. A running task is not stopped."""
    return _remove(timer, instead="`portable upkeep`")


def _install(texts: Mapping[str, str], started: str, *, instead: str) -> Path:
    _require_systemd(instead)
    for name, text in texts.items():
        new = _UNITS / f".{name}.new"
        new.write_text(text)
        new.chmod(0o644)
        new.replace(_UNITS / name)
    _systemctl("daemon-reload")
    _systemctl("enable", started)
    _systemctl("restart", started)
    return _UNITS / started


def _remove(started: str, *, instead: str) -> bool:
    _require_systemd(instead)
    path = _UNITS / started
    existing = [unit for unit in (path, path.with_suffix(".service")) if unit.exists()]  # one of the two if an earlier command was killed
    if path in existing:
        _systemctl("disable", "--now", started)
    for unit in existing:
        unit.unlink(missing_ok=True)
    _systemctl("daemon-reload")
    return bool(existing)


def _require_systemd(instead: str) -> None:
    if not _RUNNING.is_dir() or shutil.which("systemctl") is None:
        raise Refused(
            "this machine does not run systemd, so no service can be installed or removed",
            code="unit.no-systemd",
            where=str(_RUNNING),
            remedy=f"let this machine's service manager run {instead}",
        )
    if os.geteuid() != 0:
        remedy = f"run the same command as root, or run {instead} yourself"
        raise Refused("only root can install or remove a service", code="unit.needs-root", where=str(_UNITS), remedy=remedy)


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        text = f"`systemctl {' '.join(arguments)}` failed: {done.stderr.strip() or done.returncode}"
        raise PortableError(text, code="unit.systemctl", remedy=f"see the log: `journalctl -u {arguments[-1]}`")


def _escaped(text: str) -> str:
    """Escape percent signs, which are specifiers in units (systemd.unit(5))."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """Quote one word of a unit's line (systemd.syntax(7)): `$` would be a variable, a backslash an escape."""
    inner = _escaped(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{inner}"' if any(c in text for c in " \t\"'\\;#") or not text else inner
