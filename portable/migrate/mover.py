"""rsync, the mover: its options, each with its reason, and its errors by name."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from portable.migrate.facts import LABELS
from portable.migrate.personality import Personality
from portable.model.base import Struct
from portable.model.errors import EngineError, PortableError

_OLDEST = (3, 5, 0)
"""Closed 33 security issues, several about links planted by whoever owns the data: an app's folder is such data (facts/moving-data.md)."""
_PARTIAL = (23, 24)
"""Some entries were not copied completely, or vanished (rsync(1)). The proof names them."""
_SHOWN = 20
_PATTERNS = "patterns"
_BASE = (
    "--recursive",
    "--numeric-ids",  # the two places have other names for a number
    "--delete",  # the staged tree has what the source has: entries that vanished since the last round, and leftovers of a killed rsync, go
    # Not --delete-excluded: rsync's receiver then does not get the rules for attributes, and removes ACLs in the second run.
    "--modify-window=-1",  # compare times to the nanosecond: the default compares seconds, and misses a second write
    "--whole-file",  # both folders are on this machine, so reading the old file to save transfer costs more than it saves
    "--no-inplace",  # a killed run must not leave wrong bytes under a final name (facts/moving-data.md, Interrupted copies)
    "--no-partial",  # as above
    "--stats",
    "--from0",  # names may contain line ends
)


class MoverResult(Struct, frozen=True, kw_only=True):
    """What one run of rsync did."""

    files: int
    """Files that were transferred."""
    bytes: int
    is_complete: bool
    """rsync reported no entry that it could not copy."""
    messages: tuple[str, ...] = ()


def options(personality: Personality, *, checksum: bool = False) -> list[str]:
    """The options for a target. What the target cannot keep is not asked for: rsync would report each entry as failed."""
    chosen = list(_BASE)
    if personality.symlinks:
        chosen.append("--links")
    if personality.hard_links:
        chosen.append("--hard-links")
    if personality.owner == "kept":
        chosen += ["--owner", "--group"]
    if personality.mode == "kept":
        chosen.append("--perms")
    chosen.append("--times")
    if not personality.link_times:
        chosen.append("--omit-link-times")
    if personality.sparse:
        chosen.append("--sparse")
    if personality.keeps_acls:
        chosen.append("--acls")
    chosen.append("--xattrs")
    chosen += [f"--filter={rule}" for rule in _attribute_rules(personality)]
    if personality.fifos or personality.sockets:
        chosen.append("--specials")
    if personality.devices:
        chosen.append("--devices")
    if os.geteuid() == 0:
        chosen.append("--open-noatime")  # the source stays as it is, access times included; only root may for all files (open(2))
    if checksum:
        chosen += ["--checksum", "--ignore-times"]  # equal size and time do not mean equal content (facts/moving-data.md)
    return chosen


def _attribute_rules(personality: Personality) -> list[str]:
    """Rules for names of extended attributes. With any such rule, rsync drops its own, so they are repeated here (rsync(1), `--xattrs`)."""
    lost = [f"-x {space if '.' in space else f'{space}.*'}" for space in personality.lost_attributes]
    if os.geteuid() != 0:
        return [*lost, "+x user.*", "-x *"]
    # Labels belong to the host's policy, not to the data. `system.*` is made by the file system; ACLs have an option of their own.
    return [*lost, *(f"-x {label}" for label in LABELS), "-x system.*"]


def pattern(path: bytes) -> bytes:
    """An anchored pattern that matches one path. Only a pattern with a wildcard gives a backslash a meaning (rsync(1))."""
    if re.search(rb"[*?\[]", path):
        path = re.sub(rb"([*?\[\]\\])", rb"\\\1", path)
    return b"/" + path


def check_version() -> None:
    """Raise EngineError if rsync is absent, or older than the version that closed known holes."""
    if shutil.which("rsync") is None:
        raise EngineError("rsync is not installed", code="migrate.mover-absent", remedy="install it: `apt-get install rsync`")
    done = subprocess.run(["rsync", "--version"], capture_output=True, text=True, check=False, env=_environment("/nonexistent"))
    match = re.search(r"version v?(\d+)\.(\d+)\.(\d+)", done.stdout)
    version = tuple(int(part) for part in match.groups()) if match else ()
    if version < _OLDEST:
        found, oldest = ".".join(map(str, version)) or "unknown", ".".join(map(str, _OLDEST))
        text = f"rsync {found} is too old: a file in the source could lead it out of its folder"
        raise EngineError(text, code="migrate.mover-old", remedy=f"install rsync {oldest} or newer")


def copy(
    source: int,
    target: int,
    personality: Personality,
    *,
    excluded: Iterable[bytes] = (),
    work: Path,
    lock: int,
    checksum: bool = False,
) -> MoverResult:
    """Make the open folder `target` like the open folder `source`. Writes nothing else but a list of patterns in `work`.

    `lock` stays locked until rsync ends, even if this process is killed. Raises PortableError if rsync fails as a whole.
    """
    patterns = work / _PATTERNS
    patterns.write_bytes(b"".join(pattern(path) + b"\0" for path in excluded))
    try:
        # Both folders are named by descriptors that this process holds open, so nobody can put a link or another mount in their place.
        command = ["rsync", *options(personality, checksum=checksum), f"--exclude-from={patterns}"]
        command += ["--", f"/proc/self/fd/{source}/", f"/proc/self/fd/{target}/"]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            pass_fds=(source, target, lock),
            env=_environment(str(work)),
        )
    finally:
        patterns.unlink()
    messages = [line for line in done.stderr.decode(errors="replace").splitlines() if line]
    if done.returncode not in (0, *_PARTIAL):
        text = f"rsync failed ({done.returncode}): {'; '.join(messages[:3])}"
        raise PortableError(text, code="migrate.mover", remedy="remove the cause, then run the same command with --resume")
    stats = done.stdout.decode(errors="replace")
    return MoverResult(
        files=_number(stats, "Number of regular files transferred"),
        bytes=_number(stats, "Total transferred file size"),
        is_complete=done.returncode == 0,
        messages=tuple(messages[:_SHOWN]),
    )


def _number(stats: str, title: str) -> int:
    match = re.search(rf"^{title}: ([\d,]+)", stats, re.MULTILINE)
    return int(match[1].replace(",", "")) if match else 0


def _environment(home: str) -> dict[str, str]:
    """The environment of rsync: no variable and no file of aliases (`~/.popt`) of the person changes what it does."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "HOME": home}
