"""Checks `secrets.names`: Secrets that have another name in the cluster."""

from collections.abc import Iterator

from portable.model.exposures import Ingress
from portable.model.plan import Claim, Plan
from portable.planning.inputs import Mistakes, PlanInput


def named_secrets(plan: Plan, given: PlanInput, mistakes: Mistakes) -> None:
    """Note names of unknown Secrets, and Secrets that would share one name: it would have to hold the keys of both."""
    known = sorted(set(_used(plan)))
    names = given.profile.secrets.names
    reserved = {*known, *_others(plan)}
    for name, renamed in names.items():
        source, path = given.profile_source("secrets", "names", name), f"secrets.names.{name}"
        if name not in known:
            mistakes.unknown(source, path, "Secret", name, known, code="plan.secret-unknown")
        if same := [other for other in (*names, *reserved) if other != name and names.get(other, other) == renamed]:
            text = f"{name} and {same[0]} would use one Secret, {renamed}"
            mistakes.add(source, path, text, "give each its own name", code="plan.secret-shared")


def _others(plan: Plan) -> Iterator[str]:
    """Secrets that the profile itself names: certificates, and logins of shares."""
    yield from (e.how.tls_secret for e in plan.exposures if isinstance(e.how, Ingress) and e.how.tls_secret)
    places = (volume.place for volume in plan.volumes)
    yield from (place.share.login for place in places if isinstance(place, Claim) and place.share and place.share.login)


def _used(plan: Plan) -> Iterator[str]:
    for container in plan.containers():
        yield from (ref.name for ref in container.secret_refs)
    yield from (file.id for file in plan.files if file.is_secret)
