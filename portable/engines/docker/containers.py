"""Converts the engine's descriptions of containers."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from portable.engines.docker.observed import (
    DEPENDS,
    FOLDER,
    HASH,
    PROJECT,
    REPLACES,
    SERVICE,
    Described,
    ObservedContainer,
)
from portable.engines.docker.rights import variables

if TYPE_CHECKING:
    pass


_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


def moment(text: str | None) -> str:
    """A time of the engine's clock with nine digits of a second, so that times compare as texts; empty for never."""
    if not text or text.startswith("0001-"):
        return ""
    if not text.endswith("Z"):  # times of health checks are in the engine's time zone
        local, ahead, offset = text[:19], text[-6] == "+", text[-5:].split(":")
        shift = timedelta(hours=int(offset[0]), minutes=int(offset[1]))
        utc = datetime.fromisoformat(local) + (-shift if ahead else shift)
        text = f"{utc.isoformat()}{text[19:-6]}Z"
    whole, _, rest = text.removesuffix("Z").partition(".")
    return f"{whole}.{rest:0<9}Z"


def describe(found: Mapping[str, Any]) -> Described:
    """The settings of a container."""
    config, ports = found["Config"], (found.get("NetworkSettings") or {}).get("Ports") or {}
    published = [
        (bound.get("HostIp", ""), int(bound["HostPort"]), inside.partition("/")[2] or "tcp", int(inside.partition("/")[0]))
        for inside, bindings in ports.items()
        for bound in bindings or []
    ]
    return Described(
        environment=variables(config.get("Env")),
        labels=dict(config.get("Labels") or {}),
        mounts={m["Destination"]: m.get("Source") or m.get("Name") or "" for m in found.get("Mounts") or []},
        name_servers=tuple((found.get("HostConfig") or {}).get("Dns") or ()),
        published=tuple(sorted(published)),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        whole=found,
    )


def is_foreign(labels: Mapping[str, str]) -> bool:
    """Whether a container has neither the labels nor the working folder of a project that portable made."""
    ours = f"/portable/{labels.get(PROJECT, '')}"
    return not any(key.startswith("portable.") for key in labels) and not (labels.get(FOLDER) or "").endswith(ours)


def seen(found: Mapping[str, Any], hide: Callable[[str], str]) -> ObservedContainer:
    """The observed state of a container; `hide` removes secrets from its texts."""
    state, config, host = found["State"], found["Config"], found["HostConfig"]
    labels = config.get("Labels") or {}
    health = state.get("Health") or {}
    logged = health.get("Log") or []
    mode = host.get("NetworkMode") or ""
    depends = [part.split(":")[0] for part in (labels.get(DEPENDS) or "").split(",")]
    return ObservedContainer(
        id=found["Id"],
        name=found["Name"].lstrip("/"),
        service=labels.get(SERVICE, ""),
        state=state.get("Status", ""),
        health=health.get("Status") if health.get("Status") not in (None, "", "none") else None,
        health_output=hide(str(logged[-1].get("Output", "")).strip()) if logged else "",
        unwell_at=moment(logged[-1].get("Start")) if logged and health.get("Status") == "unhealthy" else "",
        exit_code=int(state.get("ExitCode") or 0),
        out_of_memory=bool(state.get("OOMKilled")),
        restarts=int(found.get("RestartCount") or 0),
        started_at=moment(state.get("StartedAt")),
        finished_at=moment(state.get("FinishedAt")),
        image=config.get("Image") or "",
        image_id=found.get("Image") or "",
        config_hash=labels.get(HASH, ""),
        labels={key: value for key, value in labels.items() if key.startswith("portable.")},
        replaces=labels.get(REPLACES),
        depends_on=tuple(name for name in depends if name),
        joins=mode.removeprefix("container:") if mode.startswith("container:") else None,
        networks=tuple(sorted((found.get("NetworkSettings") or {}).get("Networks") or {})),
        anonymous_volumes=any(m.get("Type") == "volume" and _ANONYMOUS.fullmatch(m.get("Name") or "") for m in found.get("Mounts") or []),
        error=hide(state.get("Error") or ""),
        foreign=is_foreign(labels),
    )
