"""Apps that answer only requests for the names they know, in a place that names none by which people come."""

import re
from collections.abc import Iterator

from portable.catalog.catalog import Catalog
from portable.model.exposures import Lan
from portable.model.findings import Finding
from portable.planning.inputs import PlanInput
from portable.planning.network import PlannedNetwork
from portable.planning.select import Selection

_USES_NAMES = re.compile(r"\{[{%][^}]*\b(?:names|addresses)\b")
"""A template that writes the names of an app into its settings, for its host check (docs/facts/probes.md#host-checks)."""


def nameless_host_checks(given: PlanInput, chosen: Selection, net: PlannedNetwork, catalog: Catalog) -> Iterator[Finding]:
    """Yield a finding for each app with a host check that is published on the LAN of a host without a name."""
    exposure = given.profile.exposure
    if exposure.address or exposure.addresses:
        return
    for app in sorted({e.app for e in net.exposures if isinstance(e.how, Lan)}):
        if app in chosen.apps and _checks_hosts(chosen, app, catalog):
            yield Finding(
                field="exposure.address",
                path=f"apps.{app}",
                class_="function",
                app=app,
                text=f"{app} answers only the names that it knows, and the profile names none for the LAN: browsers there get an error",
                remedy="name the host as people do: `exposure: {address: nas.lan, addresses: [192.168.1.10]}`",
                code="exposure.no-name",
                where=given.profile_source("exposure"),
            )


def _checks_hosts(chosen: Selection, app: str, catalog: Catalog) -> bool:
    facts = chosen.apps[app].facts
    for container in facts.containers.values():
        if any(_USES_NAMES.search(str(value)) for value in container.environment.values()):
            return True
        for file in container.files:
            text = catalog.folder(app) / file.template
            if file.template.endswith(".j2") and text.is_file() and _USES_NAMES.search(text.read_text(encoding="utf-8")):
                return True
    return False
