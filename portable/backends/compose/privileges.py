"""Who a container runs as and what it may do: user, capabilities, devices. Everything is taken away first; needs give back the least."""

from portable.backends.common import Placed, note, refuse
from portable.backends.compose.part import Part
from portable.model.findings import Finding
from portable.model.plan import AnnotatedDevice, Device, Devices, HostDevice, Needs, Plan, PluginDevice

NO_NEW_PRIVILEGES = "no-new-privileges:true"
ROOT_START = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID")
"""What an image needs that prepares its folders as root and drops to PUID:PGID (docs/facts/images.md#puid-and-pgid).
KILL: its supervisor stays root, and must be able to hand SIGTERM to the app,
or the app is killed when the grace period ends, and a database with it."""
_DEVICE_NEEDS = ("tun", "fuse", "gpu")


def identity(placed: Placed, timezone: str) -> Part:
    """The user, told in the way that the image understands."""
    who, path = placed.container.identity, f"{placed.path}.identity"
    environment = {"TZ": timezone}
    user: str | None = None
    findings: list[Finding] = []

    def untold(field: str, text: str, remedy: str) -> None:
        findings.append(note(f"containers.identity.{field}", f"{path}.{field}", "cosmetic", text, remedy, app=placed.about))

    match who.how:
        case "puid-pgid":
            environment |= {"PUID": str(who.uid), "PGID": str(who.gid), "UMASK": who.umask}
            if who.groups:
                untold(
                    "groups",
                    "The groups are given to the container's first process; the image switches users itself and may drop them.",
                    "none known",
                )
        case "user":
            user = f"{who.uid}:{who.gid}"
            untold("umask", "An engine can't set the umask: the image's own holds.", "the catalog may set it in the container's command")
        case "fixed":
            for field in ("uid", "gid", "umask"):
                untold(
                    field, "The image decides it; it is used only for the owner of folders and files that are made for it.", "none needed"
                )
    given = placed.container.env
    told_by = {"PUID": f"{path}.uid", "PGID": f"{path}.gid", "UMASK": f"{path}.umask", "TZ": "timezone"}
    for variable in sorted(environment.keys() & given.keys()):
        text = f"{variable} is also in the environment of {placed.path}, which wins."
        findings.append(
            note("containers.env", told_by[variable], "function", text, f"take {variable} out of the environment", app=placed.about)
        )
    return Part({"user": user, "group_add": [str(group) for group in who.groups], "environment": environment}, tuple(findings))


def privileges(placed: Placed, devices: Devices) -> Part:
    """Capabilities and devices for the needs."""
    needs = placed.container.needs
    parts: dict[str, list[str]] = {"devices": [], "group_add": []}
    findings: list[Finding] = []
    for need in _DEVICE_NEEDS:
        if not getattr(needs, need):
            continue
        match getattr(devices, need):
            case HostDevice(path=path, group=group):
                parts["devices"].append(f"{path}:{path}")
                parts["group_add"] += [] if group is None else [str(group)]
            case None:
                text = f"It needs {need}, and the profile names no such device."
                findings.append(
                    refuse(f"devices.{need}", f"{placed.path}.needs.{need}", "function", text, f"name devices.{need}", app=placed.about)
                )
    return Part(
        {
            "cap_drop": ["ALL"],
            "cap_add": sorted(_capabilities(needs)),
            "security_opt": [*(["apparmor:unconfined"] if needs.fuse else []), NO_NEW_PRIVILEGES],
            **parts,
        },
        tuple(findings),
    )


def _capabilities(needs: Needs) -> set[str]:
    # fusermount3 as root needs SYS_ADMIN for the mount and nothing for its setuid bit; AppArmor's default profile denies mounts (2.1).
    return {*(ROOT_START if needs.root_start else ()), *(["NET_ADMIN"] if needs.net_admin else ()), *(["SYS_ADMIN"] if needs.fuse else ())}


def device_findings(plan: Plan, needs: tuple[Needs, ...]) -> tuple[Finding, ...]:
    """What the place says about devices that an engine can't do, or that nobody asked for."""
    findings: list[Finding] = []
    for need in _DEVICE_NEEDS:
        device: Device | None = getattr(plan.devices, need)
        field = f"devices.{need}"
        if device is None:
            continue
        if not any(getattr(needed, need) for needed in needs):
            findings.append(note(field, field, "cosmetic", "No app of this stack asks for it."))
        elif isinstance(device, PluginDevice | AnnotatedDevice):
            text = "A Compose engine knows neither device plug-ins nor CRI-O's annotations: the apps that need it don't get it."
            findings.append(refuse(field, field, "function", text, "name the device by its path: {host: {path: /dev/...}}"))
    return tuple(findings)
