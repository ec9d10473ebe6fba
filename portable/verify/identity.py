"""Apps run as the plan says, so that what one writes another can use: user, group and umask of their processes."""

from collections.abc import Iterator

from portable.live.view import View
from portable.model.plan import Identity
from portable.verify.contract import PROCESSES, Contract, Found, about, broken, holds, library_of, processes, running, unknown


def check(stack: View) -> Iterator[Found]:
    """Read from the kernel's own table; who asks is left out."""
    for placed in running(stack):
        identity, subject = placed.container.identity, about(placed)
        if identity.how == "fixed":
            continue
        said = stack.inside(placed, PROCESSES)
        if not said.done or not said.text:
            yield unknown(subject, f"its processes can't be told: {said.text or said.code}")
            continue
        library = library_of(stack, placed.container)
        shares = identity.how == "puid-pgid" and library is not None and library[1] == "rw"
        yield _judged(subject, identity, tuple(processes(said.text)), stack.plan.profile, shares=shares)


def _judged(subject: str, identity: Identity, found: tuple[dict[str, str], ...], profile: str, *, shares: bool) -> Found:
    """The umask counts where others use what the app writes, and where the plan gives it one."""
    wanted = f"{identity.uid}:{identity.gid}"
    anew = f"`portable up -p {profile}` makes it anew as {wanted}"
    mine = [fields for fields in found if ids(fields) == (identity.uid, identity.gid)]
    if not mine:
        seen = ", ".join(sorted({":".join(map(str, ids(fields))) for fields in found})) or "nobody"
        return broken(subject, f"nothing in it runs as {wanted}: {seen}", anew)
    umasks = {fields["Umask"][-3:] for fields in mine if "Umask" in fields}
    if shares and umasks and identity.umask[-3:].rjust(3, "0") not in umasks:
        return broken(subject, f"what it writes has the umask {', '.join(sorted(umasks))} instead of {identity.umask}", anew)
    return holds(subject, f"runs as {wanted}, umask {', '.join(sorted(umasks)) or 'untold'}")


def ids(fields: dict[str, str]) -> tuple[int, int]:
    """The user and group in whose name a process reaches files: the second of four."""
    return int(fields["Uid"].split()[1]), int(fields["Gid"].split()[1])


CONTRACT = Contract(name="identity", promise="apps run as the user that the files belong to", check=check)
