"""Names, labels, quantities and literal strings as the Kubernetes API wants them; knows no plan."""

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
    """The text as a DNS label; one that had to be cut or changed ends in a digest of the whole, so that two never meet."""
    plain = _NO_DNS.sub("-", text.lower()).strip("-") or "x"
    if plain == text and len(plain) <= limit:
        return plain
    mark = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f"{plain[: limit - 7].rstrip('-')}-{mark}"


@functools.cache
def port_name(app: str, port: str) -> str:
    """The name of a container's port: unique in a pod of several apps, at most 15 characters (an IANA service name).

    Where the two are too long together, the app is cut and marked, so that the port can still be read.
    """
    whole = f"{app}-{port}"
    kept = _PORT_NAME_MAX - len(port) - 4
    if len(whole) <= _PORT_NAME_MAX or kept < 1:
        return dns_label(whole, limit=_PORT_NAME_MAX)
    mark = hashlib.sha256(whole.encode()).hexdigest()[:3]
    return dns_label(f"{app[:kept]}{mark}-{port}", limit=_PORT_NAME_MAX)


def label_value(text: str) -> str:
    """The text as the value of a label."""
    return text if len(text) <= _LABEL_MAX and _LABEL_VALUE.fullmatch(text) else dns_label(text)


def config_key(text: str) -> str:
    """The text as a key of a ConfigMap or Secret."""
    return text if re.fullmatch(r"[A-Za-z0-9._-]{1,253}", text) and text not in (".", "..") else dns_label(text)


def quantity(size: int) -> str:
    """Bytes in the largest binary unit that keeps them whole."""
    for unit, factor in (("Ti", 2**40), ("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def cores(milli: int) -> str:
    """Thousandths of a core, as the API server itself writes them."""
    return f"{milli}m" if milli % 1000 else str(milli // 1000)


def literal(text: str) -> str:
    """The text for `env`, `command` and `args`, where the kubelet would expand `$(NAME)` and halve `$$`.

    Any other `$` stays as it is there (k8s.io/kubernetes third_party/forked/golang/expansion), so most scripts need no change.
    """
    return text.replace("$", "$$") if "$(" in text or "$$" in text else text


def meta(name: str, labels: dict[str, str], *, namespace: str | None, annotations: dict[str, str] | None = None) -> Body:
    """The metadata of an object; `namespace` is None for objects of the cluster."""
    return {
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        "labels": labels,
        **({"annotations": annotations} if annotations else {}),
    }
