"""Labels and annotations of objects, by app and kind: valid keys that break no promise, and one value for each object."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from portable.model.clear_text import why_secret
from portable.model.findings import Finding
from portable.model.metadata import MarkKind, ObjectKind, ObjectMetadata, invalid_mark, reserved_mark
from portable.model.plan import Claim, Plan
from portable.planning.inputs import Mistakes, PlanInput
from portable.profiles.types import MarksFacts, ObjectsFacts

_MARKS: tuple[MarkKind, ...] = ("annotations", "labels")
_KINDS: tuple[ObjectKind, ...] = ("claim", "http-route", "ingress", "load-balancer", "pod", "route", "service", "workload")


def metadata(plan: Plan, given: PlanInput, known: Collection[str], mistakes: Mistakes) -> tuple[ObjectMetadata, ...]:
    """The labels and annotations of the profile: those of all apps first, then by app and kind.

    `known` are the apps of the catalog: a profile may describe one that this stack does not run.
    """
    section = given.profile.metadata
    made = [_made(None, kind, facts, ("default",), given, mistakes) for kind, facts in _kinds(section.default)]
    names = {app.name for app in plan.apps}
    for app, objects in sorted(section.apps.items()):
        if app not in {*names, *known}:
            source, path = given.profile_source("metadata", "apps", app), f"metadata.apps.{app}"
            mistakes.unknown(source, path, "app", app, sorted(names), code="metadata.app")
        if app not in names:
            continue
        made += [_made(app, kind, facts, ("apps", app), given, mistakes) for kind, facts in _kinds(objects)]
    _conflicts(plan, made, given, mistakes)
    return tuple(made)


def metadata_findings(plan: Plan) -> Iterator[Finding]:
    """Yield a note for each kind and app: nobody here knows what controllers make of these keys."""
    for marks in plan.metadata:
        keys = ", ".join([*(f"annotation {key}" for key in sorted(marks.annotations)), *(f"label {key}" for key in sorted(marks.labels))])
        text = f"The profile adds to each {marks.kind} of {marks.app or 'all apps'}: {keys}. Controllers of the cluster may act on them."
        remedy = "look up what each controller does with them; `portable` only checks that no promise breaks"
        yield Finding(
            field="metadata",
            path=f"metadata.{marks.app or ''}:{marks.kind}",
            class_="cosmetic",
            text=text,
            remedy=remedy,
            code="metadata.added",
            app=marks.app,
        )


def _kinds(facts: ObjectsFacts) -> Iterator[tuple[ObjectKind, MarksFacts]]:
    for kind in _KINDS:
        marks: MarksFacts | None = getattr(facts, kind.replace("-", "_"))
        if marks is not None and (marks.annotations or marks.labels):
            yield kind, marks


def _made(
    app: str | None, kind: ObjectKind, facts: MarksFacts, steps: tuple[str, ...], given: PlanInput, mistakes: Mistakes
) -> ObjectMetadata:
    for marks in _MARKS:
        for key, value in _of(facts, marks).items():
            at = ("metadata", *steps, kind, marks, key)
            source, path = given.profile_source(*at), ".".join(at)
            if text := invalid_mark(marks, key, value):
                mistakes.add(source, path, text, "correct it", code="metadata.invalid")
            elif reason := reserved_mark(kind, marks, key):
                text = f"{marks[:-1]} {key} of a {kind} may not be set: {reason}"
                mistakes.add(source, path, text, "remove it", code="metadata.reserved")
            elif why := why_secret(key.rpartition("/")[2], value):
                text = f"{marks[:-1]} {key} {why}, and everybody who reads the objects of the cluster sees its value"
                mistakes.add(source, path, text, "remove it, and let its reader take the value from a Secret", code="security.clear-secret")
    return ObjectMetadata(kind=kind, app=app, annotations=facts.annotations, labels=facts.labels)


def _of(facts: MarksFacts | ObjectMetadata, marks: MarkKind) -> Mapping[str, str]:
    return facts.annotations if marks == "annotations" else facts.labels


def _conflicts(plan: Plan, made: Iterable[ObjectMetadata], given: PlanInput, mistakes: Mistakes) -> None:
    """Note two apps that want different values for one object: the pod that they share, or a claim."""
    by_app = {(marks.app, marks.kind): marks for marks in made if marks.app is not None}
    if not by_app:
        return
    shared: list[tuple[ObjectKind, str, tuple[str, ...]]] = []
    for group in plan.groups:
        shared += [("pod", f"the pod of {group.name}", group.apps), ("workload", f"the workload of {group.name}", group.apps)]
    shared += [("claim", f"claim {claim}", apps) for claim, apps in claim_users(plan).items()]
    for kind, what, apps in shared:
        wanted: dict[tuple[MarkKind, str], tuple[str, str]] = {}
        for app in apps:
            own = by_app.get((app, kind))
            for marks in _MARKS if own is not None else ():
                assert own is not None
                for key, value in _of(own, marks).items():
                    first, other = wanted.setdefault((marks, key), (value, app))
                    if first != value:
                        at = ("metadata", "apps", app, kind, marks, key)
                        text = f"{what} belongs to {other} too, which wants {key}: {first}"
                        mistakes.add(given.profile_source(*at), ".".join(at), text, "give both the same value", code="metadata.conflict")


def claim_users(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The apps of each claim that the stack makes, in order."""
    claims = {volume.id: volume.place.name for volume in plan.volumes if isinstance(volume.place, Claim) and not volume.place.existing}
    users: dict[str, dict[str, None]] = {}
    for app in plan.apps:
        for container in app.containers:
            for mount in container.mounts:
                if mount.volume in claims:
                    users.setdefault(claims[mount.volume], {})[app.name] = None
    return {claim: tuple(apps) for claim, apps in users.items()}
