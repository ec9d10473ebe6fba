"""The healer as a service of systemd: its text, and putting it on this machine."""

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


def text_of(project: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """The unit; `arguments` are those of `portable`, `folder` is where `portable.yaml` is looked for."""
    handed = "".join(f"Environment={_quoted(f'{name}={environment[name]}')}\n" for name in _HANDED_ON if environment.get(name))
    command = " ".join(_quoted(part) for part in (sys.executable, "-m", "portable", *arguments))
    return f"""\
# Written by `portable heal --install`; `portable heal --uninstall` removes it.
[Unit]
Description=portable: heals {project}
After=docker.service network-online.target
Wants=network-online.target

[Service]
ExecStart={command}
WorkingDirectory={_escaped(str(folder))}
{handed}Restart=always
SuccessExitStatus=130
RestartSec=10
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full
UMask=0077

[Install]
WantedBy=multi-user.target
"""


def is_installed(project: str) -> bool | None:
    """Whether the unit is there; None where nothing here runs units."""
    return (_UNITS / name_of(project)).exists() if _RUNNING.is_dir() else None


def install(project: str, text: str) -> Path:
    """Put the unit in its place and start it. Raises Refused where nothing here runs units, or this user may not."""
    _check()
    path = _UNITS / name_of(project)
    path.write_text(text)
    path.chmod(0o644)
    _systemctl("daemon-reload")
    _systemctl("enable", path.name)
    _systemctl("restart", path.name)
    return path


def uninstall(project: str) -> bool:
    """Stop it and take it away; False where there was none."""
    _check()
    path = _UNITS / name_of(project)
    if not path.exists():
        return False
    _systemctl("disable", "--now", path.name)
    path.unlink()
    _systemctl("daemon-reload")
    return True


def _check() -> None:
    if not _RUNNING.is_dir() or shutil.which("systemctl") is None:
        raise Refused(
            "systemd does not run this machine, so there is nothing to install into",
            where=str(_RUNNING),
            remedy="let what starts services here run `portable heal --watch`",
        )
    if os.geteuid() != 0:
        raise Refused(
            "only root may install a service", where=str(_UNITS), remedy="run it as root, or run `portable heal --watch` yourself"
        )


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
