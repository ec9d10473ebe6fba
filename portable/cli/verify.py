"""`portable verify`: contracts, tried on the stack as it runs."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.options import Catalogs, Format, Output, Profile, Set
from portable.model.errors import DIFFERENCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portable.model.contracts import Held
    from portable.verify.contract import Contract


def complete_contract(incomplete: str) -> list[str]:
    """Names for the shell's completion."""
    from portable.verify import contracts

    return [contract.name for contract in contracts(bool) if contract.name.startswith(incomplete)]


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CONTRACT]...", autocompletion=complete_contract, help="Only these; all where none is named."),
    ] = None,
    profile: Profile = "local",
    everything: Annotated[bool, typer.Option("--all", help="What holds, too, one by one.")] = False,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Prove on the running stack what must be true of it; exit 3 where something is not."""
    from portable.backends.prepare import prepare
    from portable.cli.progress import printed
    from portable.cli.up import engine_of
    from portable.live.place import place_of
    from portable.live.progress import Event
    from portable.verify import contracts, named
    from portable.verify import verify as tried
    from portable.verify.compose import ComposeStack

    prepared = prepare(profile, sets=sets, catalogs=catalogs)
    named(contracts(bool), names or ())  # a name that none has is told before an engine is asked
    found: list[Held] = []
    with engine_of(place_of(prepared)) as engine:
        chosen = named(contracts(lambda text: engine.hide(text) != text), names or ())
        engine.check()
        stack = ComposeStack(engine, prepared.planned.plan)
        for contract in chosen:
            printed(Event(what="doing", subject=contract.name, text=f"trying whether {contract.promise}"))
            found += tried(stack, (contract,))
    if output is Format.json:
        rows = [(h.contract, h.subject, h.verdict, h.text, h.remedy) for h in found]
        show.table(("contract", "subject", "verdict", "text", "remedy"), rows, output, schema="verify")
    else:
        _printed(chosen, found, everything=everything)
    return DIFFERENCES if any(h.verdict == "broken" for h in found) else 0


def _printed(chosen: "Sequence[Contract]", found: "Sequence[Held]", *, everything: bool) -> None:
    """A line a contract, then what does not hold with what mends it, and what could not be tried with the reason."""
    counted = Counter((h.contract, h.verdict) for h in found)
    rows = [(c.name, *(counted[c.name, v] for v in ("holds", "broken", "unknown")), c.promise) for c in chosen]
    show.table(("contract", "holds", "broken", "unknown", "promise"), rows, Format.text, schema="verify")
    for verdict in ("holds", "unknown", "broken"):
        for h in found:
            if h.verdict == verdict and (everything or verdict != "holds" or h.contract == "clouds"):
                show.line(f"{h.contract}: {h.subject}: {'' if verdict == 'holds' else f'{verdict}: '}{h.text}")
                if h.remedy:
                    show.line(f"    {h.remedy}")
