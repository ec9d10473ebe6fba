"""ExternalSecrets: the operator of that name fetches values from a store, and makes the Secrets that pods refer to.

https://external-secrets.io/latest/api/externalsecret/ (docs/facts/secrets.md#external-secrets)
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from portable.backends.common import containers, note, refuse
from portable.backends.kubernetes.names import Body, dns_label, meta
from portable.backends.kubernetes.scope import Scope
from portable.backends.kubernetes.secrets import secret_name
from portable.model.base import Struct
from portable.model.exposures import Ingress
from portable.model.external import ExternalSecrets, RemoteValue, remote_key
from portable.model.findings import Finding
from portable.model.plan import Claim, File, Plan
from portable.model.secret_refs import SecretRef, called

API: Final = "external-secrets.io/v1"
KIND: Final = "ExternalSecret"
FILE: Final = "secrets.yaml"
OPERATOR: Final = "external-secrets"
_OPENING: Final = re.compile(r"\{\{|\{\Z")
"""Text that a Go template would take for the beginning of an action; a single brace at the end may stand before one."""
_IN_FIELD: Final = re.compile(r"[^A-Za-z0-9]")


class FetchedSecret(Struct, frozen=True, kw_only=True):
    """A Secret of the cluster that the operator makes."""

    name: str
    values: Mapping[str, RemoteValue]
    """By the key that the value gets: that of the Secret, or a word of the template."""
    template: Mapping[str, str] = {}
    """Whole files by key, as Go templates; without one, the Secret has the values themselves."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the Secret."""
        return tuple(sorted(self.template or self.values))


def external_secrets(scope: Scope) -> Iterator[Body]:
    """Yield an ExternalSecret for each Secret that the operator makes."""
    store = scope.plan.external_secrets
    for secret in fetched(scope.plan, scope.file_keys) if store is not None else ():
        assert store is not None
        yield _external_secret(scope, store, secret)


def fetched(plan: Plan, file_keys: Mapping[str, str]) -> tuple[FetchedSecret, ...]:
    """Return the Secrets that the operator makes, by name. Values without a place in the store are left out: findings name them."""
    store = plan.external_secrets
    if store is None:
        return ()
    places = store.by_key
    plain: dict[str, dict[str, RemoteValue]] = {}
    for name, ref in _values(plan):
        if (place := places.get((ref.name, ref.key))) is not None:
            plain.setdefault(name, {})[ref.key] = place
    found = {name: FetchedSecret(name=name, values=values) for name, values in plain.items()}
    for file in plan.files:
        if file.id in file_keys:
            name = secret_name(plan, file.id)
            found[name] = _whole_file(name, file, file_keys[file.id], places)
    return tuple(found[name] for name in sorted(found))


def store_findings(plan: Plan) -> Iterator[Finding]:
    """Yield a finding for each value that is not fetched, and for each that the store must have in a form of its own."""
    store = plan.external_secrets
    if store is None:
        return
    places = store.by_key
    for path, app, ref in _references(plan):
        key, name = remote_key(ref), called(ref.name, remote_key(ref))
        if (ref.name, key) not in places and ref.optional:
            text = f"The optional secret {name} is not fetched: without it in the store, its ExternalSecret would fail."
            remedy = f"if the store has it, write `secrets: {{external: {{remote: {{{ref.name}: {{}}}}}}}}`"
            yield note("secrets.optional", path, "function", text, remedy, code="kubernetes.secret-unfetched", app=app)
        elif (ref.name, key) not in places:
            text = f"The secret {name} has no place in the store, so its pods would wait for it for ever."
            yield refuse("secrets", path, "function", text, "name its place in the store", code="kubernetes.secret-place", app=app)
        elif ref.form != "plain":
            where = places[ref.name, key].place
            text = f"The operator cannot make the form {ref.form} of {ref.name}: the store needs it as a value of its own, {where}."
            remedy = f"`portable secrets convert {ref.form}` makes it from the plain value, which it reads from standard input"
            yield note("secrets.form", path, "function", text, remedy, code="kubernetes.secret-form", app=app)


