"""A stack as the driver for clusters takes it: rendered documents, and which container of which pod belongs to which app. Pure."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from portable.backends.kubernetes.external import API, fetched
from portable.backends.kubernetes.groups import needed_groups
from portable.backends.kubernetes.jobs import group_schedule
from portable.backends.kubernetes.kustomizations import is_for_cluster
from portable.backends.kubernetes.names import GROUP_LABEL, label_value
from portable.backends.kubernetes.scope import Scope, scope_of
from portable.backends.kubernetes.secrets import file_keys, secret_name
from portable.engines.kubernetes.cluster import Reference
from portable.live.image_needs import needed_images
from portable.live.image_updates import ImageUpdates
from portable.live.stack import Stack
from portable.model.base import Struct
from portable.model.errors import UsageError
from portable.model.exposures import Ingress
from portable.model.plan import Claim, Group, Plan
from portable.model.rendering import RenderedDocument, Rendering
from portable.secrets.needs import needs_of

INSTANCE = "app.kubernetes.io/instance"
"""The label with the name of the stack and its profile: what tells two stacks of one cluster apart."""
MANAGED_BY = "app.kubernetes.io/managed-by"
PORTABLE = "portable"


class PodGroup(Struct, frozen=True, kw_only=True):
    """The apps that share a pod."""

    name: str
    apps: tuple[str, ...]
    containers: Mapping[str, str] = {}
    """App by name of the container in the pod. Clouds and the tools are not apps."""
    main: Mapping[str, str] = {}
    """Name of the main container, by app."""
    needs: tuple[str, ...] = ()
    """The groups that must run for this one."""
    is_scheduled: bool = False
    """Whether its pod runs at times and ends."""

    @property
    def selector(self) -> str:
        """The label selector of its pods."""
        return f"{GROUP_LABEL}={label_value(self.name)}"


class SecretUse(Struct, frozen=True, kw_only=True):
    """A Secret that portable does not write, and what needs it."""

    name: str
    keys: tuple[str, ...]
    why: str
    is_required: bool


class KubernetesStack(Stack, frozen=True, kw_only=True):
    """A stack with its rendered documents; made from a plan and its rendering, or by hand in a test."""

    namespace: str
    labels: Mapping[str, str]
    """The labels that every object of the stack has."""
    documents: tuple[RenderedDocument, ...]
    groups: tuple[PodGroup, ...] = ()
    existing_claims: tuple[str, ...] = ()
    """Claims that the stack uses and does not make."""
    foreign_secrets: tuple[SecretUse, ...] = ()
    fetched_secrets: frozenset[str] = frozenset()
    """Secrets that the External Secrets Operator makes."""
    secret_store: Reference | None = None
    """The store that it reads."""
    back_end: str = "kubernetes"
    """The name of the back end that rendered the documents."""
    folder: str = "FOLDER"
    """Where the files for an administrator lie, as messages name it."""

    @property
    def instance(self) -> str:
        """The value of the label that marks objects of this stack."""
        return self.labels[INSTANCE]

    def group_of(self, app: str) -> PodGroup | None:
        """The group of an app."""
        return next((group for group in self.groups if app in group.apps), None)

    def group_named(self, label: str) -> PodGroup | None:
        """The group by the value of its label."""
        return next((group for group in self.groups if label_value(group.name) == label), None)

    @property
    def administrator_command(self) -> str:
        """The command with which an administrator creates the prerequisites."""
        return f"kubectl apply --server-side -k {self.folder}/administrator"


def stack_of(plan: Plan, rendering: Rendering, recipes: Mapping[str, Path] = {}, taken: ImageUpdates | None = None) -> KubernetesStack:
    """The stack of a plan that was rendered for a cluster."""
    scope = scope_of(plan)
    labels = scope.labels("x")
    del labels["app.kubernetes.io/name"]
    fetched_names = frozenset(secret.name for secret in fetched(plan, scope.file_keys))
    return KubernetesStack(
        project=f"{plan.stack}-{plan.profile}",
        namespace=scope.namespace,
        labels=labels,
        documents=tuple(document for document in rendering.documents if is_for_cluster(document)),
        groups=tuple(_group(scope, group) for group in plan.groups),
        existing_claims=_existing_claims(plan),
        foreign_secrets=tuple(use for use in _foreign_secrets(plan) if use.name not in fetched_names),
        fetched_secrets=fetched_names,
        secret_store=_secret_store(plan, scope.namespace),
        folder=f"k8s/{plan.profile}",
        images=needed_images(plan),
        secrets=needs_of(plan),
        addresses=_addresses(plan),
        plan=plan,
        recipes=recipes,
        taken=taken,
    )


def apps_of(stack: KubernetesStack) -> tuple[str, ...]:
    """The names of the stack's apps."""
    return tuple(sorted({app for group in stack.groups for app in group.apps}))


