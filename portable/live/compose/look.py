"""Observes the engine, and completes the desired state with facts that only Compose and the engine know."""

from collections.abc import Mapping

from portable.engines.docker.engine import EngineReader
from portable.engines.docker.observed import Observed
from portable.live.compose.desired import ComposeStack, Desired, current, desire, differing, joined
from portable.live.compose.preflight import refuse_foreign
from portable.local.folders import FILE
from portable.local.paths import state_home
from portable.model.errors import PortableError


def look(engine: EngineReader, stack: ComposeStack, effective: Mapping[str, str], variables: Mapping[str, str]) -> tuple[Desired, Observed]:
    """Observe the project, and add Compose's hashes and the engine's image ids to the desired state."""
    from portable.formats.emit import dump

    observed = engine.observe(stack.project, effective.values())
    refuse_foreign(observed, stack.project)
    desired = desire(stack, effective, variables, observed)
    import msgspec

    if observed.containers:
        hashes = engine.config_hashes(stack.project, dump(joined(desired, observed), compose=True), variables)
        desired = msgspec.structs.replace(desired, hashes={name: frozenset((digest,)) for name, digest in hashes.items()})
        if any(seen.config_hash != hashes.get(name) for name, seen in current(observed).items()):
            desired = msgspec.structs.replace(desired, settings=_settings(desired))
    return msgspec.structs.replace(desired, image_ids=observed.images), observed


def _settings(desired: Desired) -> dict[str, tuple[str, ...]]:
    """The keys that differ from the document of the last `up` from this machine; empty if that document is missing."""
    import yaml

    from portable.formats.emit import dump

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        before = yaml.load((state_home() / desired.project / FILE).read_text(), loader)  # noqa: S506  # it makes texts only
        return differing(before, yaml.load(dump(dict(desired.body), compose=True), loader))  # noqa: S506
    except (OSError, ValueError, yaml.YAMLError, AttributeError, PortableError):
        return {}
