"""User, capabilities and devices of a container. All capabilities are dropped; each need adds back the least."""

from portable.backends.common import NOTHING_TO_DO, PlacedContainer, note, refuse
from portable.backends.compose.part import ServicePart
from portable.model.codes import Code
from portable.model.devices import AnnotatedDevice, Device, Devices, HostDevice, PluginDevice
from portable.model.findings import Finding
from portable.model.plan import Needs, Plan

NO_NEW_PRIVILEGES = "no-new-privileges:true"
ROOT_START = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID")
"""Capabilities of an image that prepares its folders as root and then drops to PUID:PGID (docs/facts/images.md#puid-and-pgid).

KILL: its supervisor stays root, and must send SIGTERM to the app. Otherwise the app is killed after the grace period, which can corrupt
a database.
"""
_DEVICE_NEEDS = ("tun", "fuse", "gpu")


def identity(placed: PlacedContainer, timezone: str) -> ServicePart:
    """Return the user, in the form that the image supports: variables, `user`, or none."""
    who, path = placed.container.identity, f"{placed.path}.identity"
    environment = {"TZ": timezone}
    user: str | None = None
    findings: list[Finding] = []

    def ignore(field: str, text: str, remedy: str = NOTHING_TO_DO, *, code: Code) -> None:
        findings.append(note(f"containers.identity.{field}", f"{path}.{field}", "cosmetic", text, remedy, code=code, app=placed.about))

    match who.how:
        case "puid-pgid":
            environment |= {"PUID": str(who.uid), "PGID": str(who.gid), "UMASK": who.umask}
            if who.groups:
                text = "Compose adds the groups to the container's first process; the image may drop them when it switches users."
                ignore("groups", text, code="compose.groups")
        case "user":
            user = f"{who.uid}:{who.gid}"
            text = "Compose cannot set the umask: the container keeps the umask of its image."
            ignore("umask", text, "set the umask in the container's `command`, if it matters", code="security.umask")
        case "fixed":
            for field in ("uid", "gid", "umask"):
                text = f"The image sets its own {field}; this one applies only to folders and files made for it."
                ignore(field, text, code="security.image-user")
    variables = placed.container.env
    sources = {"PUID": f"{path}.uid", "PGID": f"{path}.gid", "UMASK": f"{path}.umask", "TZ": "timezone"}
    for variable in sorted(environment.keys() & variables.keys()):
        text = f"The environment of {placed.path} sets {variable}, which overrides the plan's value."
        remedy = f"remove {variable} from the environment"
        findings.append(
            note("containers.env", sources[variable], "function", text, remedy, code="config.variable-override", app=placed.about)
        )
    return ServicePart({"user": user, "group_add": [str(group) for group in who.groups], "environment": environment}, tuple(findings))


def privileges(placed: PlacedContainer, devices: Devices) -> ServicePart:
    """Return the capabilities and devices that the container needs."""
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
                text = f"{placed.path} needs the device {need}, which the profile does not have."
                remedy = f"add `devices: {{{need}: {{host: {{path: /dev/...}}}}}}` to the profile"
                field, at = f"devices.{need}", f"{placed.path}.needs.{need}"
                findings.append(refuse(field, at, "function", text, remedy, code="config.device-missing", app=placed.about))
    return ServicePart(
        {
            "cap_drop": ["ALL"],
            "cap_add": sorted(_capabilities(needs)),
            "security_opt": [*(["apparmor:unconfined"] if needs.fuse else []), NO_NEW_PRIVILEGES],
            **parts,
        },
        tuple(findings),
    )


def _capabilities(needs: Needs) -> set[str]:
    # fusermount3 as root needs SYS_ADMIN to mount, and nothing for its setuid bit. AppArmor's default profile denies mounts (2.1).
    return {*(ROOT_START if needs.root_start else ()), *(["NET_ADMIN"] if needs.net_admin else ()), *(["SYS_ADMIN"] if needs.fuse else ())}


def device_findings(plan: Plan, needs: tuple[Needs, ...]) -> tuple[Finding, ...]:
    """Return findings on devices of the profile that Compose does not support, or that no app needs."""
    findings: list[Finding] = []
    for need in _DEVICE_NEEDS:
        device: Device | None = getattr(plan.devices, need)
        field = f"devices.{need}"
        if device is None:
            continue
        if not any(getattr(needed, need) for needed in needs):
            text = f"No app of this stack needs the device {need}."
            findings.append(note(field, field, "cosmetic", text, code="config.device-unused"))
        elif isinstance(device, PluginDevice | AnnotatedDevice):
            text = f"Compose supports neither device plug-ins nor CRI-O annotations: apps would not get the device {need}."
            remedy = f"name the device by its path: `devices: {{{need}: {{host: {{path: /dev/...}}}}}}`"
            findings.append(refuse(field, field, "function", text, remedy, code="compose.device"))
    return tuple(findings)
