"""The healer as a service of systemd, and upkeep as one with a timer: their texts, and putting them on this machine."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from portable.model.errors import PortableError, Refused

_UNITS = Path("/etc/systemd/system")
_RUNNING = Path("/run/systemd/system")
"""There where systemd is what runs the machine (sd_booted(3))."""
_HANDED_ON = (
    *("DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST", "DOCKER_TLS_VERIFY"),
    *("HOME", "PATH", "PYTHONPATH", "XDG_CONFIG_HOME", "XDG_STATE_HOME"),
)
"""By these it finds the same engine, secrets and state as who installs it."""


def name_of(project: str) -> str:
    """The unit of a project."""
    return f"portable-heal-{project}.service"


def timer_of(project: str) -> str:
    """The timer of a project's upkeep; its service has the same name, but for the ending."""
    return f"portable-upkeep-{project}.timer"


def text_of(project: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """The unit; `arguments` are those of `portable`, `folder` is where `portable.yaml` is looked for."""
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
{_KEPT_IN}
[Install]
WantedBy=multi-user.target
"""


def timed_of(project: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The units, by name, of what is done once a month; what was missed while the machine was off is done after its next start."""
    head = "# Written by `portable upkeep --install`; `portable upkeep --uninstall` removes it.\n[Unit]\n"
    timer = timer_of(project)
    return {
        timer.replace(".timer", ".service"): f"""\
{head}Description=portable: upkeep of {project}
After=docker.service network-online.target
Wants=network-online.target

[Service]
Type=oneshot
{_command(arguments, folder, environment)}{_KEPT_IN}""",
        timer: f"""\
{head}Description=portable: upkeep of {project}, once a month

[Timer]
OnCalendar=monthly
RandomizedDelaySec=6h
Persistent=yes

[Install]
WantedBy=timers.target
""",
    }


_KEPT_IN = """\
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full
UMask=0077
"""


def _command(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """The lines of a service that say what runs, and where; nothing is imported from there (`-P`), since that may be anybody's folder."""
    handed = "".join(f"Environment={_quoted(f'{name}={environment[name]}')}\n" for name in _HANDED_ON if environment.get(name))
    command = " ".join(_quoted(part) for part in (sys.executable, "-P", "-m", "portable", *arguments))
    return f"ExecStart={command}\nWorkingDirectory={_escaped(str(folder))}\n{handed}"


def is_installed(project: str) -> bool | None:
    """Whether the unit is there; None where nothing here runs units."""
    return (_UNITS / name_of(project)).exists() if _RUNNING.is_dir() else None


def install(project: str, text: str) -> Path:
    """Put the unit in its place and start it. Raises Refused where nothing here runs units, or this user may not."""
    return _put({name_of(project): text}, name_of(project), instead="`portable heal --watch` with the same options")


def install_timed(project: str, texts: Mapping[str, str]) -> Path:
    """The same with the units of `timed_of`; the timer is what is started."""
    return _put(texts, timer_of(project), instead="`portable upkeep --task scrub` once a month")


def uninstall(project: str) -> bool:
    """Stop it and take it away; False where there was none."""
    return _take(name_of(project), instead="`portable heal --watch` with the same options")


def uninstall_timed(project: str) -> bool:
    """The same with the timer and its service; what runs is not ended."""
    return _take(timer_of(project), instead="`portable upkeep`")


def _put(texts: Mapping[str, str], started: str, *, instead: str) -> Path:
    _check(instead)
    for name, text in texts.items():
        new = _UNITS / f".{name}.new"
        new.write_text(text)
        new.chmod(0o644)
        new.replace(_UNITS / name)
    _systemctl("daemon-reload")
    _systemctl("enable", started)
    _systemctl("restart", started)
    return _UNITS / started


def _take(started: str, *, instead: str) -> bool:
    _check(instead)
    path = _UNITS / started
    there = [one for one in (path, path.with_suffix(".service")) if one.exists()]  # one of the two where an earlier command was killed
    if path in there:
        _systemctl("disable", "--now", started)
    for one in there:
        one.unlink(missing_ok=True)
    _systemctl("daemon-reload")
    return bool(there)


def _check(instead: str) -> None:
    if not _RUNNING.is_dir() or shutil.which("systemctl") is None:
        raise Refused(
            "systemd does not run this machine, so there is nothing to install into",
            where=str(_RUNNING),
            remedy=f"let what starts services here run {instead}",
        )
    if os.geteuid() != 0:
        raise Refused("only root may install a service", where=str(_UNITS), remedy=f"run it as root, or run {instead} yourself")


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise PortableError(
            f"systemctl {' '.join(arguments)} failed: {done.stderr.strip() or done.returncode}", remedy=f"`journalctl -u {arguments[-1]}`"
        )


def _escaped(text: str) -> str:
    """Percent signs are specifiers in units (systemd.unit(5))."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """One word of a unit's line (systemd.syntax(7)): `$` would be a variable, a backslash an escape."""
    inner = _escaped(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{inner}"' if any(c in text for c in " \t\"'\\;#") or not text else inner
