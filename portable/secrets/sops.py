"""Reads a file that SOPS encrypted, and encrypts Secrets with SOPS or for Sealed Secrets, by the programs of those projects.

No value is in an argument: the programs read standard input (docs/facts/secrets.md#sops, docs/facts/secrets.md#sealed-secrets).
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from portable.formats.emit import dump
from portable.model.codes import Code
from portable.model.errors import PortableError, UsageError
from portable.model.secret_refs import called
from portable.secrets.values import Key, Secret

_SECONDS = 60
_FIRST = ("apiVersion", "kind", "metadata", "name")
_ENCRYPTED = "^(data|stringData)$"


def read_sops(path: Path) -> dict[Key, Secret]:
    """The values of an encrypted file: `name: value`, or `name: {key: value}`. Raises PortableError, which never quotes a value."""
    if not path.is_file():
        text = "the encrypted file of secrets does not exist"
        raise UsageError(text, code="secret.sops-absent", where=str(path), remedy=f"create it with `sops edit {path}`")
    command = ("sops", "decrypt", "--input-type", "yaml", "--output-type", "json", str(path))
    printed = _run(command, None, code="secret.sops-decrypt", where=str(path), remedy="try it yourself: `sops decrypt FILE` must print it")
    try:
        found = json.loads(printed)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        text = "the encrypted file of secrets is not a map of names"
        raise UsageError(text, code="secret.sops-value", where=str(path), remedy=f"write `NAME: VALUE` lines with `sops edit {path}`")
    values: dict[Key, Secret] = {}
    for name, value in found.items():
        for key, inner in value.items() if isinstance(value, dict) else (("value", value),):
            if not isinstance(inner, str):
                text = f"{called(name, key)} is not text, so SOPS may have changed it: 0123 became 123, for example"
                remedy = f"put the value in quotes with `sops edit {path}`"
                raise UsageError(text, code="secret.sops-value", where=str(path), remedy=remedy)
            values[name, key] = Secret(inner)
    return values


def encrypted_with_sops(body: Mapping[str, Any], recipients: Sequence[str]) -> str:
    """The text of a Secret whose values are encrypted for these public keys of age. Its name and labels stay readable."""
    command = (
        *("sops", "encrypt", "--age", ",".join(recipients), "--encrypted-regex", _ENCRYPTED),
        *("--input-type", "yaml", "--output-type", "yaml", "--filename-override", "secret.yaml", "/dev/stdin"),
    )
    remedy = "check the public keys in `secrets.encrypted.sops.age`"
    text = _run(command, dump(body, first=_FIRST), code="secret.encrypt", where="sops", remedy=remedy)
    if text.count("ENC[") <= len(body["data"]):  # one for each value, and one for the checksum of the file
        told = "sops printed values that it did not encrypt"
        raise PortableError(told, code="secret.encrypt", where="sops", remedy="check which program it is: `type sops`, `sops --version`")
    return text


def sealed(body: Mapping[str, Any], certificate: Path) -> dict[str, Any]:
    """The SealedSecret from which the controller with this certificate makes the Secret: of this name, in this namespace only."""
    if not certificate.is_file():
        text = "the certificate of the Sealed Secrets controller does not exist"
        remedy = f"run `kubeseal --fetch-cert > {certificate}`"
        raise UsageError(text, code="secret.certificate", where=str(certificate), remedy=remedy)
    command = ("kubeseal", "--cert", str(certificate), "--scope", "strict", "--format", "json")
    remedy = f"check the certificate, or get it again: `kubeseal --fetch-cert > {certificate}`"
    text = _run(command, json.dumps(body), code="secret.encrypt", where="kubeseal", remedy=remedy)
    try:
        found: dict[str, Any] = json.loads(text)
        values, template = found["spec"]["encryptedData"], found["spec"]["template"]
        is_sealed = found["kind"] == "SealedSecret" and set(values) == set(body["data"]) and not template.get("data")
        for metadata in (found["metadata"], template["metadata"]):
            metadata.pop("creationTimestamp", None)  # null
    except (ValueError, KeyError, TypeError, AttributeError):
        is_sealed = False
    if not is_sealed or any(values[key] == value for key, value in body["data"].items()):
        text = "kubeseal printed something else than a SealedSecret"
        raise PortableError(text, code="secret.encrypt", where="kubeseal", remedy="check which program it is: `kubeseal --version`")
    return found


def _run(command: Sequence[str], standard_input: str | None, *, code: Code, where: str, remedy: str) -> str:
    program = command[0]
    try:
        done = subprocess.run(
            command,
            input=standard_input.encode() if standard_input is not None else None,
            stdin=subprocess.DEVNULL if standard_input is None else None,
            capture_output=True,
            timeout=_SECONDS,
            cwd="/",  # a `.sops.yaml` of the working folder does not matter
            check=False,
        )
    except FileNotFoundError:
        text = f"the program {program} does not exist on this machine"
        raise PortableError(text, code="secret.program", where=where, remedy=f"install {program}, and put it on the PATH") from None
    except OSError as error:
        text = f"{program} cannot be run: {error.strerror}"
        raise PortableError(text, code="secret.program", where=where, remedy=f"check `{program} --version`") from None
    except subprocess.TimeoutExpired:
        text = f"{program} did not end within {_SECONDS} s"
        raise PortableError(text, code=code, where=where, remedy=remedy) from None
    if done.returncode != 0:
        said = next((line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()), "")
        text = f"{program} ended with exit code {done.returncode}{f': {said}' if said else ''}"
        raise PortableError(text, code=code, where=where, remedy=remedy)
    return done.stdout.decode(errors="replace")
