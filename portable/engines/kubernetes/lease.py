"""A lock that several machines respect: a Lease in the stack's namespace, renewed while it is held and free again after its expiry."""

import contextlib
import datetime
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from typing import Any, Final

from portable.engines.kubernetes.cluster import Cluster, Reference
from portable.engines.kubernetes.errors import ClusterError
from portable.model.errors import PortableError

SECONDS: Final = 30
"""How long a Lease holds without renewal: a killed command blocks others for at most this long."""
_RENEWALS: Final = 3
"""Renewals within that time."""
_API: Final = "coordination.k8s.io/v1"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _text(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def holder_name(command: str) -> str:
    """Who holds a Lease, for a person on another machine, and unlike any other holder: `up by root on nas, process 4711 (5f0c...)`."""
    user = os.environ.get("USER") or str(os.getuid())
    return f"portable {command} by {user} on {socket.gethostname()}, process {os.getpid()} ({uuid.uuid4().hex[:8]})"


def is_expired(lease: dict[str, Any], now: datetime.datetime) -> bool:
    """Whether its holder stopped renewing it. A Lease without a holder counts as expired."""
    spec = lease.get("spec") or {}
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return True
    renewed = datetime.datetime.fromisoformat(str(spec["renewTime"]).replace("Z", "+00:00"))
    return (now - renewed).total_seconds() > int(spec.get("leaseDurationSeconds") or SECONDS)


class LeaseLost(PortableError):  # noqa: N818  # an outcome
    """Another machine took the Lease, because this one could not renew it in time."""


@contextlib.contextmanager
def lease_held(cluster: Cluster, namespace: str, name: str, command: str, labels: dict[str, str]) -> Iterator[threading.Event]:
    """Hold the Lease while the block runs. The event that it yields is set if the Lease is lost; the block then stops writing.

    Where this connection holds it already, for a command made of several, the block runs under that one.
    Raises PortableError with the holder's name where another machine holds it.
    """
    reference = Reference(_API, "Lease", namespace, name)
    if (outer := cluster.leases.get(reference)) is not None:
        yield outer
        return
    me = holder_name(command)
    held = _take(cluster, reference, me, labels)
    stop, lost = threading.Event(), threading.Event()

    def renew() -> None:
        nonlocal held
        while not stop.wait(SECONDS / _RENEWALS):
            try:
                held = dict(cluster.replace({**held, "spec": {**held["spec"], "renewTime": _text(_now())}}))
            except ClusterError as trouble:
                there = _own(cluster, reference, me) if trouble.kind == "conflict" else None
                if there is not None:  # the renewal was written, and its answer was lost
                    held = there
                elif trouble.kind in ("conflict", "missing") or is_expired(held, _now()):
                    lost.set()
                    return

    cluster.leases[reference] = lost
    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        stop.set()
        thread.join()
        del cluster.leases[reference]
        if not lost.is_set():
            with contextlib.suppress(ClusterError):  # it expires by itself
                cluster.replace({**held, "spec": {**held["spec"], "holderIdentity": "", "renewTime": None}})


def _own(cluster: Cluster, reference: Reference, me: str) -> dict[str, Any] | None:
    """The Lease as it is now, where this command holds it."""
    try:
        there = cluster.get(reference)
    except ClusterError:
        return None
    return dict(there) if there is not None and (there.get("spec") or {}).get("holderIdentity") == me else None


def _take(cluster: Cluster, reference: Reference, me: str, labels: dict[str, str]) -> dict[str, Any]:
    spec = {"holderIdentity": me, "leaseDurationSeconds": SECONDS, "acquireTime": _text(_now()), "renewTime": _text(_now())}
    there = cluster.get(reference)
    try:
        if there is None:
            metadata = {"name": reference.name, "namespace": reference.namespace, "labels": labels}
            return dict(cluster.create({"apiVersion": _API, "kind": "Lease", "metadata": metadata, "spec": spec}))
        if is_expired(dict(there), _now()):
            transitions = int((there.get("spec") or {}).get("leaseTransitions") or 0) + 1
            return dict(cluster.replace({**there, "spec": {**spec, "leaseTransitions": transitions}}))
    except ClusterError as trouble:
        if trouble.kind != "conflict":
            raise
        there = cluster.get(reference)  # another command was faster, or the answer to this write was lost
        if there is not None and (there.get("spec") or {}).get("holderIdentity") == me:
            return dict(there)
    holder = ((there or {}).get("spec") or {}).get("holderIdentity") or "another machine"
    raise PortableError(
        f"the stack is locked by `{holder}`",
        code="cluster.locked",
        where=cluster.address.where,
        remedy=f"wait until it finishes; a killed command's lock expires after {SECONDS} s",
    )
