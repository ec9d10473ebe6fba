"""Objects that must exist before the rendered ones work: Secrets, whose values are never written to files."""

from collections.abc import Iterator

from portable.backends.common import containers, note
from portable.backends.kubernetes.external import API, fetched, store_findings
from portable.backends.kubernetes.secrets import file_keys, secret_name
from portable.model.base import Struct
from portable.model.exposures import Ingress
from portable.model.findings import Finding
from portable.model.plan import Claim, Plan


def prerequisites(plan: Plan) -> tuple[Finding, ...]:
    """Return a finding for every Secret that a person must create, and for each database on the default storage class."""
    fetched_names = frozenset(secret.name for secret in fetched(plan, file_keys(plan)))
    asked = tuple(request for request in (*_values(plan), *_whole_files(plan), *_others(plan)) if request.secret not in fetched_names)
    return tuple(dict.fromkeys((*_fetched(plan), *(request.finding(plan) for request in asked), *_classes(plan))))


class SecretRequest(Struct, frozen=True, kw_only=True):
    """A Secret that a person must create."""

    path: str
    secret: str
    """Its name in the cluster."""
    keys: tuple[str, ...]
    why: str
    app: str | None
    optional: bool = False
    written: bool = True
    """Whether `portable secrets write` writes its file."""

    def finding(self, plan: Plan) -> Finding:
        """Return the finding that says so."""
        must = "is optional" if self.optional else "must exist before the first start"
        text = f"Secret {self.secret} with {_keyed(self.keys)} {must}: {self.why}."
        if self.written and plan.gitops is not None and plan.gitops.secrets is not None:
            folder = f"{plan.gitops.path}/secrets"
            remedy = f"run `portable secrets write -p {plan.profile} -o FOLDER`, where FOLDER is {folder} in the repository, then commit it"
            return note("secrets", self.path, "function", text, remedy, code="kubernetes.secret", app=self.app)
        made = f"run `portable secrets write -p {plan.profile} -o FOLDER`, then " if self.written else "run "
        apply = f"kubectl apply --server-side --field-manager=portable -f FOLDER/{self.secret}.yaml"
        command = apply if self.written else _command(plan, self.secret, self.keys)
        remedy = f"{made}`{command}`, or use a SealedSecret"
        return note("secrets", self.path, "function", text, remedy, code="kubernetes.secret", app=self.app)


def _fetched(plan: Plan) -> Iterator[Finding]:
    """Yield a finding for the store, and for each Secret that the operator makes from it."""
    store = plan.external_secrets
    if store is None:
        return
    where = f" of namespace {plan.namespace or plan.stack}" if store.kind == "SecretStore" else ""
    text = (
        f"The External Secrets Operator must run in the cluster, serve {API}, and have the {store.kind} {store.store}{where}: "
        "it makes the Secrets of this stack."
    )
    remedy = f"install the operator, and create the store; `kubectl get {store.kind.lower()} {store.store}` shows whether it is ready"
    yield note("secrets", "external_secrets.store", "function", text, remedy, code="kubernetes.secret-store")
    command = f"kubectl get externalsecrets -n {plan.namespace or plan.stack}"
    for secret in fetched(plan, file_keys(plan)):
        places = "; ".join(dict.fromkeys(value.place for _, value in sorted(secret.values.items())))
        exists = " It must exist already." if store.creation == "Merge" else ""
        text = f"Secret {secret.name} with {_keyed(secret.keys)} comes from {store.kind} {store.store}: {places}.{exists}"
        remedy = f"store the values there; `{command}` shows whether the operator could read them"
        yield note("secrets", "external_secrets.values", "function", text, remedy, code="kubernetes.secret-fetched")
    text = "Nothing restarts a pod when a value changes in the store: variables and files keep the old one until then."
    remedy = f"run `portable restart -p {plan.profile} APP`, or let a controller such as Reloader do it"
    yield note("secrets.rotation", "external_secrets.refresh", "function", text, remedy, code="kubernetes.secret-rotation")
    yield from store_findings(plan)


def _values(plan: Plan) -> Iterator[SecretRequest]:
    for placed in containers(plan):
        for name, value in sorted(placed.container.secret_env.items()):
            why = f"{placed.about or placed.path} reads it from variable {name}"
            secret, path = secret_name(plan, value.name), f"{placed.path}.env.{name}"
            yield SecretRequest(path=path, secret=secret, keys=(value.key,), why=why, app=placed.about, optional=value.optional)
        for mount in placed.container.secrets:
            path, why = f"{placed.path}.secrets.{mount.secret}", f"{placed.about or placed.path} reads it"
            secret = secret_name(plan, mount.secret)
            yield SecretRequest(path=path, secret=secret, keys=mount.keys, why=why, app=placed.about, optional=mount.optional)


def _whole_files(plan: Plan) -> Iterator[SecretRequest]:
    keys = file_keys(plan)
    for file in plan.files:
        if file.id in keys:
            names = sorted({ref.name for ref in file.secret_refs})
            why = f"it holds a whole file, with {', '.join(names)} filled in"
            secret = secret_name(plan, file.id)
            yield SecretRequest(path=f"files.{file.id}", secret=secret, keys=(keys[file.id],), why=why, app=None)


def _others(plan: Plan) -> Iterator[SecretRequest]:
    for volume in plan.volumes:
        if isinstance(volume.place, Claim) and volume.place.share and volume.place.share.login:
            login = volume.place.share.login
            path = f"volumes.{volume.id}.place.share.login"
            keys, why = ("username", "password"), "nodes use it to log in to the share"
            yield SecretRequest(path=path, secret=login, keys=keys, why=why, app=None, written=False)
    for exposure in plan.exposures:
        if isinstance(exposure.how, Ingress) and exposure.how.tls_secret:
            path = f"exposures.{exposure.app}:{exposure.port}.how.tls_secret"
            why = f"it is the Ingress certificate of {exposure.how.host}"
            secret, keys = exposure.how.tls_secret, ("tls.crt", "tls.key")
            yield SecretRequest(path=path, secret=secret, keys=keys, why=why, app=exposure.app, written=False)


def _classes(plan: Plan) -> Iterator[Finding]:
    """Yield a finding for each database claim without a storage class: it gets the cluster's default one."""
    for volume in plan.volumes:
        place = volume.place
        if volume.holds == "database" and isinstance(place, Claim) and not (place.storage_class or place.existing or place.share):
            text = f"Claim {place.name} has no storage class: if the cluster's default is a network share, it corrupts the database."
            remedy = "name a class of block storage: `claim: {storage-class: ...}`; waive this if the default class is one"
            path, app = f"volumes.{volume.id}.place.storage_class", _app_of(plan, volume.id)
            yield note("storage.class", path, "data", text, remedy, code="storage.default-class", app=app)


def _app_of(plan: Plan, volume: str) -> str | None:
    return next((a.name for a in plan.apps for c in a.containers for m in c.mounts if m.volume == volume), None)


def _keyed(keys: tuple[str, ...]) -> str:
    return f"key{'s' if len(keys) > 1 else ''} {', '.join(f'`{key}`' for key in keys)}"


def _command(plan: Plan, name: str, keys: tuple[str, ...]) -> str:
    """Return the command that creates a Secret which `portable` does not write. A certificate has a type of its own."""
    if set(keys) == {"tls.crt", "tls.key"}:
        return f"kubectl create secret tls -n {plan.namespace or plan.stack} {name} --cert=FILE --key=FILE"
    files = " ".join(f"--from-file={key}=FILE" for key in keys)
    return f"kubectl create secret generic -n {plan.namespace or plan.stack} {name} {files}"
