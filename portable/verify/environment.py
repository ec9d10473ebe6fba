"""Every container runs with the variables and the program of the plan and its image; a gateway has no other settings.

An unplanned variable can lead an app past its tunnel (`HTTP_PROXY`), and a changed value can open the gateway's fence. Values may be
secrets, so only names are shown.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Protocol

from portable.backends.common import PlacedContainer, main_container
from portable.live.view import View
from portable.model.plan import File
from portable.model.secret_refs import SecretRef
from portable.model.shell import script
from portable.verify.contract import Contract, Found, about, broken, holds, running, unknown, untried

NAME = "environment"
_PROXY = re.compile(r"(https?|ftp|all|no|socks)_proxy", re.IGNORECASE)
_SETTING = re.compile(r"[A-Za-z0-9_]+|client\.(crt|key)|wg0\.conf|post-rules\.txt")
_PROCESS = ["cat", "/proc/1/environ"]
_ADDED = frozenset({"PATH", "HOME", "HOSTNAME", "TERM", "container", "PWD", "OLDPWD", "SHLVL", "_"})
"""Variables that engines, or a shell that starts the program, add to the first process."""


class Values(Protocol):
    """The known values of secrets, which must not appear in any text."""

    def of(self, name: str, key: str = "value") -> str:
        """Return a value; empty if it is unknown or not set."""
        ...

    def fill(self, file: File) -> str:
        """Return the whole text of a file, with its secrets filled in."""
        ...


class _Unknown:
    def of(self, name: str, key: str = "value") -> str:
        del name, key
        return ""

    def fill(self, file: File) -> str:
        return "".join(part for part in file.body if isinstance(part, str))


UNKNOWN: Values = _Unknown()
"""No value is known."""


def environment(values: Values = UNKNOWN) -> Contract:
    """Return the contract for a stack with these secrets; unknown values are not compared."""

    def check(stack: View) -> Iterator[Found]:
        gateways = stack.plan.gateways
        fenced = gateways | set(stack.plan.behind_gateways)
        for placed in running(stack):
            name = placed.app.name if placed.app else ""
            yield _container(stack, placed, values, is_fenced=name in fenced)
            if placed.app and name in gateways and placed.container is main_container(placed.app):
                yield from _gateway(stack, placed, values)

    promise = "containers run with the variables and the program of the plan and their images, and no others"
    return Contract(name=NAME, promise=promise, check=check)


def anew(stack: View, placed: PlacedContainer) -> str:
    """Return the remedy for a container that `up` would not recreate, because the labels that it compares are right."""
    app = placed.app.name if placed.app else f"cloud-{placed.cloud.id}" if placed.cloud else "init"
    profile = stack.plan.profile
    return f"recreate it with `portable down -p {profile} {app}`, then `portable up -p {profile}`; its data stays"


def _container(stack: View, placed: PlacedContainer, values: Values, *, is_fenced: bool) -> Found:
    subject, actual = about(placed), stack.look(placed)
    if actual.image is None:
        return unknown(subject, "its image no longer exists, so the variables of the image are unknown")
    planned, faults, unsure = stack.planned(placed), [], []
    unread = ""
    has = {*actual.environment, *actual.secret_env}
    extra = sorted(has - planned.environment.keys() - actual.image.environment.keys())
    proxies = [name for name in extra if _PROXY.fullmatch(name)]
    if is_fenced:  # a proxy in an image is never planned
        whole, problem = (actual.environment, "") if actual.has_image_variables else _first_process(stack, placed)
        if not whole and not actual.has_image_variables:
            unread = f"variables of its image cannot be read ({problem}): a proxy among them would lead past the tunnel"
        baked = actual.image.environment.keys() if actual.has_image_variables else whole.keys() - has
        proxies += sorted(name for name in baked - planned.environment.keys() if _leads_away(name, whole))
    if proxies:
        past = ", which lead past the tunnel" if is_fenced else ""
        faults.append(f"unplanned proxy variables{past}: {', '.join(proxies)}")
    if others := [name for name in extra if name not in proxies]:
        faults.append(f"variables that are neither in the plan nor in its image: {', '.join(others)}")
    changed: list[str] = []
    for name, value in sorted({**actual.image.environment, **planned.environment}.items()):
        if name not in has:
            continue
        if name in actual.secret_env:
            changed += [name] if value != actual.secret_env[name] else []
        elif isinstance(value, SecretRef):
            secret = values.of(value.name, value.key)
            if secret or not actual.environment[name]:
                changed += [name] if secret != actual.environment[name] else []
            else:
                unsure.append(name)
        elif value != actual.environment[name]:
            changed.append(name)
    if changed:
        faults.append(f"variables with other values than in the plan or its image: {', '.join(changed)}")
    if missing := sorted((planned.environment.keys() | actual.image.environment.keys()) - has):
        faults.append(f"missing variables: {', '.join(missing)}")
    entrypoint = actual.image.entrypoint if planned.entrypoint is None else planned.entrypoint
    command = planned.command if planned.command is not None else actual.image.command if planned.entrypoint is None else ()
    if (actual.entrypoint, actual.command) != (entrypoint, command):
        faults.append("its command differs from the plan or its image")
    if faults:
        return broken(subject, "; ".join(faults), anew(stack, placed))
    if unread:
        return unknown(subject, unread)
    if unsure:
        return unknown(subject, f"variables whose secrets are unknown here are not compared: {', '.join(unsure)}")
    return holds(subject, f"{len(has)} variables, all from the plan{' or its image' if actual.has_image_variables else ''}")


def _leads_away(name: str, environment: Mapping[str, str]) -> bool:
    return bool(_PROXY.fullmatch(name)) and name.lower() != "no_proxy" and bool(environment.get(name))


def _gateway(stack: View, placed: PlacedContainer, values: Values) -> Iterator[Found]:
    """Check everything that overrides a gateway's variables from inside: files, and the variables of its first process."""
    yield _overriding(stack, placed)
    yield from _files(stack, placed, values)
    yield _process(stack, placed)