def lease_name(stack: KubernetesStack) -> str:
    """The Lease by which commands of several machines keep out of each other's way."""
    return f"portable-{stack.project}"


def store_lease_name(stack: KubernetesStack) -> str:
    """The Lease by which commands of several machines do not write to the store of backups at the same time."""
    return f"{lease_name(stack)}-backup"


def refuse_unknown(stack: KubernetesStack, apps: Iterable[str]) -> None:
    """Raise UsageError for a name that is not an app of the stack."""
    known = apps_of(stack)
    if unknown := [app for app in apps if app not in known]:
        raise UsageError(f"{stack.project} has no app {', '.join(unknown)}", code="up.unknown-app", remedy=f"known: {', '.join(known)}")


def chosen_groups(stack: KubernetesStack, apps: tuple[str, ...]) -> frozenset[str]:
    """The groups of these apps and of those that they need; all where no app is named."""
    by_name = {group.name: group for group in stack.groups}
    todo = [group.name for group in stack.groups if not apps or set(group.apps) & set(apps)]
    chosen: set[str] = set()
    while todo:
        name = todo.pop()
        if name in chosen or name not in by_name:
            continue
        chosen.add(name)
        todo += by_name[name].needs
    return frozenset(chosen)


def _group(scope: Scope, group: Group) -> PodGroup:
    parts = [part for part in scope.pods[group.name] if part.app is not None]
    return PodGroup(
        name=group.name,
        apps=tuple(app.name for app in scope.members(group)),
        containers={part.name: part.owner for part in parts},
        main={part.owner: part.name for part in parts if part.container.role == "main"},
        needs=needed_groups(scope, group),
        is_scheduled=group_schedule(scope, group) is not None,
    )


def _existing_claims(plan: Plan) -> tuple[str, ...]:
    places = [volume.place for volume in plan.volumes]
    return tuple(sorted({place.name for place in places if isinstance(place, Claim) and place.existing}))


def _foreign_secrets(plan: Plan) -> Iterable[SecretUse]:
    """The Secrets that nodes and Ingress controllers read, each once."""
    written = {secret_name(plan, name) for name in (*(need.name for need in needs_of(plan)), *file_keys(plan))}
    found: dict[str, SecretUse] = {}
    for volume in plan.volumes:
        share = volume.place.share if isinstance(volume.place, Claim) else None
        if share is not None and share.login and share.login not in written:
            why = f"nodes log in to //{share.server}/{share.export} with it"
            found[share.login] = SecretUse(name=share.login, keys=("username", "password"), why=why, is_required=True)
    for exposure in plan.exposures:
        how = exposure.how
        if isinstance(how, Ingress) and how.tls_secret and how.tls_secret not in written:
            why = f"the Ingress of {exposure.app} shows it"
            found.setdefault(how.tls_secret, SecretUse(name=how.tls_secret, keys=("tls.crt", "tls.key"), why=why, is_required=False))
    return found.values()


def _secret_store(plan: Plan, namespace: str) -> Reference | None:
    """The store of the External Secrets Operator."""
    store = plan.external_secrets
    return Reference(API, store.kind, namespace if store.kind == "SecretStore" else "", store.store) if store is not None else None


def _addresses(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Where each app answers by a host name."""
    found: dict[str, tuple[str, ...]] = {}
    for exposure in plan.exposures:
        if host := getattr(exposure.how, "host", None):
            found[exposure.app] = (*found.get(exposure.app, ()), f"https://{host}")
    return found
