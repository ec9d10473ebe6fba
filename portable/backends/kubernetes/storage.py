"""Claims, and the static volumes behind those that name a share. A claim that exists is referenced, never written."""

from collections.abc import Iterator
from typing import assert_never

from portable.backends.kubernetes.names import Body, dns_label, meta, quantity
from portable.backends.kubernetes.scope import Scope
from portable.model.plan import Claim, Share


def new_claims(scope: Scope) -> tuple[Claim, ...]:
    """The claims to be made, each once, by name."""
    places = [volume.place for volume in scope.plan.volumes]
    found: dict[str, Claim] = {}
    for place in places:
        if isinstance(place, Claim) and not place.existing:
            found.setdefault(place.name, place)
    return tuple(found[name] for name in sorted(found))


def claims(scope: Scope) -> Iterator[Body]:
    """A PersistentVolumeClaim for each claim that doesn't exist yet."""
    for claim in new_claims(scope):
        spec: Body = {"accessModes": _access(claim), "resources": {"requests": {"storage": quantity(claim.size)}}}
        if claim.share is not None:
            # An empty class keeps a provisioner from making another volume.
            spec |= {"storageClassName": claim.storage_class or "", "volumeName": _volume_name(scope, claim)}
        elif claim.storage_class is not None:
            spec["storageClassName"] = claim.storage_class
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": meta(dns_label(claim.name), scope.labels(claim.name), namespace=scope.namespace),
            "spec": spec,
        }


def volumes(scope: Scope) -> Iterator[Body]:
    """A PersistentVolume for each new claim that names a share; it is kept, with its data, when the claim goes."""
    for claim in new_claims(scope):
        if claim.share is None:
            continue
        reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": dns_label(claim.name), "namespace": scope.namespace}
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": meta(_volume_name(scope, claim), scope.labels(claim.name), namespace=None),
            "spec": {
                "accessModes": _access(claim),
                "capacity": {"storage": quantity(claim.size)},
                "claimRef": reference,
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": claim.storage_class or "",
                **({"mountOptions": list(claim.share.options)} if claim.share.options else {}),
                **_source(scope, claim, claim.share),
            },
        }


def _source(scope: Scope, claim: Claim, share: Share) -> Body:
    match share.protocol:
        case "smb":
            # One handle a volume: two of the same share one staged mount, and the options of the first win
            # (docs/facts/smb.md#one-handle-for-each-volume).
            csi: Body = {
                "driver": "smb.csi.k8s.io",
                "volumeHandle": f"{share.server}/{share.export}#{_volume_name(scope, claim)}",
                "volumeAttributes": {"source": f"//{share.server}/{share.export.lstrip('/')}"},
            }
            if share.login is not None:
                csi["nodeStageSecretRef"] = {"name": dns_label(share.login), "namespace": scope.namespace}
            return {"csi": csi}
        case "nfs":
            # In-tree: needs no driver, and the kubelet never walks it to change owners, which an export with root squash refuses.
            return {"nfs": {"server": share.server, "path": share.export}}
        case _:
            assert_never(share.protocol)


def _volume_name(scope: Scope, claim: Claim) -> str:
    """Volumes are objects of the cluster, so their name carries the namespace."""
    return dns_label(f"{scope.namespace}-{claim.name}")


def _access(claim: Claim) -> list[str]:
    return ["ReadWriteMany" if claim.shared else "ReadWriteOnce"]