def _external_secret(scope: Scope, store: ExternalSecrets, secret: FetchedSecret) -> Body:
    labels = scope.labels(secret.name)
    target: Body = {"name": secret.name, "creationPolicy": store.creation, "deletionPolicy": "Retain"}
    template: Body = {}
    if store.creation != "Merge":  # an existing Secret keeps its type and labels
        template["type"] = "kubernetes.io/tls" if {"tls.crt", "tls.key"} <= {*secret.keys} else "Opaque"
        template["metadata"] = {"labels": labels | {"app.kubernetes.io/managed-by": OPERATOR}}
    if secret.template:
        template["data"] = dict(secret.template)
    if template:
        target["template"] = {"engineVersion": "v2", **template}
    return {
        "apiVersion": API,
        "kind": KIND,
        "metadata": meta(secret.name, labels, namespace=scope.namespace),
        "spec": {
            "refreshInterval": store.refresh,
            "secretStoreRef": {"kind": store.kind, "name": store.store},
            "target": target,
            "data": [{"secretKey": key, "remoteRef": _remote_ref(value)} for key, value in sorted(secret.values.items())],
        },
    }


def _remote_ref(value: RemoteValue) -> Body:
    return {
        "key": value.remote,
        **({"property": value.field} if value.field else {}),
        **({"version": value.version} if value.version else {}),
    }


def _whole_file(name: str, file: File, key: str, places: Mapping[tuple[str, str], RemoteValue]) -> FetchedSecret:
    """Return the Secret of a file as a template. A secret without a place is empty there, as `portable secrets write` writes it."""
    words: dict[tuple[str, str], str] = {}
    parts: list[str] = []
    for part in file.body:
        if isinstance(part, str):
            parts.append(_OPENING.sub(lambda found: f'{{{{ "{found[0]}" }}}}', part))
            continue
        place = (part.name, remote_key(part))
        if place in places:
            word = words.setdefault(place, _word(place, {*words.values()}))
            parts.append(f"{{{{ .{word} }}}}")
    return FetchedSecret(name=name, values={word: places[place] for place, word in words.items()}, template={key: "".join(parts)})


def _word(place: tuple[str, str], used: set[str]) -> str:
    """Return the name of a value in a template: a field of Go, which no other value of the file has."""
    word = f"s_{_IN_FIELD.sub('_', '_'.join(place))}"
    return word if word not in used else f"{word}_{len(used)}"


def _values(plan: Plan) -> Iterator[tuple[str, SecretRef]]:
    """Yield each single value with the name of its Secret: of containers, of nodes that mount shares, and of Ingress controllers."""
    for container in plan.containers():
        yield from ((secret_name(plan, ref.name), ref) for ref in container.secret_refs)
    for volume in plan.volumes:
        share = volume.place.share if isinstance(volume.place, Claim) else None
        if share is not None and share.login is not None:
            yield from ((dns_label(share.login), SecretRef(name=share.login, key=key)) for key in ("username", "password"))
    for exposure in plan.exposures:
        if isinstance(exposure.how, Ingress) and exposure.how.tls_secret is not None:
            secret = exposure.how.tls_secret
            yield from ((dns_label(secret), SecretRef(name=secret, key=key)) for key in ("tls.crt", "tls.key"))


def _references(plan: Plan) -> Iterator[tuple[str, str | None, SecretRef]]:
    """Yield each reference of the plan with its path, and the app that it is of."""
    for placed in containers(plan):
        for variable, ref in sorted(placed.container.secret_env.items()):
            yield f"{placed.path}.env.{variable}", placed.about, ref
        for mount in placed.container.secrets:
            for key in mount.keys:
                yield f"{placed.path}.secrets.{mount.secret}", placed.about, SecretRef(name=mount.secret, key=key, optional=mount.optional)
    for file in plan.files:
        yield from ((f"files.{file.id}", None, ref) for ref in file.secret_refs)
