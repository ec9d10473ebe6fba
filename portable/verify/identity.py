"""Apps run as the plan says, so that what one writes another can use: user, group and umask of their processes."""

from collections.abc import Iterator

from portable.model.plan import Identity
from portable.verify.contract import Contract, Found, about, broken, holds, library_of, running, unknown
from portable.verify.stack import Stack

_PROCESSES = "cat /proc/[0-9]*/status 2>/dev/null || true"


def check(stack: Stack) -> Iterator[Found]:
    """Read from the kernel's own table; who asks is left out."""
    for placed in running(stack):
        identity, subject = placed.container.identity, about(placed)
        if identity.how == "fixed":
            continue
        said = stack.inside(placed, ["sh", "-c", _PROCESSES])
        if said.code != 0 or not said.text:
            yield unknown(subject, f"its processes can't be told: {said.text or said.code}")
            continue
        library = library_of(stack, placed.container)
        shares = identity.how == "puid-pgid" and library is not None and library[1] == "rw"
        yield _judged(subject, identity, tuple(processes(said.text)), stack.plan.profile, shares=shares)


def processes(text: str) -> Iterator[dict[str, str]]:
    """The fields of each process; those of the question itself (`sh` and `cat`) are not among them."""
    for block in ("\n" + text).split("\nName:")[1:]:
        fields = {key: value.strip() for key, _, value in (line.partition(":") for line in f"Name:{block}".splitlines())}
        if fields["Name"] != "cat" and not (fields["Name"] == "sh" and fields.get("PPid") == "0" and fields.get("Pid") != "1"):
            yield fields


def _judged(subject: str, identity: Identity, found: tuple[dict[str, str], ...], profile: str, *, shares: bool) -> Found:
    """The umask counts where others use what the app writes, and where the plan gives it one."""
    wanted = f"{identity.uid}:{identity.gid}"
    anew = f"`portable up -p {profile}` makes it anew as {wanted}"
    mine = [fields for fields in found if _ids(fields) == (identity.uid, identity.gid)]
    if not mine:
        seen = ", ".join(sorted({":".join(map(str, _ids(fields))) for fields in found})) or "nobody"
        return broken(subject, f"nothing in it runs as {wanted}: {seen}", anew)
    umasks = {fields["Umask"][-3:] for fields in mine if "Umask" in fields}
    if shares and umasks and not umasks & {identity.umask[-3:].rjust(3, "0")}:
        return broken(subject, f"what it writes has the umask {', '.join(sorted(umasks))} instead of {identity.umask}", anew)
    return holds(subject, f"runs as {wanted}, umask {', '.join(sorted(umasks)) or 'untold'}")


def _ids(fields: dict[str, str]) -> tuple[int, int]:
    """The user and group in whose name a process reaches files: the second of four."""
    return tuple(int(fields[key].split()[1]) for key in ("Uid", "Gid"))  # type: ignore[return-value]


CONTRACT = Contract(name="identity", promise="apps run as the user that the files belong to", check=check)
