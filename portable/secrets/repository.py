"""Encrypted Secrets in a folder of a repository: written once, and again only where a value or the key changed."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from portable.backends.kubernetes.gitops import kept_annotations
from portable.formats.emit import dump
from portable.local.files import translated, write_atomically, write_private
from portable.model.base import Struct
from portable.model.errors import Refused
from portable.model.gitops import GitOps
from portable.secrets.digests import digest
from portable.secrets.sops import encrypted_with_sops, sealed

HEAD: Final = "# Encrypted by `portable secrets write`: change the value at its source, not this file.\n"
KUSTOMIZATION: Final = "kustomization.yaml"
_PLAIN: Final = re.compile(r"^kind: *Secret *$", re.MULTILINE)
_FIRST: Final = ("apiVersion", "kind", "metadata", "name", "namespace")
Recipients = tuple[str, ...] | Path
"""Public keys of age for SOPS, or the certificate of Sealed Secrets."""


class EncryptedFile(Struct, frozen=True, kw_only=True):
    """What is known of a file that was written, so that it is not written again: encryption gives another text each time."""

    values: str
    """A salted digest of the Secret and of whom it is encrypted for."""
    content: str
    """A digest of the file."""


def write_encrypted(
    secrets: Mapping[str, Mapping[str, Any]], recipients: Recipients, folder: Path, *, gitops: GitOps | None, record: Path
) -> tuple[list[Path], list[Path]]:
    """Write a file for each Secret, and their kustomization. Returns the changed files, and those of Secrets that are no longer needed.

    `record` is a private file of this machine, outside the repository. Raises PortableError, before the first file is written.
    """
    known = _read(record)
    texts: dict[Path, str] = {}
    states: dict[str, EncryptedFile] = {}
    for name, body in sorted(secrets.items()):
        path = (folder / f"{name}.yaml").resolve()
        marked = _marked(body, recipients, gitops)
        old = known.get(str(path))
        values = digest(
            {"object": msgspec.json.encode(marked, order="sorted").decode(), "for": _described(recipients), "by": repr(gitops)},
            _values(old),
        )
        if old is not None and old.values == values and path.is_file() and _hash(path.read_text(errors="replace")) == old.content:
            states[str(path)] = old
            continue
        texts[path] = HEAD + _encrypted(marked, recipients, gitops)
        states[str(path)] = EncryptedFile(values=values, content=_hash(texts[path]))
    kustomization = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    names = [f"{name}.yaml" for name in sorted(secrets)]
    listed = HEAD + dump({**kustomization, "resources": names}, first=_FIRST)
    path = (folder / KUSTOMIZATION).resolve()
    if not path.is_file() or path.read_text(errors="replace") != listed:
        texts[path] = listed
    _refuse_plain(folder, texts)
    with translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            write_atomically(path, text)
    if texts:
        record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(record, msgspec.json.encode(known | states).decode())
    return list(texts), [path for path in sorted(folder.glob("*.yaml")) if path.name not in (*names, KUSTOMIZATION) and _is_ours(path)]


def _marked(body: Mapping[str, Any], recipients: Recipients, gitops: GitOps | None) -> dict[str, Any]:
    """The Secret with the label of the tool that makes it, and with the annotations by which a controller keeps it."""
    tool = "sealed-secrets" if isinstance(recipients, Path) else "sops"
    metadata = {**body["metadata"], "labels": {**body["metadata"]["labels"], "app.kubernetes.io/managed-by": tool}}
    if gitops is not None and not isinstance(recipients, Path):
        metadata["annotations"] = dict(kept_annotations(gitops, "Secret"))
    return {**body, "metadata": metadata}


def _encrypted(body: Mapping[str, Any], recipients: Recipients, gitops: GitOps | None) -> str:
    if not isinstance(recipients, Path):
        return encrypted_with_sops(body, recipients)
    found = sealed(body, recipients)
    found["metadata"]["labels"] = dict(body["metadata"]["labels"])
    if gitops is not None:  # the controller deletes a Secret with its SealedSecret
        found["metadata"]["annotations"] = {**found["metadata"].get("annotations", {}), **kept_annotations(gitops, "Secret")}
    return dump(found, first=_FIRST)


def _described(recipients: Recipients) -> str:
    return recipients.read_text(errors="replace") if isinstance(recipients, Path) and recipients.is_file() else repr(recipients)


def _values(old: EncryptedFile | None) -> str | None:
    return old.values if old is not None else None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read(record: Path) -> dict[str, EncryptedFile]:
    """What is known; nothing where the record is missing or damaged, and then every file is written again."""
    try:
        return msgspec.json.decode(record.read_bytes(), type=dict[str, EncryptedFile])
    except (OSError, msgspec.DecodeError):
        return {}


def refuse_encrypted(folder: Path) -> None:
    """Raise Refused if the folder has files that `write_encrypted` made: plain ones in their place would be committed."""
    ours = [path for path in sorted(folder.glob("*.yaml")) if _is_ours(path)]
    if ours:
        raise Refused(
            f"{ours[0]} is encrypted for a repository, and would become a Secret in clear text",
            code="secret.encrypted-folder",
            where=str(folder),
            remedy="write to another folder, or set `secrets.encrypted` in the profile again",
        )


def _refuse_plain(folder: Path, texts: Mapping[Path, str]) -> None:
    """Raise Refused if the folder has a Secret in clear text that stays: the next commit would publish it."""
    for path in sorted(folder.glob("*.yaml")):
        if (
            path.resolve() not in texts
            and path.is_file()
            and _PLAIN.search(text := path.read_text(errors="replace"))
            and "ENC[" not in text
        ):
            raise Refused(
                f"{path} is a Secret in clear text, and would be committed with the encrypted ones",
                code="secret.plain-file",
                where=str(folder),
                remedy=f"remove it: `rm {path}`; if it was committed before, change its values",
            )


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline(200).decode(errors="replace") == HEAD
