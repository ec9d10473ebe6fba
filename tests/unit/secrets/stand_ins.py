"""Stand-ins for `sops` and `kubeseal`: they take the same arguments, and hide values by turning them around. No encryption.

What the real programs print was compared once: docs/facts/secrets.md#sops, docs/facts/secrets.md#sealed-secrets.
"""

import sys
from pathlib import Path
from typing import Any

from portable.secrets.cluster import secret_object

KEYS = ("age1first", "age1second")
_SOPS = """\
import json, re, sys
import yaml
arguments = sys.argv[1:]
def turned(text):
    return "ENC[AES256_GCM,data:" + text[::-1] + ",iv:x,tag:y,type:str]"
if arguments[0] == "decrypt":
    assert arguments[1:5] == ["--input-type", "yaml", "--output-type", "json"], arguments
    found = yaml.safe_load(open(arguments[5]))
    if "sops" not in found:
        sys.exit("sops metadata not found")
    del found["sops"]
    def back(value):
        if isinstance(value, dict):
            return {key: back(inner) for key, inner in value.items()}
        return value[20:].partition(",")[0][::-1] if isinstance(value, str) and value.startswith("ENC[") else value
    json.dump(back(found), sys.stdout)
elif arguments[0] == "encrypt":
    assert arguments[1] == "--age" and arguments[3:5] == ["--encrypted-regex", "^(data|stringData)$"], arguments
    assert arguments[5:9] == ["--input-type", "yaml", "--output-type", "yaml"], arguments
    assert arguments[9:] == ["--filename-override", "secret.yaml", "/dev/stdin"], arguments
    body = yaml.safe_load(sys.stdin)
    body["data"] = {key: turned(value) for key, value in body["data"].items()}
    body["sops"] = {"age": [{"recipient": key} for key in arguments[2].split(",")], "mac": turned("mac")}
    yaml.safe_dump(body, sys.stdout)
"""
_KUBESEAL = """\
import json, os, sys
arguments = sys.argv[1:]
assert arguments[0] == "--cert" and arguments[2:] == ["--scope", "strict", "--format", "json"], arguments
certificate = open(arguments[1]).read()
if "CERTIFICATE" not in certificate:
    sys.exit("error: data does not contain any valid RSA or ECDSA certificates")
body = json.load(sys.stdin)
metadata = {"name": body["metadata"]["name"], "namespace": body["metadata"]["namespace"], "creationTimestamp": None}
json.dump({
    "kind": "SealedSecret", "apiVersion": "bitnami.com/v1alpha1", "metadata": metadata,
    "spec": {
        "template": {"metadata": {**body["metadata"], "creationTimestamp": None}, "type": body["type"]},
        "encryptedData": {key: "AgB" + os.urandom(6).hex() + value[::-1] for key, value in body["data"].items()},
    },
}, sys.stdout)
"""


def install(folder: Path, name: str, text: str | None = None) -> Path:
    """Put a stand-in into a folder for the PATH; with a text, a program of that name that does something else."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!{sys.executable}\n" + (text if text is not None else {"sops": _SOPS, "kubeseal": _KUBESEAL}[name]))
    program.chmod(0o755)
    return program


def a_secret(name: str = "login", **data: str) -> dict[str, Any]:
    """A Secret of one value, or of those."""
    return secret_object(name, data or {"value": "canary-1"}, namespace="media", labels={"app.kubernetes.io/managed-by": "portable"})
