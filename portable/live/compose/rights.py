"""The planned rights and settings of a container, from its rendered service; in the same terms as those of a running one."""

from collections.abc import Iterable

from portable.backends.common import PlacedContainer, index
from portable.backends.compose.names import project_name
from portable.backends.compose.network import NETWORK
from portable.backends.compose.service import service
from portable.engines.docker.rights import OWN, capabilities, security_options
from portable.model.plan import Plan
from portable.model.rights import PlannedContainer, Rights


def planned(placed: PlacedContainer, plan: Plan) -> PlannedContainer:
    """The variables, program and rights of a container, from its rendered service."""
    keys = service(placed, index(plan)).keys
    mode = keys.get("network_mode", "")
    networks = () if mode else keys.get("networks", (NETWORK,))  # Compose adds a service without networks to the project's default network
    secrets = placed.container.secret_env
    return PlannedContainer(
        environment={**keys.get("environment", {}), **secrets},
        entrypoint=_words(keys.get("entrypoint")),
        command=_words(keys.get("command")),
        rights=Rights(
            capabilities=capabilities(keys.get("cap_add"), keys.get("cap_drop")),
            devices=frozenset(device.partition(":")[0] for device in keys.get("devices", ())),
            network=_planned_network(mode),
            networks=frozenset(f"{project_name(plan)}_{name}" for name in networks),
            name_servers=tuple(keys.get("dns", ())),
            hosts=frozenset(f"{name} {address}" for name, address in keys.get("extra_hosts", {}).items()),
            security=security_options(keys.get("security_opt")),
            folders={entry["target"]: entry["source"] for entry in keys.get("volumes", ()) if entry["type"] == "bind"},
        ),
    )


def _words(given: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(given)


def _planned_network(mode: str) -> str:
    return f"the network of {mode.removeprefix('service:')}" if mode.startswith("service:") else mode or OWN
