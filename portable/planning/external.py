"""The places of secrets in the store of the External Secrets Operator: by the profile's pattern, or one by one."""

import re
from collections.abc import Iterator, Mapping

from portable.model.exposures import Ingress
from portable.model.external import ExternalSecrets, RemoteValue, remote_key
from portable.model.plan import Claim, Plan
from portable.model.secret_refs import called
from portable.planning.inputs import Mistakes, PlanInput
from portable.profiles.types import ExternalFacts, RemoteFacts

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_KNOWN = ("key", "name", "namespace", "profile", "stack")
_Key = tuple[str, str]


def external_secrets(plan: Plan, given: PlanInput, mistakes: Mistakes) -> ExternalSecrets | None:
    """The store and the place of each value; None for another source of secrets."""
    secrets = given.profile.secrets
    if secrets.source != "external-secrets":
        return None
    if secrets.external is None:
        text = "`source: external-secrets` needs the store from which the operator fetches the values"
        remedy = "name it: `secrets: {source: external-secrets, external: {store: NAME, kind: ClusterSecretStore}}`"
        mistakes.add(given.profile_source("secrets", "source"), "secrets.external", text, remedy, code="plan.secret-store")
        return None
    facts = secrets.external
    needs = dict(sorted(_needs(plan).items()))
    _unknown(facts, needs, given, mistakes)
    _patterns(facts, given, mistakes)
    fixed = {"stack": plan.stack, "profile": plan.profile, "namespace": plan.namespace or plan.stack}
    named = frozenset(facts.remote)
    fetched = (key for key, is_optional in needs.items() if not is_optional or named & {key[0], ".".join(key)})
    values = tuple(_value(facts, key, fixed) for key in fetched)
    return ExternalSecrets(store=facts.store, kind=facts.kind, refresh=facts.refresh, creation=facts.creation, values=values)


def _value(facts: ExternalFacts, key: _Key, fixed: Mapping[str, str]) -> RemoteValue:
    chain = [found for name in (".".join(key), key[0]) if (found := facts.remote.get(name)) is not None]
    words = {**fixed, "name": key[0], "key": key[1]}

    def filled(pattern: str) -> str:
        return _PLACEHOLDER.sub(lambda found: words.get(found[1], found[0]), pattern)

    return RemoteValue(
        secret=key[0],
        key=key[1],
        remote=filled(next((own.key for own in chain if own.key is not None), facts.key)),
        field=filled(next((own.property for own in chain if own.property is not None), facts.property)),
        version=next((own.version for own in chain if own.version), ""),
    )


def _needs(plan: Plan) -> dict[_Key, bool]:
    """Every value that the cluster needs, and whether it is optional. A certificate is: cert-manager may issue it."""
    needs: dict[_Key, bool] = {}
    refs = [ref for container in plan.containers() for ref in container.secret_refs]
    for ref in (*refs, *(ref for file in plan.files for ref in file.secret_refs)):
        key = (ref.name, remote_key(ref))
        needs[key] = ref.optional and needs.get(key, True)
    places = [volume.place for volume in plan.volumes]
    for place in places:
        if isinstance(place, Claim) and not place.existing and place.share is not None and place.share.login is not None:
            needs |= {(place.share.login, "username"): False, (place.share.login, "password"): False}
    for exposure in plan.exposures:
        if isinstance(exposure.how, Ingress) and exposure.how.tls_secret is not None:
            for name in ("tls.crt", "tls.key"):
                needs.setdefault((exposure.how.tls_secret, name), True)
    return needs


def _unknown(facts: ExternalFacts, needs: Mapping[_Key, bool], given: PlanInput, mistakes: Mistakes) -> None:
    known = {name for name, _ in needs} | {".".join(key) for key in needs}
    for name in facts.remote:
        if name not in known:
            source, path = given.profile_source("secrets", "external", "remote", name), f"secrets.external.remote.{name}"
            names = sorted({called(*key) for key in needs})
            mistakes.unknown(source, path, "secret", name, names, code="plan.secret-unknown")


def _patterns(facts: ExternalFacts, given: PlanInput, mistakes: Mistakes) -> None:
    """Note unknown placeholders, and a pattern that leads different secrets to one place."""
    for steps, pattern in _texts(facts):
        for word in _PLACEHOLDER.findall(pattern):
            if word not in _KNOWN:
                text = f"{{{word}}} has no meaning here; known: {', '.join(f'{{{name}}}' for name in _KNOWN)}"
                source, path = given.profile_source("secrets", "external", *steps), ".".join(("secrets", "external", *steps))
                mistakes.add(source, path, text, "correct the pattern", code="plan.secret-pattern")
    whole = facts.key + facts.property
    if lacking := [word for word in ("{name}", "{key}") if word not in whole]:
        text = f"the patterns of `key` and `property` lack {' and '.join(lacking)}, so different values would have one place in the store"
        remedy = 'write both somewhere, for example `key: "{stack}/{name}"` and `property: "{key}"`'
        mistakes.add(given.profile_source("secrets", "external", "key"), "secrets.external.key", text, remedy, code="plan.secret-pattern")


def _texts(facts: ExternalFacts) -> Iterator[tuple[tuple[str, ...], str]]:
    yield ("key",), facts.key
    yield ("property",), facts.property
    for name, own in facts.remote.items():
        yield from ((("remote", name, field), text) for field, text in _set(own))


def _set(own: RemoteFacts) -> Iterator[tuple[str, str]]:
    if own.key is not None:
        yield "key", own.key
    if own.property is not None:
        yield "property", own.property
