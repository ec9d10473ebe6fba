"""The traits of each back end: planning and the command line check these instead of names."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from portable.model.base import Struct

BackEndName = Literal["compose", "kubernetes", "openshift"]


class Traits(Struct, frozen=True, kw_only=True):
    """The features of a back end. A plan that needs another one is a mistake, or has a finding."""

    has_host_folders: bool
    """A volume can be a folder of the host."""
    has_claims: bool
    """A volume can be a claim."""
    has_host_names: bool
    """Apps are exposed by names of a domain, through an Ingress or a Route."""
    has_engine_address: bool
    """The profile or this machine names an engine; otherwise a kubeconfig names the cluster."""
    has_namespaces: bool
    """Objects belong to a namespace."""
    picks_own_addresses: bool
    """Apps get fixed addresses in a subnet of the profile; otherwise the network assigns addresses."""
    shares_cloud_mounts: bool
    """One mount of a cloud serves all its readers; otherwise each pod that reads it has its own."""
    runs_docker: bool
    """An app could mount the socket of a Docker engine."""
    interpolates: bool
    """A `$` in a document begins a variable, and is doubled."""
    bundles_network: bool
    """The platform bundles its network plug-in, which enforces NetworkPolicies, and a version of Kubernetes with native sidecars."""


_CLUSTER = Traits(
    has_host_folders=False,
    has_claims=True,
    has_host_names=True,
    has_engine_address=False,
    has_namespaces=True,
    picks_own_addresses=False,
    shares_cloud_mounts=False,
    runs_docker=False,
    interpolates=False,
    bundles_network=False,
)
TRAITS: Mapping[BackEndName, Traits] = {
    "compose": Traits(
        has_host_folders=True,
        has_claims=False,
        has_host_names=False,
        has_engine_address=True,
        has_namespaces=False,
        picks_own_addresses=True,
        shares_cloud_mounts=True,
        runs_docker=True,
        interpolates=True,
        bundles_network=False,
    ),
    "kubernetes": _CLUSTER,
    "openshift": msgspec.structs.replace(_CLUSTER, bundles_network=True),
}


def traits_of(back_end: str) -> Traits:
    """The traits of a back end by its name. Raises KeyError for an unknown one."""
    return {str(name): traits for name, traits in TRAITS.items()}[back_end]
