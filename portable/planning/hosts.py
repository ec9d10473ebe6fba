"""The host name by which one app calls another.

It is the app's own name in every place (promise 1). Behind a gateway of a cluster there is no search list, which would send each foreign
name to cluster DNS with the cluster's domain appended, outside the tunnel: there, apps of other pods have their names in full.
"""

from portable.model import plan as p
from portable.planning.inputs import PlanInput
from portable.planning.network import PlannedNetwork


def host_of(given: PlanInput, net: PlannedNetwork, app: str, *, caller: str) -> str:
    """Return the host name of an app for a caller; an unknown caller is an app that is not behind a gateway."""
    return name_for(given, net.group_of.get(caller), app, app)


def name_for(given: PlanInput, group: p.Group | None, app: str, name: str) -> str:
    """Return the host name by which the apps of a group call an app by one of its names: its own, or an alias."""
    if group is None or isinstance(group.egress, p.Direct) or app in group.apps:
        return name
    return full_name(given, name)


def host_in_clouds(given: PlanInput, net: PlannedNetwork, app: str, readers: frozenset[str]) -> str:
    """Return the host name of an app for the mount of a cloud, which on a cluster runs in the pod of each reader."""
    names = {host_of(given, net, app, caller=reader) for reader in readers}
    return full_name(given, app) if names - {app} else app


def full_name(given: PlanInput, app: str) -> str:
    """Return the name of an app's Service in full; on an engine, which has no namespaces, the app's name."""
    profile = given.profile
    if not profile.traits.has_namespaces:
        return app
    return f"{app}.{profile.namespace or given.stack.name}.svc.{profile.networks.cluster_domain}"