def _overriding(stack: View, placed: PlacedContainer) -> Found:
    subject = about(placed)
    answer = stack.inside(placed, ["sh", "-c", script(__name__, "environment.sh")], user="0")
    if not answer.done:
        return unknown(subject, f"cannot search for files that override its settings: {answer.text or answer.code}")
    container = placed.container
    planned = {mount.path for mount in container.files} | {f"{m.path.rstrip('/')}/{key}" for m in container.secrets for key in m.keys}
    existing = {path for path in answer.text.splitlines() if path.startswith("/") and _SETTING.fullmatch(PurePosixPath(path).name)}
    if unplanned := sorted(existing - planned):
        text = f"unplanned files override its settings: {', '.join(unplanned)}"
        return broken(subject, text, f"{anew(stack, placed)}; remove a file in a volume by hand")
    return holds(subject, "no file overrides its settings")


def _files(stack: View, placed: PlacedContainer, values: Values) -> Iterator[Found]:
    files = {file.id: file for file in stack.plan.files}
    for mount in placed.container.files:
        if mount.seed or mount.file not in files:
            continue
        answer = stack.inside(placed, ["cat", mount.path], user="0")
        expected = _text(files[mount.file], values)
        if untried(answer):
            yield unknown(about(placed), f"{mount.path} cannot be read: {answer.text or answer.code}")
        elif expected is None:
            yield unknown(about(placed), f"{mount.path} is not compared, because it contains a secret whose value is unknown here")
        elif not answer.done or answer.text.strip() != expected.strip():
            yield broken(about(placed), f"{mount.path} differs from the plan", anew(stack, placed))
        else:
            yield holds(about(placed), f"{mount.path} is as planned")


def _text(file: File, values: Values) -> str | None:
    """Return the text of a file; None if a secret in it is unknown."""
    if any(not ref.optional and not values.of(ref.name, ref.key) for ref in file.secret_refs):
        return None
    return values.fill(file)


def _process(stack: View, placed: PlacedContainer) -> Found:
    """Compare the variables of the first process: a program that starts it can change those that the engine shows."""
    state = stack.look(placed)
    subject, expected = about(placed), state.environment
    actual, problem = _first_process(stack, placed)
    if not actual:
        return unknown(subject, f"the variables of its first process cannot be read: {problem}")
    compared = (actual.keys() | expected.keys()) - _ADDED if state.has_image_variables else expected.keys()
    names = {name for name in compared if actual.get(name) != expected.get(name)} | {
        name for name, ref in state.secret_env.items() if name not in actual and not ref.optional
    }
    if names:
        text = f"variables of its first process differ from the container's: {', '.join(sorted(names))}"
        return broken(subject, text, anew(stack, placed))
    return holds(subject, "its first process has the variables of the container")


def _first_process(stack: View, placed: PlacedContainer) -> tuple[Mapping[str, str], object]:
    """Return the variables of a container's first process; if they cannot be read, none, and the reason."""
    answer = stack.inside(placed, _PROCESS, user="0")
    if answer.code is None and not answer.hangs:  # where the container's own user runs its first process, that user can read it
        answer = stack.inside(placed, _PROCESS)
    found = dict(entry.partition("=")[::2] for entry in answer.text.split("\0") if "=" in entry) if answer.done else {}
    return found, answer.text[:200] or answer.code
