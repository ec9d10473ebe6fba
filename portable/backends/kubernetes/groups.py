"""Which groups need which, and the waves in which a controller may apply them."""

from collections.abc import Iterator, Mapping

from portable.backends.kubernetes.scope import Scope
from portable.model.plan import Group


def needed_groups(scope: Scope, group: Group) -> tuple[str, ...]:
    """Return the groups that must run for this one: those of the apps that its own apps and clouds name."""
    index = {app: other.name for other in scope.plan.groups for app in other.apps}
    members = scope.members(group)
    needed = {after.app for app in members for after in app.after}
    clouds = {cloud for app in members for cloud in app.clouds if cloud in scope.clouds}
    needed |= {after.app for cloud in clouds for after in scope.clouds[cloud].after}
    return tuple(sorted({index[app] for app in needed if app in index} - {group.name}))


def start_order(scope: Scope) -> dict[str, tuple[str, ...]]:
    """Return for each group those that come before it. Groups that need each other do not wait: nothing would ever start."""
    needs = {group.name: needed_groups(scope, group) for group in scope.plan.groups}
    return {name: tuple(other for other in needed if name not in _reached(needs, other)) for name, needed in needs.items()}


def waves(order: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    """Return the wave of each group: 0 for one that waits for nothing, else one more than the last that it waits for."""
    found: dict[str, int] = {}

    def wave(name: str) -> int:
        if name not in found:
            found[name] = max((wave(other) + 1 for other in order[name]), default=0)
        return found[name]

    return {name: wave(name) for name in order}


def _reached(needs: Mapping[str, tuple[str, ...]], start: str) -> frozenset[str]:
    """Return the groups that one needs, directly or through others."""

    def walk(name: str) -> Iterator[str]:
        for other in needs[name]:
            if other not in seen:
                seen.add(other)
                yield other
                yield from walk(other)

    seen: set[str] = set()
    return frozenset(walk(start))
