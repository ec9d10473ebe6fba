"""Files and secrets of a service. What they hold is in the project, or comes by the environment of whoever applies it, so that it reaches a
remote engine too: no path of the client is ever bound, and no secret's value is ever written.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import msgspec

from portable.backends.common import Index, Placed, note, refuse
from portable.backends.compose.jobs import mounted_script
from portable.backends.compose.names import key_secret
from portable.backends.compose.part import Part
from portable.formats.emit import Interpolated
from portable.model.findings import Finding
from portable.model.plan import File, SecretRef, Text, called
from portable.model.variables import secret_variable

_COMPOSES_OWN_MODE = 0o444


def environment(placed: Placed) -> Part:
    """The container's own variables; a secret is filled in by Compose, from the environment of whoever applies the project."""
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
    return Part({"environment": values}, tuple(findings))


def interpolated(value: Text) -> str:
    """A text as it stands in the project: a secret is a reference that Compose fills in, and an error where it is missing."""
    if isinstance(value, str):
        return value
    variable = secret_variable(value.name, value.key)
    return Interpolated(f"${{{variable}:-}}" if value.optional else f"${{{variable}:?the secret is not set}}")


def mounted(file: File, target: str, mode: int = _COMPOSES_OWN_MODE) -> Part:
    """A file as a service sees it."""
    return Part({"secrets" if file.is_secret else "configs": [{"source": file.id, "target": target, **_mode(mode)}]})


def _mode(mode: int) -> dict[str, int]:
    """What the owner may read or run, all may: the copy is root's. Given an owner, Compose lets the engine look the service's user up,
    and 20.10 finds no number. Compose's own 0444 is left out: 2.26 warns of any mode, then heeds it. A number: the text "0440" is
    read as decimal.
    """
    mode |= (mode & 0o500) >> 3 | (mode & 0o500) >> 6
    return {} if mode == _COMPOSES_OWN_MODE else {"mode": mode}


def files(placed: Placed, index: Index) -> list[Part]:
    """The files of a container that are no seeds, with the digest that recreates it when one changes."""
    parts, seen = [], []
    if (waits := mounted_script(placed)) is not None:
        parts.append(mounted(*waits))
        seen.append(waits[0])
    for mount in placed.container.files:
        file = index.files.get(mount.file)
        path = f"{placed.path}.files.{mount.file}@{mount.path}"
        if file is None:
            text, remedy = f"File {mount.file!r} does not exist.", "declare the file, or correct its name"
            parts.append(Part({}, (refuse("files", path, "function", text, remedy, code="config.file-unknown", app=placed.about),)))
        elif not mount.seed:
            parts.append(mounted(file, mount.path, file.mode))
            seen.append(file)
    return [*parts, digest(seen)]


def secrets(placed: Placed) -> Part:
    """The keys of mounted secrets, a file each."""
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
    return Part({"secrets": entries}, tuple(findings))


def digest(used: Iterable[File]) -> Part:
    """The label that changes when a file does: Compose compares only names. Of a secret file it covers the text around the secrets."""
    content = [(file.id, msgspec.to_builtins(file.body)) for file in used]
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
    """Files that no container has, and that modes are wider than the plan says."""
    findings = [
        note("files", f"files.{file.id}", "cosmetic", f"No container uses file {file.id}.", code="config.file-unused")
        for file in index.plan.files
        if file.id not in used
    ]
    if index.plan.files:
        text = "Compose gives files to root: every process of the container gets the read and execute permissions of the owner."
        findings.append(note("files.mode", "files.*.mode", "cosmetic", text, code="security.file-mode"))
    return tuple(findings)
