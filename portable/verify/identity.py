"""Apps run as the user, user group and umask of the plan, so that each can use the files of the others."""

from collections.abc import Iterator

from portable.live.view import View
from portable.model.plan import Identity
from portable.verify.contract import PROCESSES, Contract, Found, about, broken, holds, library_of, processes, running, unknown


def check(stack: View) -> Iterator[Found]:
    """Read the processes from the kernel's table, without those of the check itself."""
    for placed in running(stack):
        identity, subject = placed.container.identity, about(placed)
        if identity.how == "fixed":
            continue
        answer = stack.inside(placed, PROCESSES)
        if not answer.done or not answer.text:
            yield unknown(subject, f"its processes cannot be listed: {answer.text or answer.code}")
            continue
        library = library_of(stack, placed.container)
        shares = identity.how == "puid-pgid" and library is not None and library[1] == "rw"
        yield _compare(subject, identity, tuple(processes(answer.text)), stack.plan.profile, shares=shares)


def _compare(subject: str, identity: Identity, found: tuple[dict[str, str], ...], profile: str, *, shares: bool) -> Found:
    """Compare processes with the plan. The umask counts only if others use the app's files and the plan sets a umask."""
    wanted = f"{identity.uid}:{identity.gid}"
    remedy = f"run `portable up -p {profile}`, which recreates it as {wanted}"
    own = [fields for fields in found if ids(fields) == (identity.uid, identity.gid)]
    if not own:
        users = ", ".join(sorted({":".join(map(str, ids(fields))) for fields in found})) or "none"
        seen = f"only as {users}" if found else "and none was found"
        return broken(subject, f"no process runs as {wanted}, {seen}", remedy)
    umasks = {fields["Umask"][-3:] for fields in own if "Umask" in fields}
    if shares and umasks and identity.umask[-3:].rjust(3, "0") not in umasks:
        return broken(subject, f"it writes files with umask {', '.join(sorted(umasks))} instead of {identity.umask}", remedy)
    return holds(subject, f"runs as {wanted}, umask {', '.join(sorted(umasks)) or 'unknown'}")


def ids(fields: dict[str, str]) -> tuple[int, int]:
    """Return the effective user and group of a process: the second of four numbers."""
    return int(fields["Uid"].split()[1]), int(fields["Gid"].split()[1])


CONTRACT = Contract(name="identity", promise="apps run as the user who owns the files", check=check)
