"""Assemble the documents of a plan, and assign them to files."""

from collections.abc import Iterable

from portable.backends.common import distinct
from portable.backends.kubernetes.accounts import account_of, accounts
from portable.backends.kubernetes.administrator import FOLDER, namespace
from portable.backends.kubernetes.external import FILE as FETCHED
from portable.backends.kubernetes.external import external_secrets
from portable.backends.kubernetes.files import group_config_maps, shared_config_maps
from portable.backends.kubernetes.gitops import for_controller, gitops_findings
from portable.backends.kubernetes.ledger import open_to_all, refused_routes, shared_findings, unguarded
from portable.backends.kubernetes.metadata import metadata_findings, with_metadata
from portable.backends.kubernetes.names import Body, dns_label
from portable.backends.kubernetes.network import KUBE_DNS, exposures, opened_ports, policy, services
from portable.backends.kubernetes.pod import Extras, template_of, workload
from portable.backends.kubernetes.prepare import tree_config_map
from portable.backends.kubernetes.scope import scope_of
from portable.backends.kubernetes.storage import claims, volumes
from portable.model.plan import Group, Plan
from portable.model.rendering import RenderedDocument, Rendering


def render(plan: Plan) -> Rendering:
    """Return the Kubernetes documents of a plan, and the findings on everything that they do not translate."""
    scope = scope_of(plan)
    workloads = {group.name: workload(scope, group, Extras(account=account_of(scope, group))) for group in plan.groups}
    documents = [
        *in_file(f"{FOLDER}/namespace.yaml", [namespace(scope, pods_of(workloads.values()))]),
        *in_file(f"{FOLDER}/volumes.yaml", volumes(scope)),
        *in_file("accounts.yaml", accounts(scope, (account_of(scope, group) for group in plan.groups))),
        *in_file("storage.yaml", claims(scope)),
        *in_file("network.yaml", (policy(scope, group, dns=KUBE_DNS, opened=opened_ports(scope, group)) for group in plan.groups)),
        *in_file(FETCHED, external_secrets(scope)),
        *in_file("shared.yaml", (*tree_config_map(scope), *shared_config_maps(scope))),
    ]
    for group in plan.groups:
        documents += in_file(app_file(group), group_config_maps(scope, group))
        documents += in_file(app_file(group), [workloads[group.name]])
        documents += in_file(app_file(group), services(scope, group))
        documents += in_file(app_file(group), exposures(scope, group))
    return Rendering(
        documents=for_controller(scope, with_metadata(scope, documents)),
        findings=distinct(
            (
                *shared_findings(scope),
                *unguarded(scope),
                *open_to_all(scope),
                *refused_routes(scope),
                *metadata_findings(scope, documents),
                *gitops_findings(scope),
            )
        ),
    )


def app_file(group: Group) -> str:
    """Return the file with the objects of a group."""
    return f"apps/{dns_label(group.name)}.yaml"


def in_file(file: str, bodies: Iterable[Body]) -> list[RenderedDocument]:
    """Return the bodies as documents of a file."""
    return [RenderedDocument(file=file, body=body) for body in bodies]


def pods_of(workloads: Iterable[Body]) -> list[Body]:
    """Return the pod specs of workloads."""
    return [template_of(body)["spec"] for body in workloads]
