"""The security context of a container, derived from its identity and needs: the least rights that they allow."""

from portable.backends.kubernetes.names import Body
from portable.backends.kubernetes.scope import PodContainer, starts_as_root

ROOT_START = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID")
"""Capabilities of an image that prepares its folders as root, drops to its user (docs/facts/images.md#puid-and-pgid), and sends signals
to that user's processes."""
NET_ADMIN = "NET_ADMIN"


def container_security(part: PodContainer) -> Body:
    """Return the security context of one container."""
    identity, needs = part.container.identity, part.container.needs
    if part.kind == "init":
        user: Body = {"runAsUser": identity.uid, "runAsGroup": identity.gid, **({"runAsNonRoot": True} if identity.uid else {})}
    elif starts_as_root(identity, needs):
        # An image that starts as root keeps its fixed gid; one with PUID gets its gid from PGID.
        user = {"runAsUser": 0, "runAsGroup": identity.gid if identity.how == "fixed" else 0}
    else:
        user = {"runAsUser": identity.uid, "runAsGroup": identity.gid, "runAsNonRoot": True}
    root = {"readOnlyRootFilesystem": True} if part.container.read_only_root else {}
    if needs.fuse:
        # Only a privileged container can make a mount visible to others (docs/facts/fuse.md#mount-propagation-on-a-cluster). The API
        # refuses `privileged` with `allowPrivilegeEscalation: false`, and dropping its capabilities would have no effect.
        return {"privileged": True, **root, **user}
    added = sorted((*(ROOT_START if needs.root_start else ()), *((NET_ADMIN,) if needs.net_admin else ())))
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], **({"add": added} if added else {})},
        **root,
        **user,
    }
