"""Contracts: conditions that a running stack must meet, each with its check in a file of its own. Nothing is repaired here."""

from collections.abc import Iterator, Sequence

from portable.live.view import View
from portable.model.contracts import ContractResult
from portable.model.errors import UsageError
from portable.verify.answers import HostOf, answers
from portable.verify.clouds import CONTRACT as CLOUDS
from portable.verify.contract import Contract, parts
from portable.verify.databases import CONTRACT as DATABASES
from portable.verify.devices import CONTRACT as DEVICES
from portable.verify.egress import egress
from portable.verify.environment import UNKNOWN, Values, environment
from portable.verify.fence import CONTRACT as FENCE
from portable.verify.identity import CONTRACT as IDENTITY
from portable.verify.kill_switch import kill_switch
from portable.verify.links import CONTRACT as LINKS
from portable.verify.listener import CONTRACT as LISTENER
from portable.verify.names import CONTRACT as NAMES
from portable.verify.paths import CONTRACT as PATHS
from portable.verify.ports import CONTRACT as PORTS
from portable.verify.privacy import CONTRACT as PRIVACY
from portable.verify.privileges import CONTRACT as PRIVILEGES
from portable.verify.runs import CONTRACT as RUNS
from portable.verify.secrecy import Told, secrecy
from portable.verify.shares import CONTRACT as SHARES
from portable.verify.tunnel import CONTRACT as TUNNEL


def contracts(
    told: Told = lambda _: (),
    missing: Sequence[str] = (),
    *,
    known: bool = True,
    beacon: str | None = None,
    disruptive: bool = False,
    values: Values = UNKNOWN,
    host_of: HostOf = lambda _group, _app, name: name,
) -> tuple[Contract, ...]:
    """Return all contracts, ordered so that one explains the next.

    `told` returns the names of the secrets that a text contains, `missing` are the secrets without a known value. `values` are the values
    of the secrets, to be compared with those in containers. `host_of` is the host name by which apps call each other. `beacon` is a URL
    that returns the caller's own address. Contracts that disturb the apps come last, and only with `disruptive`.
    """
    middle = (CLOUDS, PATHS, LINKS, IDENTITY, PRIVACY, answers(host_of), PORTS, DEVICES, DATABASES, secrecy(told, missing, known=known))
    first = (RUNS, SHARES, FENCE, NAMES, TUNNEL, environment(values), PRIVILEGES, egress(beacon), LISTENER)
    return (*first, *middle, *((kill_switch(beacon),) if disruptive else ()))


def verify(stack: View, chosen: Sequence[Contract]) -> Iterator[ContractResult]:
    """Yield the results of each contract in turn: each cleans up after itself, so that none sees another's traces."""
    for contract in chosen:
        yield from contract.tried(stack)


def down(stack: View) -> ContractResult | None:
    """Return the one result of a stack without any container, of which no contract can be checked; None for any other stack.

    A container that the plan does not have is a fault of its own, which the contracts report.
    """
    placed = tuple(parts(stack))
    if not placed or any(stack.look(each).state != "missing" for each in placed) or stack.others():
        return None
    remedy = f"run `portable up -p {stack.plan.profile}`"
    return ContractResult(contract=RUNS.name, subject="the stack", verdict="unknown", text="the stack is down", remedy=remedy)


def named(every: Sequence[Contract], names: Sequence[str]) -> tuple[Contract, ...]:
    """Return the contracts of those names, in their own order; all contracts without names. Raises UsageError for an unknown name."""
    known = [contract.name for contract in every]
    if unknown := [name for name in names if name not in known]:
        import difflib  # only for a mistake

        near = dict.fromkeys(match for name in unknown for match in difflib.get_close_matches(name, known, 1))
        suggestion = f"did you mean {', '.join(map(repr, near))}? " if near else ""
        text = f"unknown contract{'s' if len(unknown) > 1 else ''}: {', '.join(unknown)}"
        raise UsageError(text, code="verify.unknown-contract", where="verify", remedy=f"{suggestion}known: {', '.join(known)}")
    return tuple(contract for contract in every if not names or contract.name in names)
