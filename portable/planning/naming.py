"""Secrets that the cluster of a place has under other names."""

from collections.abc import Iterator

from portable.model.plan import Claim, Ingress, Plan
from portable.planning.inputs import Input, Mistakes


def named_secrets(plan: Plan, given: Input, mistakes: Mistakes) -> None:
    """Each is a Secret that pods of this plan take, and no two are one: the keys of both would have to be in it."""
    known = sorted(set(_taken(plan)))
    names = given.profile.secrets.names
    taken = {*known, *_others(plan)}
    for name, there in names.items():
        source, path = given.profile_source("secrets", "names", name), f"secrets.names.{name}"
        if name not in known:
            mistakes.unknown(source, path, "Secret", name, known)
        if same := [other for other in (*names, *taken) if other != name and names.get(other, other) == there]:
            mistakes.add(source, path, f"{name} and {same[0]} would both be the Secret {there}", "give each a name of its own")


def _others(plan: Plan) -> Iterator[str]:
    """Secrets that the profile names itself: certificates, and logins of shares."""
    yield from (e.how.tls_secret for e in plan.exposures if isinstance(e.how, Ingress) and e.how.tls_secret)
    places = (volume.place for volume in plan.volumes)
    yield from (place.share.login for place in places if isinstance(place, Claim) and place.share and place.share.login)


def _taken(plan: Plan) -> Iterator[str]:
    for container in plan.containers():
        yield from (ref.name for ref in container.secret_refs)
    yield from (file.id for file in plan.files if file.is_secret)
