"""Assemble the documents of a plan: those of the Kubernetes back end, with an SCC for each pod, and Routes."""

from typing import Final

from portable.backends.common import distinct
from portable.backends.kubernetes.accounts import account_of, accounts
from portable.backends.kubernetes.administrator import FOLDER, namespace
from portable.backends.kubernetes.external import FILE as FETCHED
from portable.backends.kubernetes.external import external_secrets
from portable.backends.kubernetes.files import group_config_maps, shared_config_maps
from portable.backends.kubernetes.gitops import for_controller, gitops_findings
from portable.backends.kubernetes.ledger import shared_findings
from portable.backends.kubernetes.metadata import metadata_findings, with_metadata
from portable.backends.kubernetes.names import Body
from portable.backends.kubernetes.network import exposures, policy, services
from portable.backends.kubernetes.pod import Extras, template_of, workload
from portable.backends.kubernetes.prepare import tree_config_map
from portable.backends.kubernetes.project import app_file, in_file, pods_of
from portable.backends.kubernetes.scope import Scope, scope_of
from portable.backends.kubernetes.storage import claims, volumes
from portable.backends.openshift.route import opened, proxies, proxy_container, proxy_volumes, redirects, route_findings, routes
from portable.backends.openshift.scc import REQUIRED, Admission, admissions, bindings, roles, sccs
from portable.model.base import Struct
from portable.model.plan import Group, Plan
from portable.model.rendering import RenderedDocument, Rendering

# A NetworkPolicy applies to the port of the DNS pods, which is 5353 on OpenShift, not to the Service's port.
OPENSHIFT_DNS: Final[list[Body]] = [
    {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}},
                "podSelector": {"matchLabels": {"dns.operator.openshift.io/daemonset-dns": "default"}},
            }
        ],
        "ports": [{"port": 5353, "protocol": "UDP"}, {"port": 5353, "protocol": "TCP"}],
    }
]


class AdmittedWorkloads(Struct, frozen=True, kw_only=True):
    """The workloads, and the admission of each pod."""

    scope: Scope
    workloads: dict[str, Body]
    admissions: dict[str, Admission]


def planned(plan: Plan) -> AdmittedWorkloads:
    """Return the workloads with their accounts. The SCC depends on the whole pod, so the account is set last."""
    scope = scope_of(plan)
    made = {group.name: workload(scope, group, _extras(scope, group)) for group in plan.groups}
    admitted = admissions(scope, {name: template_of(body)["spec"] for name, body in made.items()})
    for name, admission in admitted.items():
        _pin(template_of(made[name]), admission)
    return AdmittedWorkloads(scope=scope, workloads=made, admissions=admitted)


def render(plan: Plan) -> Rendering:
    """Return the OpenShift documents of a plan, and the findings on everything that they do not translate."""
    made = planned(plan)
    scope, admitted, workloads = made.scope, made.admissions, made.workloads
    documents: list[RenderedDocument] = [
        *in_file(f"{FOLDER}/namespace.yaml", [namespace(scope, pods_of(workloads.values()))]),
        *in_file(f"{FOLDER}/volumes.yaml", volumes(scope)),
        *in_file(f"{FOLDER}/scc.yaml", sccs(admitted)),
        *in_file(f"{FOLDER}/roles.yaml", roles(admitted)),
        *in_file(f"{FOLDER}/roles.yaml", bindings(scope, admitted)),
        *in_file("accounts.yaml", accounts(scope, (a.account for a in admitted.values()), _annotations(scope, admitted))),
        *in_file("storage.yaml", claims(scope)),
        *in_file(
            "network.yaml",
            (policy(scope, group, dns=OPENSHIFT_DNS, opened=opened(scope, group)) for group in plan.groups),
        ),
        *in_file(FETCHED, external_secrets(scope)),
        *in_file("shared.yaml", (*tree_config_map(scope), *shared_config_maps(scope))),
    ]
    for group in plan.groups:
        documents += in_file(app_file(group), group_config_maps(scope, group))
        documents += in_file(app_file(group), [workloads[group.name]])
        documents += in_file(app_file(group), services(scope, group))
        documents += in_file(app_file(group), exposures(scope, group))
        documents += in_file(app_file(group), routes(scope, group))
    return Rendering(
        documents=for_controller(scope, with_metadata(scope, documents)),
        findings=distinct((*shared_findings(scope), *route_findings(scope), *metadata_findings(scope, documents), *gitops_findings(scope))),
    )


def explain(plan: Plan) -> dict[str, tuple[str, str]]:
    """Return for each group the SCC that admits its pod, and the reason."""
    return {group: (admission.scc, admission.reason) for group, admission in planned(plan).admissions.items()}


def _extras(scope: Scope, group: Group) -> Extras:
    before = proxies(scope, group)
    return Extras(
        account=account_of(scope, group),
        containers=tuple(proxy_container(scope, proxy) for proxy in before),
        volumes=tuple(volume for proxy in before for volume in proxy_volumes(proxy)),
    )


def _pin(template: Body, admission: Admission) -> None:
    template["metadata"].setdefault("annotations", {})[REQUIRED] = admission.scc
    template["spec"]["serviceAccountName"] = admission.account


def _annotations(scope: Scope, admitted: dict[str, Admission]) -> dict[str, dict[str, str]]:
    annotations: dict[str, dict[str, str]] = {}
    for group in scope.plan.groups:
        if references := redirects(scope, group):
            annotations.setdefault(admitted[group.name].account, {}).update(references)
    return annotations
