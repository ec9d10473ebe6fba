"""The rights and settings of a planned service and of a running container, in the same terms."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from portable.backends.common import Placed, index
from portable.backends.compose.names import project_name
from portable.backends.compose.network import NETWORK
from portable.backends.compose.service import service
from portable.backends.rights import ImageSettings, PlannedContainer, Rights
from portable.model.plan import Plan, SecretRef

_OWN = "its own"
_DEFAULT_CAPABILITIES = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"),
        *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    }
)
"""The capabilities of a container that drops none."""
_PROFILE = "another profile"
_LONGEST_OPTION = 40


def planned(placed: Placed, plan: Plan) -> PlannedContainer:
    """The variables, program and rights of a container's rendered service."""
    keys = service(placed, index(plan)).keys
    mode = keys.get("network_mode", "")
    networks = () if mode else keys.get("networks", (NETWORK,))  # Compose puts a service that names none on the project's own
    secrets = {name: value for name, value in placed.container.env.items() if isinstance(value, SecretRef)}
    return PlannedContainer(
        environment={**keys.get("environment", {}), **secrets},
        entrypoint=_words(keys.get("entrypoint")),
        command=_words(keys.get("command")),
        rights=Rights(
            capabilities=_capabilities(keys.get("cap_add"), keys.get("cap_drop")),
            devices=frozenset(device.partition(":")[0] for device in keys.get("devices", ())),
            network=_planned_network(mode),
            networks=frozenset(f"{project_name(plan)}_{name}" for name in networks),
            name_servers=tuple(keys.get("dns", ())),
            hosts=frozenset(f"{name} {address}" for name, address in keys.get("extra_hosts", {}).items()),
            security=_options(keys.get("security_opt")),
            folders={entry["target"]: entry["source"] for entry in keys.get("volumes", ()) if entry["type"] == "bind"},
        ),
    )


def _words(given: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(given)


def _planned_network(mode: str) -> str:
    return f"the network of {mode.removeprefix('service:')}" if mode.startswith("service:") else mode or _OWN


def running(found: Mapping[str, Any], called: Callable[[str], str]) -> Rights:
    """The rights of a running container; `called` gives the service of the container with an id, or its name."""
    host, mode = found["HostConfig"], found["HostConfig"].get("NetworkMode") or ""
    namespaces = {
        f"{kind} of {_whose(host[key], called)}"
        for kind, key in (("PID", "PidMode"), ("IPC", "IpcMode"), ("UTS", "UTSMode"), ("users", "UsernsMode"))
        if (host.get(key) or "").partition(":")[0] in ("host", "container")
    }
    return Rights(
        privileged=bool(host.get("Privileged")),
        capabilities=_capabilities(host.get("CapAdd"), host.get("CapDrop")),
        devices=frozenset(
            [
                *(device["PathOnHost"] for device in host.get("Devices") or ()),
                *(f"rule {rule}" for rule in host.get("DeviceCgroupRules") or ()),
                *(f"driver {asked.get('Driver') or 'any'}" for asked in host.get("DeviceRequests") or ()),
            ]
        ),
        network=_running_network(mode, called),
        networks=frozenset((found.get("NetworkSettings") or {}).get("Networks") or {}) - {"none", "host"},
        name_servers=tuple(host.get("Dns") or ()),
        hosts=frozenset(" ".join(_parted(entry)) for entry in host.get("ExtraHosts") or ()),
        namespaces=frozenset(namespaces),
        security=_options(host.get("SecurityOpt")),
        folders={m["Destination"]: m.get("Source") or "" for m in found.get("Mounts") or () if m.get("Type") == "bind"},
    )


def _running_network(mode: str, called: Callable[[str], str]) -> str:
    if mode.startswith("container:"):
        return f"the network of {called(mode.removeprefix('container:'))}"
    return {"none": "none", "host": "the host's"}.get(mode, _OWN)


def _whose(mode: str, called: Callable[[str], str]) -> str:
    kind, _, container = mode.partition(":")
    return called(container) if kind == "container" else "the host"


def _parted(entry: str) -> tuple[str, str]:
    """`name:address`, or `name=address` as newer clients write it."""
    at = min(position for position in (entry.find(":"), entry.find("="), len(entry)) if position >= 0)
    return entry[:at], entry[at + 1 :].strip("[]")


def _capabilities(added: Iterable[str] | None, dropped: Iterable[str] | None) -> frozenset[str]:
    less, more = (frozenset(name.upper().removeprefix("CAP_") for name in names or ()) for names in (dropped, added))
    return (frozenset() if "ALL" in less else _DEFAULT_CAPABILITIES - less) | more


def _options(given: Iterable[str] | None) -> frozenset[str]:
    """Each as Compose writes it; a seccomp profile, which the engine shows in full, by its kind."""
    found = set()
    for option in given or ():
        kind, _, value = option.replace("=", ":", 1).partition(":")
        if kind == "no-new-privileges":
            found |= {f"{kind}:true"} if value in ("", "true") else set()
        else:
            found.add(f"{kind}:{value if len(value) <= _LONGEST_OPTION else _PROFILE}")
    return frozenset(found)


def image_settings(found: Mapping[str, Any]) -> ImageSettings:
    """The settings of an image."""
    config = found.get("Config") or {}
    return ImageSettings(
        environment=variables(config.get("Env")),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
    )


def variables(listed: Iterable[str] | None) -> dict[str, str]:
    """An environment as engines list it."""
    return dict(item.partition("=")[::2] for item in listed or ())
