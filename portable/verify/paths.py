"""Every app sees the library and its state at the paths that hold everywhere (promise 1), and it is one library."""

from collections.abc import Iterator

from portable.verify.contract import Contract, Found, about, broken, folder_of, holds, library_of, mounts_of, running, unknown
from portable.verify.stack import Stack


def check(stack: Stack) -> Iterator[Found]:
    """What is mounted where in each container; then whether all who see the library see the same one."""
    up = f"`portable up -p {stack.plan.profile}` makes it anew with what the plan says"
    for placed in running(stack):
        seen, wrong = stack.look(placed).mounts, []
        promised = list(mounts_of(stack, placed.container))
        for volume, path, _ in promised:
            folder = folder_of(volume)
            if path not in seen and not _is_scratch(volume):
                wrong.append(f"{path} is not mounted")
            elif folder is not None and seen.get(path, folder) != folder:
                wrong.append(f"{path} is {seen[path]} instead of {folder}")
        if wrong:
            yield broken(about(placed), "; ".join(wrong), up)
        elif promised:
            yield holds(about(placed), f"{', '.join(sorted(path for _, path, _ in promised))}: as promised")
    yield from _one_library(stack)


def _one_library(stack: Stack) -> Iterator[Found]:
    """By device and inode of its root inside: a mount that came later may cover what the engine says is there."""
    found: dict[str, list[str]] = {}
    for placed in running(stack):
        seen = library_of(stack, placed.container)
        if seen is None:
            continue
        said = stack.inside(placed, ["stat", "-c", "%d:%i", seen[0]])
        if said.done:
            found.setdefault(said.text, []).append(about(placed))
        else:
            yield unknown(about(placed), f"its library can't be looked at: {said.text}")
    most = max(found.values(), key=len, default=[])
    for apps in found.values():
        for app in apps:
            if apps is not most:
                text = f"sees another library than {', '.join(most)}"
                yield broken(app, text, f"`portable restart -p {stack.plan.profile} {app}` after the library is mounted on the host")
            elif len(most) > 1:
                yield holds(app, "sees the one library")


def _is_scratch(volume: object) -> bool:
    from portable.model.plan import Scratch

    return isinstance(getattr(volume, "place", None), Scratch)


CONTRACT = Contract(name="paths", promise="every app sees the one library and its own state at the promised paths", check=check)
