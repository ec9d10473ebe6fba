"""The rights and settings of a running container and of an image, in the terms of `portable.model.rights`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from portable.model.rights import ImageSettings, Rights

OWN = "its own"
_DEFAULT_CAPABILITIES = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"),
        *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    }
)
"""The capabilities of a container that drops none."""
_PROFILE = "another profile"
_LONGEST_OPTION = 40


def running(found: Mapping[str, Any], called: Callable[[str], str]) -> Rights:
    """The rights of a running container; `called` returns the service, or the name, of a container by its id."""
    host, mode = found["HostConfig"], found["HostConfig"].get("NetworkMode") or ""
    namespaces = {
        f"{kind} of {_whose(host[key], called)}"
        for kind, key in (("PID", "PidMode"), ("IPC", "IpcMode"), ("UTS", "UTSMode"), ("users", "UsernsMode"))
        if (host.get(key) or "").partition(":")[0] in ("host", "container")
    }
    return Rights(
        privileged=bool(host.get("Privileged")),
        capabilities=capabilities(host.get("CapAdd"), host.get("CapDrop")),
        devices=frozenset(
            [
                *(device["PathOnHost"] for device in host.get("Devices") or ()),
                *(f"rule {rule}" for rule in host.get("DeviceCgroupRules") or ()),
                *(f"driver {request.get('Driver') or 'any'}" for request in host.get("DeviceRequests") or ()),
            ]
        ),
        network=_running_network(mode, called),
        networks=frozenset((found.get("NetworkSettings") or {}).get("Networks") or {}) - {"none", "host"},
        name_servers=tuple(host.get("Dns") or ()),
        hosts=frozenset(" ".join(_parted(entry)) for entry in host.get("ExtraHosts") or ()),
        namespaces=frozenset(namespaces),
        security=security_options(host.get("SecurityOpt")),
        folders={m["Destination"]: m.get("Source") or "" for m in found.get("Mounts") or () if m.get("Type") == "bind"},
    )


def _running_network(mode: str, called: Callable[[str], str]) -> str:
    if mode.startswith("container:"):
        return f"the network of {called(mode.removeprefix('container:'))}"
    return {"none": "none", "host": "the host's"}.get(mode, OWN)


def _whose(mode: str, called: Callable[[str], str]) -> str:
    kind, _, container = mode.partition(":")
    return called(container) if kind == "container" else "the host"


def _parted(entry: str) -> tuple[str, str]:
    """Split `name:address`, or `name=address` from newer clients."""
    at = min(position for position in (entry.find(":"), entry.find("="), len(entry)) if position >= 0)
    return entry[:at], entry[at + 1 :].strip("[]")


def capabilities(added: Iterable[str] | None, dropped: Iterable[str] | None) -> frozenset[str]:
    """The capabilities of a container, from those that it adds to and drops from the engine's defaults; without `CAP_`."""
    drops, adds = (frozenset(name.upper().removeprefix("CAP_") for name in names or ()) for names in (dropped, added))
    return (frozenset() if "ALL" in drops else _DEFAULT_CAPABILITIES - drops) | adds


def security_options(given: Iterable[str] | None) -> frozenset[str]:
    """Security options in the form of Compose. The engine shows a seccomp profile in full; only its kind is returned."""
    options = set()
    for option in given or ():
        kind, _, value = option.replace("=", ":", 1).partition(":")
        if kind == "no-new-privileges":
            options |= {f"{kind}:true"} if value in ("", "true") else set()
        else:
            options.add(f"{kind}:{value if len(value) <= _LONGEST_OPTION else _PROFILE}")
    return frozenset(options)


def image_settings(found: Mapping[str, Any]) -> ImageSettings:
    """The settings of an image."""
    config = found.get("Config") or {}
    return ImageSettings(
        environment=variables(config.get("Env")),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
    )


def variables(listed: Iterable[str] | None) -> dict[str, str]:
    """Convert an engine's list of `NAME=value`."""
    return dict(item.partition("=")[::2] for item in listed or ())
