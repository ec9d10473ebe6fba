"""What must be there before the rendered objects work, and that nothing rendered makes: Secrets, whose values are never written."""

from collections.abc import Iterator

from portable.backends.common import containers, note
from portable.backends.kubernetes.files import SECRET_KEY
from portable.model.findings import Finding
from portable.model.plan import Claim, Ingress, Plan, SecretRef


def prerequisites(plan: Plan) -> tuple[Finding, ...]:
    """A finding for every Secret that somebody must make."""
    return tuple(dict.fromkeys((*_values(plan), *_whole_files(plan), *_others(plan))))


def _values(plan: Plan) -> Iterator[Finding]:
    for placed in containers(plan):
        for name, value in sorted(placed.container.env.items()):
            if isinstance(value, SecretRef) and not value.optional:
                yield _secret(f"{placed.path}.env.{name}", value.name, (value.key,), f"{placed.about} takes it as a variable", placed.about)
        for mount in placed.container.secrets:
            if not mount.optional:
                yield _secret(f"{placed.path}.secrets.{mount.secret}", mount.secret, mount.keys, f"{placed.about} reads it", placed.about)


def _whole_files(plan: Plan) -> Iterator[Finding]:
    for file in plan.files:
        if file.is_secret:
            names = sorted({part.name for part in file.body if isinstance(part, SecretRef)})
            text = f"it is the whole text of a file, with {', '.join(names)} filled in (the template lies in the catalog)"
            yield _secret(f"files.{file.id}", file.id, (SECRET_KEY,), text, None)


def _others(plan: Plan) -> Iterator[Finding]:
    for volume in plan.volumes:
        if isinstance(volume.place, Claim) and volume.place.share and volume.place.share.login:
            login = volume.place.share.login
            yield _secret(
                f"volumes.{volume.id}.place.share.login", login, ("username", "password"), "nodes log in to the share with it", None
            )
    for exposure in plan.exposures:
        if isinstance(exposure.how, Ingress) and exposure.how.tls_secret:
            path = f"exposures.{exposure.app}:{exposure.port}.how.tls_secret"
            yield _secret(
                path, exposure.how.tls_secret, ("tls.crt", "tls.key"), f"the Ingress shows it for {exposure.how.host}", exposure.app
            )


def _secret(path: str, name: str, keys: tuple[str, ...], why: str, app: str | None) -> Finding:
    text = f"Secret {name} (keys {', '.join(keys)}) must be there: {why}; values are never rendered."
    literals = " ".join(f"--from-file={key}=FILE" for key in keys)
    return note("secrets", path, "function", text, f"`kubectl create secret generic {name} {literals}`, or a SealedSecret", app=app)
