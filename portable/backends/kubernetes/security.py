"""Whom a container runs as and what it may do, derived from identity and needs; as little as they allow."""

from portable.backends.kubernetes.names import Body
from portable.backends.kubernetes.scope import Part, starts_as_root

ROOT_START = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID")
"""What an image needs to prepare its folders as root, to drop to its identity (docs/facts/images.md#puid-and-pgid), and to tell what it
dropped to end."""
NET_ADMIN = "NET_ADMIN"


def container_security(part: Part) -> Body:
    """The security context of one container."""
    identity, needs = part.container.identity, part.container.needs
    if part.kind == "init":
        user: Body = {"runAsUser": identity.uid, "runAsGroup": identity.gid, **({"runAsNonRoot": True} if identity.uid else {})}
    elif starts_as_root(identity, needs):
        # A fixed gid of an image that starts as root is kept; one of the PUID family is told its gid by PGID.
        user = {"runAsUser": 0, "runAsGroup": identity.gid if identity.how == "fixed" else 0}
    else:
        user = {"runAsUser": identity.uid, "runAsGroup": identity.gid, "runAsNonRoot": True}
    root = {"readOnlyRootFilesystem": True} if part.container.read_only_root else {}
    if needs.fuse:
        # Only a privileged container may mount so that another one sees it (docs/facts/fuse.md#mount-propagation-on-a-cluster).
        # The API refuses `privileged` beside `allowPrivilegeEscalation: false`, and dropping capabilities from it would only look safer.
        return {"privileged": True, **root, **user}
    added = sorted((*(ROOT_START if needs.root_start else ()), *((NET_ADMIN,) if needs.net_admin else ())))
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], **({"add": added} if added else {})},
        **root,
        **user,
    }
