"""Compares the memory limits of containers with the memory of the place; an engine would notice only by killing a container."""

from collections.abc import Iterator

from portable.catalog.quantities import amount, size
from portable.model import plan as p
from portable.model.findings import Finding, waiver
from portable.planning.inputs import Mistakes, PlanInput
from portable.planning.select import MOUNTER

_LARGEST_NAMED = 3


def memory(given: PlanInput, plan: p.Plan) -> Iterator[Finding]:
    """Yield a finding that stops the plan if the memory limits of all apps exceed `memory.total`.

    The same for each share under `memory.shares`. A waiver that names the app of the finding accepts it.
    """
    facts = given.profile.memory
    if facts is None:
        return
    limits = {app.name: sum(container.resources.memory_limit for container in app.containers) for app in plan.apps}
    # A mounter is not an app, and on a cluster each pod that reads the cloud has its own.
    for cloud in plan.clouds:
        pods = 1 if given.profile.traits.shares_cloud_mounts else len({g.name for g in plan.groups if _reads(plan, g, cloud.id)})
        limits[f"cloud {cloud.id}"] = cloud.fuse_mount.resources.memory_limit * pods
    yield from _excess("memory.total", "the place", limits, size(facts.total))
    for name, share in facts.shares.items():
        counted = {app: limits[app] for app in share.apps if app in limits}
        yield from _excess(f"memory.shares.{name}", f"share {name}", counted, size(share.limit))


def counted_once(given: PlanInput, mistakes: Mistakes) -> None:
    """Note apps that are listed in shares more than once."""
    facts = given.profile.memory
    seen: dict[str, str] = {}
    for name, share in facts.shares.items() if facts else ():
        for index, app in enumerate(share.apps):
            if app in seen:
                source = given.profile_source("memory", "shares", name, "apps", index)
                text = f"{app} is already counted in share {seen[app]}"
                mistakes.add(source, f"memory.shares.{name}.apps", text, "remove it from one share", code="memory.counted-twice")
            seen.setdefault(app, name)


def _reads(plan: p.Plan, group: p.Group, cloud: str) -> bool:
    return any(cloud in app.clouds for app in plan.apps if app.name in group.apps)


def _excess(path: str, what: str, counted: dict[str, int], given: int) -> Iterator[Finding]:
    total = sum(counted.values())
    if total <= given:
        return
    largest = sorted(counted, key=lambda name: (-counted[name], name))
    # The finding names the largest app: leaving it out helps most, and a waiver names it.
    app = next((name for name in largest if not name.startswith("cloud ")), None)
    share = "its share under `memory.shares`" if path != "memory.total" else "`memory.total`"
    named = ", ".join(f"{name} {amount(counted[name])}" for name in largest[:_LARGEST_NAMED])
    more = f" and {len(largest) - _LARGEST_NAMED} more" if len(largest) > _LARGEST_NAMED else ""
    yield Finding(
        field="memory",
        path=path,
        class_="function",
        verdict="refused",
        app=app,
        text=f"the memory limits add up to {amount(total)}: {named}{more}; {what} has {amount(given)}, {amount(total - given)} too little",
        remedy=f"leave an app out (`without: [...]`), lower a limit (`override: {{{app or MOUNTER}: {{containers: {{main: {{resources: "
        f"{{memory: {{limit: ...}}}}}}}}}}}}}}`), raise {share}, or accept it in the profile: "
        f"{waiver('memory', app, 'function', 'memory.exceeded')}. The engine then kills containers when memory runs out",
        code="memory.exceeded",
    )
