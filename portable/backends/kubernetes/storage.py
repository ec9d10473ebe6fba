"""Claims, and the static volumes of those on a share. An existing claim is referenced, never rendered."""

from collections.abc import Iterator
from typing import assert_never

from portable.backends.kubernetes.names import Body, dns_label, meta, quantity
from portable.backends.kubernetes.scope import Scope
from portable.model.plan import Claim, Share


def new_claims(scope: Scope) -> tuple[Claim, ...]:
    """Return the claims to create, each once, sorted by name."""
    places = [volume.place for volume in scope.plan.volumes]
    by_name: dict[str, Claim] = {}
    for place in places:
        if isinstance(place, Claim) and not place.existing:
            by_name.setdefault(place.name, place)
    return tuple(by_name[name] for name in sorted(by_name))


def claims(scope: Scope) -> Iterator[Body]:
    """Yield a PersistentVolumeClaim for each claim that does not exist yet."""
    for claim in new_claims(scope):
        spec: Body = {"accessModes": _access(claim), "resources": {"requests": {"storage": quantity(claim.size)}}}
        if claim.share is not None:
            # An empty class prevents dynamic provisioning of another volume.
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
    """Yield a PersistentVolume for each new claim on a share. It stays, with its data, when the claim is deleted."""
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
            # One handle for each volume: volumes with equal handles share one staged mount, with the options of the first
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
            # The in-tree plug-in needs no driver, and the kubelet never changes owners on it, which root squash would deny.
            return {"nfs": {"server": share.server, "path": share.export}}
        case _:
            assert_never(share.protocol)


def _volume_name(scope: Scope, claim: Claim) -> str:
    """Return the name of a volume. Volumes are cluster-scoped, so it contains the namespace."""
    return dns_label(f"{scope.namespace}-{claim.name}")


def _access(claim: Claim) -> list[str]:
    return ["ReadWriteMany" if claim.shared else "ReadWriteOnce"]
