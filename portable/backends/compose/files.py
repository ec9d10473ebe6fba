"""Files and secrets of a service.

Their content is part of the project, or comes from the environment of the person who applies it, so that remote engines get it too.
No path of the client is ever bound, and no value of a secret is ever written.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import msgspec

from portable.backends.common import Index, PlacedContainer, note, refuse
from portable.backends.compose.jobs import mounted_script
from portable.backends.compose.names import key_secret
from portable.backends.compose.part import ServicePart
from portable.formats.emit import Interpolated
from portable.model.findings import Finding
from portable.model.plan import File
from portable.model.secret_refs import SecretRef, Text, called
from portable.model.variables import secret_variable

DIGEST = "portable.digest"
"""The label that changes with the text of a service's files."""
_COMPOSES_OWN_MODE = 0o444


def environment(placed: PlacedContainer) -> ServicePart:
    """Return the container's variables. Compose fills in secrets from the environment of the person who applies the project."""
    values: dict[str, str] = {}
    findings: list[Finding] = []
    for name, value in placed.container.env.items():
        values[name] = interpolated(value)
        if isinstance(value, SecretRef):
            text = f"Variable {name} holds a secret: everyone with access to the engine can read it with `docker inspect`."
            remedy, path = "mount the secret as a file, if the image can read one", f"{placed.path}.env.{name}"
            if value.form != "plain":
                form = f"Variable {name} needs the secret in the form {value.form}; Compose passes on only the plain value."
                findings.append(
                    refuse(
                        "containers.env.secret",
                        f"{path}.form",
                        "function",
                        form,
                        "mount the secret as a file",
                        code="security.secret-form",
                        app=placed.about,
                    )
                )
            findings.append(
                note("containers.env.secret", path, "security", text, remedy, code="security.secret-variable", app=placed.about)
            )
    return ServicePart({"environment": values}, tuple(findings))


def interpolated(value: Text) -> str:
    """Return a text as the project contains it: a secret becomes a reference that Compose fills in; a missing one is an error."""
    if isinstance(value, str):
        return value
    variable = secret_variable(value.name, value.key)
    return Interpolated(f"${{{variable}:-}}" if value.optional else f"${{{variable}:?the secret is not set}}")


def mounted(file: File, target: str, mode: int = _COMPOSES_OWN_MODE) -> ServicePart:
    """Return the mount of a file in a service."""
    return ServicePart({"secrets" if file.is_secret else "configs": [{"source": file.id, "target": target, **_mode(mode)}]})


def _mode(mode: int) -> dict[str, int]:
    """Return the key `mode`, with the owner's read and execute permissions for everyone, because root owns the copy.

    With an owner set, Compose makes the engine look up the service's user, and Docker 20.10 cannot look up a number. Compose's default
    0444 is omitted: 2.26 warns about any mode, and then applies it. The value is a number: the text "0440" is read as decimal.
    """
    mode |= (mode & 0o500) >> 3 | (mode & 0o500) >> 6
    return {} if mode == _COMPOSES_OWN_MODE else {"mode": mode}


def files(placed: PlacedContainer, index: Index) -> list[ServicePart]:
    """Return the files of a container except seeds, with the digest that recreates the container when a file changes."""
    parts, seen = [], []
    if (waits := mounted_script(placed)) is not None:
        parts.append(mounted(*waits))
        seen.append(waits[0])
    for mount in placed.container.files:
        file = index.files.get(mount.file)
        path = f"{placed.path}.files.{mount.file}@{mount.path}"
        if file is None:
            text, remedy = f"File {mount.file!r} does not exist.", "declare the file, or correct its name"
            parts.append(ServicePart({}, (refuse("files", path, "function", text, remedy, code="config.file-unknown", app=placed.about),)))
        elif not mount.seed:
            parts.append(mounted(file, mount.path, file.mode))
            seen.append(file)
    return [*parts, digest(seen)]


def secrets(placed: PlacedContainer) -> ServicePart:
    """Return the mounted secrets: one file for each key."""
    entries: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for mount in placed.container.secrets:
        entries += [{"source": key_secret(mount.secret, key), "target": f"{mount.path.rstrip('/')}/{key}"} for key in mount.keys]
        if mount.optional:
            text = f"If the optional secret {mount.secret} is not set, Compose mounts empty files instead of none."
            path = f"{placed.path}.secrets.{mount.secret}.optional"
            remedy = f"set it: {', '.join(f'`portable secrets set {called(mount.secret, key)}`' for key in mount.keys)}"
            findings.append(
                note("containers.secrets.optional", path, "function", text, remedy, code="compose.optional-secret", app=placed.about)
            )
    return ServicePart({"secrets": entries}, tuple(findings))


def digest(used: Iterable[File]) -> ServicePart:
    """Return the label that changes with the files: Compose compares only their names.

    For a file with secrets, the digest covers the text around them.
    """
    content = [(file.id, msgspec.to_builtins(file.body)) for file in used]
    if not content:
        return ServicePart({})
    text = json.dumps(sorted(content, key=lambda item: item[0]), separators=(",", ":"))
    return ServicePart({"labels": {DIGEST: hashlib.sha256(text.encode()).hexdigest()}})


def declared(index: Index, used: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the project's configs and secrets: the files that some service uses."""
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
    """Return findings on files that no container uses, and on modes that are wider than in the plan."""
    findings = [
        note("files", f"files.{file.id}", "cosmetic", f"No container uses file {file.id}.", code="config.file-unused")
        for file in index.plan.files
        if file.id not in used
    ]
    if index.plan.files:
        text = "Compose gives files to root: every process of the container gets the read and execute permissions of the owner."
        findings.append(note("files.mode", "files.*.mode", "cosmetic", text, code="security.file-mode"))
    return tuple(findings)
