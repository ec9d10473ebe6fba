"""Objects that must exist before the rendered ones work: Secrets, whose values are never written to files."""

from collections.abc import Iterator

from portable.backends.common import containers, note
from portable.backends.kubernetes.secrets import file_keys, secret_name
from portable.model.exposures import Ingress
from portable.model.findings import Finding
from portable.model.plan import Claim, Plan


def prerequisites(plan: Plan) -> tuple[Finding, ...]:
    """Return a finding for every Secret that a person must create, and for each database on the default storage class."""
    return tuple(dict.fromkeys((*_values(plan), *_whole_files(plan), *_others(plan), *_classes(plan))))


def _values(plan: Plan) -> Iterator[Finding]:
    for placed in containers(plan):
        for name, value in sorted(placed.container.secret_env.items()):
            why = f"{placed.about or placed.path} reads it from variable {name}"
            yield _secret(plan, f"{placed.path}.env.{name}", value.name, (value.key,), why, placed.about, optional=value.optional)
        for mount in placed.container.secrets:
            path, why = f"{placed.path}.secrets.{mount.secret}", f"{placed.about or placed.path} reads it"
            yield _secret(plan, path, mount.secret, mount.keys, why, placed.about, optional=mount.optional)


def _whole_files(plan: Plan) -> Iterator[Finding]:
    keys = file_keys(plan)
    for file in plan.files:
        if file.id in keys:
            names = sorted({ref.name for ref in file.secret_refs})
            why = f"it holds a whole file, with {', '.join(names)} filled in"
            yield _secret(plan, f"files.{file.id}", file.id, (keys[file.id],), why, None)


def _others(plan: Plan) -> Iterator[Finding]:
    for volume in plan.volumes:
        if isinstance(volume.place, Claim) and volume.place.share and volume.place.share.login:
            login = volume.place.share.login
            path = f"volumes.{volume.id}.place.share.login"
            why = "nodes use it to log in to the share"
            yield _secret(plan, path, login, ("username", "password"), why, None, written=False)
    for exposure in plan.exposures:
        if isinstance(exposure.how, Ingress) and exposure.how.tls_secret:
            path = f"exposures.{exposure.app}:{exposure.port}.how.tls_secret"
            why = f"it is the Ingress certificate of {exposure.how.host}"
            yield _secret(plan, path, exposure.how.tls_secret, ("tls.crt", "tls.key"), why, exposure.app, written=False)


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


def _secret(
    plan: Plan, path: str, name: str, keys: tuple[str, ...], why: str, app: str | None, *, optional: bool = False, written: bool = True
) -> Finding:
    """Return the finding for a Secret. `written`: `portable secrets write` writes its files."""
    name = secret_name(plan, name) if written else name
    text = (
        f"Secret {name} with key{'s' if len(keys) > 1 else ''} {', '.join(f'`{key}`' for key in keys)} "
        f"{'is optional' if optional else 'must exist before the first start'}: {why}."
    )
    command = f"kubectl apply --server-side --field-manager=portable -f FOLDER/{name}.yaml" if written else _command(plan, name, keys)
    remedy = f"run {f'`portable secrets write -p {plan.profile} -o FOLDER`, then ' if written else ''}`{command}`, or use a SealedSecret"
    return note("secrets", path, "function", text, remedy, code="kubernetes.secret", app=app)


def _command(plan: Plan, name: str, keys: tuple[str, ...]) -> str:
    """Return the command that creates a Secret which `portable` does not write. A certificate has a type of its own."""
    if set(keys) == {"tls.crt", "tls.key"}:
        return f"kubectl create secret tls -n {plan.namespace or plan.stack} {name} --cert=FILE --key=FILE"
    files = " ".join(f"--from-file={key}=FILE" for key in keys)
    return f"kubectl create secret generic -n {plan.namespace or plan.stack} {name} {files}"
