"""Names, labels, quantities and literal strings in the form that the Kubernetes API requires."""

import functools
import hashlib
import re
from typing import Any, Final

Body = dict[str, Any]
"""A Kubernetes object, or a part of one."""

MANAGED_BY: Final = "portable"
GROUP_LABEL: Final = "portable/group"
_LABEL_MAX: Final = 63
_PORT_NAME_MAX: Final = 15
_NO_DNS: Final = re.compile(r"[^a-z0-9]+")
_LABEL_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?")


@functools.cache
def dns_label(text: str, *, limit: int = _LABEL_MAX) -> str:
    """Return the text as a DNS label. A shortened or changed one ends in a digest of the whole text, so that labels stay unique."""
    plain = _NO_DNS.sub("-", text.lower()).strip("-") or "x"
    if plain == text and len(plain) <= limit:
        return plain
    mark = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f"{plain[: limit - 7].rstrip('-')}-{mark}"


@functools.cache
def port_name(app: str, port: str) -> str:
    """Return the name of a container's port: unique in a pod of several apps, at most 15 characters (an IANA service name).

    If it is too long, the app's part is shortened and gets a digest, so that the port stays readable.
    """
    whole = f"{app}-{port}"
    room = _PORT_NAME_MAX - len(port) - 4
    if len(whole) <= _PORT_NAME_MAX or room < 1:
        return dns_label(whole, limit=_PORT_NAME_MAX)
    mark = hashlib.sha256(whole.encode()).hexdigest()[:3]
    return dns_label(f"{app[:room]}{mark}-{port}", limit=_PORT_NAME_MAX)


@functools.cache
def label_value(text: str) -> str:
    """Return the text as a label value."""
    return text if len(text) <= _LABEL_MAX and _LABEL_VALUE.fullmatch(text) else dns_label(text)


def config_key(text: str) -> str:
    """Return the text as a key of a ConfigMap or Secret, and as the path of its file in a volume: that may not begin with `..`."""
    is_key = re.fullmatch(r"[A-Za-z0-9._-]{1,253}", text) and text != "." and not text.startswith("..")
    return text if is_key else dns_label(text)


def quantity(size: int) -> str:
    """Write a number of bytes in the largest binary unit that is exact."""
    for unit, factor in (("Ti", 2**40), ("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def cores(milli: int) -> str:
    """Write thousandths of a core in the form that the API server returns."""
    return f"{milli}m" if milli % 1000 else str(milli // 1000)


def literal(text: str) -> str:
    """Escape a text for `env`, `command` and `args`, where the kubelet expands `$(NAME)` and turns `$$` into `$`.

    It leaves any other `$` alone (k8s.io/kubernetes third_party/forked/golang/expansion), so most scripts need no change.
    """
    return text.replace("$", "$$") if "$(" in text or "$$" in text else text


def meta(name: str, labels: dict[str, str], *, namespace: str | None, annotations: dict[str, str] | None = None) -> Body:
    """Return the metadata of an object; `namespace` is None for cluster-scoped objects."""
    return {
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        "labels": labels,
        **({"annotations": annotations} if annotations else {}),
    }
