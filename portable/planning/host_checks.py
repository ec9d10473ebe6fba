"""Apps that must know the names by which people come: to answer them at all, to tell other devices, or to be claimed."""

import re
from collections.abc import Collection, Iterator, Mapping

from portable.catalog.catalog import Catalog
from portable.model.exposures import Lan
from portable.model.findings import Finding
from portable.planning.inputs import PlanInput
from portable.planning.network import PlannedNetwork
from portable.planning.select import Selection

_USES_NAMES = re.compile(r"\{[{%][^}]*\b(?:names|addresses)\b")
"""A template that writes the names of an app into its settings, for its host check (docs/facts/probes.md#host-checks)."""
_USES_ADDRESS = re.compile(r"\{[{%][^}]*\baddress\(")
"""A template that writes the first address of an app into its settings."""


def nameless_host_checks(given: PlanInput, chosen: Selection, net: PlannedNetwork, catalog: Catalog) -> Iterator[Finding]:
    """Yield a finding for each app with a host check that is published on the LAN of a host without a name."""
    exposure = given.profile.exposure
    if exposure.address or exposure.addresses:
        return
    for app in sorted({e.app for e in net.exposures if isinstance(e.how, Lan)}):
        if app not in chosen.apps:
            continue
        if _writes(_USES_NAMES, chosen, app, catalog):
            text = f"{app} answers only the names that it knows, and the profile names none for the LAN: browsers there get an error"
        elif _writes(_USES_ADDRESS, chosen, app, catalog):
            text = f"{app} must know the address at which people find it, and the profile names none for the LAN: others may not get in"
        else:
            continue
        yield Finding(
            field="exposure.address",
            path=f"apps.{app}",
            class_="function",
            app=app,
            text=text,
            remedy="name the host as people do: `exposure: {address: nas.lan, addresses: [192.168.1.10]}`",
            code="exposure.no-name",
            where=given.profile_source("exposure"),
        )


def unclaimed(chosen: Selection, net: PlannedNetwork, addresses: Mapping[str, Collection[str]]) -> Iterator[Finding]:
    """Yield a finding for each app that must be claimed, and that people reach from other networks than that of its container."""
    for app in sorted({exposure.app for exposure in net.exposures}):
        entry = chosen.apps.get(app)
        if entry is None or (claim := entry.facts.claim) is None:
            continue
        known = " and ".join(address for address in addresses.get(app, ()) if "://localhost:" not in address)
        at = f"set {claim.addresses} to {known or 'the address at which people open it'}"
        yield Finding(
            field="claim",
            path=f"apps.{app}",
            class_="function",
            app=app,
            text=f"until {app} is claimed, nobody on another network than its container's can set it up, so nobody on the LAN; and it "
            "tells other devices only the container's own address",
            remedy=f"store a token right before the first start, `portable secrets set {claim.secret}`; then {at}",
            code="app.claim",
            where=entry.document.source(("claim",)),
        )


def _writes(pattern: re.Pattern[str], chosen: Selection, app: str, catalog: Catalog) -> bool:
    facts = chosen.apps[app].facts
    for container in facts.containers.values():
        if any(pattern.search(str(value)) for value in container.environment.values()):
            return True
        for file in container.files:
            text = catalog.folder(app) / file.template
            if file.template.endswith(".j2") and text.is_file() and pattern.search(text.read_text(encoding="utf-8")):
                return True
    return False
