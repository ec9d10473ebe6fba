"""Files and secrets of a service. What they hold is in the project, or comes by the environment of whoever applies it, so that it reaches a
remote engine too: no path of the client is ever bound, and no secret's value is ever written.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from portable.backends.common import Index, Placed, note, refuse
from portable.backends.compose.names import key_secret, secret_variable
from portable.backends.compose.part import Part
from portable.formats.emit import Interpolated
from portable.model.findings import Finding
from portable.model.plan import File, SecretRef, Text


def environment(placed: Placed) -> Part:
    """The container's own variables; a secret is filled in by Compose, from the environment of whoever applies the project."""
    values: dict[str, str] = {}
    findings: list[Finding] = []
    for name, value in placed.container.env.items():
        values[name] = interpolated(value)
        if isinstance(value, SecretRef):
            text = f"{name} is a secret, and a variable is shown by `docker inspect` to whoever may use the engine."
            remedy = "mount it as a file, where the image reads one"
            findings.append(note("containers.env.secret", f"{placed.path}.env.{name}", "security", text, remedy, app=placed.about))
    return Part({"environment": values}, tuple(findings))


def interpolated(value: Text) -> str:
    """A text as it stands in the project: a secret is a reference that Compose fills in, and an error where it is missing."""
    if isinstance(value, str):
        return value
    variable = secret_variable(value.name, value.key)
    return Interpolated(f"${{{variable}:-}}" if value.optional else f"${{{variable}:?the secret is not set}}")


def mounted(file: File, target: str, *, uid: int, gid: int, mode: int) -> Part:
    """A file as a service sees it. The mode is a number: Compose reads the text "0440" as decimal up to 2.26."""
    kind = "secrets" if file.is_secret else "configs"
    return Part({kind: [{"source": file.id, "target": target, "uid": str(uid), "gid": str(gid), "mode": mode}]})


def files(placed: Placed, index: Index) -> list[Part]:
    """The files of a container that are no seeds, with the digest that recreates it when one changes."""
    who, parts, seen = placed.container.identity, [], []
    for mount in placed.container.files:
        file = index.files.get(mount.file)
        path = f"{placed.path}.files.{mount.file}@{mount.path}"
        if file is None:
            text = f"There is no file {mount.file!r}."
            parts.append(Part({}, (refuse("files", f"{path}.file", "function", text, "declare the file", app=placed.about),)))
        elif not mount.seed:
            parts.append(mounted(file, mount.path, uid=who.uid, gid=who.gid, mode=file.mode))
            seen.append(file)
    return [*parts, digest(seen)]


def secrets(placed: Placed) -> Part:
    """The keys of mounted secrets, a file each, readable by the container's user alone."""
    who = placed.container.identity
    entries: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for mount in placed.container.secrets:
        for key in mount.keys:
            target = f"{mount.path.rstrip('/')}/{key}"
            entries.append(
                {"source": key_secret(mount.secret, key), "target": target, "uid": str(who.uid), "gid": str(who.gid), "mode": 0o400}
            )
        if mount.optional:
            text = "Where the secret is missing, its files are there, and empty."
            path = f"{placed.path}.secrets.{mount.secret}.optional"
            findings.append(note("containers.secrets.optional", path, "function", text, "set the secret", app=placed.about))
    return Part({"secrets": entries}, tuple(findings))


def digest(used: Iterable[File]) -> Part:
    """The label that changes when a file does: Compose compares only names. Of a secret file it covers the text around the secrets."""
    content = [(file.id, [part if isinstance(part, str) else [part.name, part.key, part.optional] for part in file.body]) for file in used]
    if not content:
        return Part({})
    text = json.dumps(sorted(content, key=lambda item: item[0]), separators=(",", ":"))
    return Part({"labels": {"portable.digest": hashlib.sha256(text.encode()).hexdigest()}})


def declared(index: Index, used: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The project's configs and secrets: the files that some service uses, and the keys that some service mounts."""
    configs: dict[str, Any] = {}
    by_reference: dict[str, Any] = {}
    for name in used:
        file = index.files[name]
        if file.is_secret:
            by_reference[file.id] = {"environment": secret_variable(file.id)}
        else:
            configs[file.id] = {"content": "".join(str(part) for part in file.body)}
    return configs, by_reference


def file_findings(index: Index, used: frozenset[str]) -> tuple[Finding, ...]:
    """Files that no container has."""
    return tuple(note("files", f"files.{file.id}", "cosmetic", "No container has it.") for file in index.plan.files if file.id not in used)
