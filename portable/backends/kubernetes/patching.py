"""The settings of a cluster's objects that a profile may patch."""

import re
from typing import Any, Final

from portable.backends.common import gateway_of
from portable.backends.kubernetes.names import GROUP_LABEL, Body, label_value
from portable.backends.patch import ABSENT, Change, Patching, Pattern, Reason, Target, matching, patterns
from portable.model.metadata import domain_of, is_for_pods, is_of_platform
from portable.model.plan import Plan
from portable.model.rendering import Rendering

_LOCKED: Final = {
    "NetworkPolicy": Reason("security", "it is the second fence"),
    "SecurityContextConstraints": Reason("security", "it sets what pods may do"),
    **dict.fromkeys(("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"), Reason("security", "it sets what each account may do")),
    "Namespace": Reason("security", "its labels decide which pods are admitted, and what is injected into them"),
}
_PODS: Final = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_CONTAINER: Final = (
    *("imagePullPolicy", "terminationMessagePolicy", "stdin", "tty"),
    *(f"resources/{which}/{what}" for which in ("limits", "requests") for what in ("cpu", "ephemeral-storage")),
    *(
        f"{probe}/{key}"
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
        for key in ("failureThreshold", "initialDelaySeconds", "periodSeconds", "successThreshold", "timeoutSeconds")
    ),
)
_POD: Final = patterns(
    *("affinity/**", "imagePullSecrets/**", "nodeSelector/**", "tolerations/**", "topologySpreadConstraints/**"),
    *("preemptionPolicy", "priorityClassName", "schedulerName"),
    *(f"{containers}/*/{key}" for containers in ("containers", "initContainers") for key in _CONTAINER),
)
_FREE: Final = {
    "CronJob": patterns(
        *("spec/failedJobsHistoryLimit", "spec/startingDeadlineSeconds", "spec/successfulJobsHistoryLimit"),
        *("spec/jobTemplate/spec/backoffLimit", "spec/jobTemplate/spec/ttlSecondsAfterFinished"),
    ),
    "Deployment": patterns("spec/minReadySeconds", "spec/progressDeadlineSeconds", "spec/revisionHistoryLimit"),
    "StatefulSet": patterns("spec/minReadySeconds", "spec/revisionHistoryLimit"),
    "Service": patterns(
        *("spec/allocateLoadBalancerNodePorts", "spec/externalTrafficPolicy", "spec/healthCheckNodePort", "spec/internalTrafficPolicy"),
        *("spec/ipFamilies/**", "spec/ipFamilyPolicy", "spec/loadBalancerClass", "spec/loadBalancerSourceRanges/**"),
        *("spec/sessionAffinity", "spec/sessionAffinityConfig/**"),
    ),
    "ServiceAccount": patterns("imagePullSecrets/**"),
}
_FREE_WITHOUT_FENCE: Final = {"Service": patterns("spec/type", "spec/externalIPs/**", "spec/ports/*/nodePort")}
_MARKS: Final = patterns("metadata/annotations/*", "metadata/labels/*")
_ROUTED: Final = ("Service", "Ingress", "HTTPRoute", "Route")
"""Kinds whose annotations configure controllers, under any domain."""
# By a step of a path: why it may not be patched.
_REASONS: Final[dict[str, Reason]] = {
    **dict.fromkeys(
        (
            "securityContext",
            "serviceAccountName",
            "serviceAccount",
            "automountServiceAccountToken",
            "runtimeClassName",
            "shareProcessNamespace",
        ),
        Reason("security", "it sets the pod's rights, and which SCC admits it; declare what an app needs in its file (`override`)"),
    ),
    **dict.fromkeys(
        ("hostNetwork", "hostPID", "hostIPC", "hostUsers", "hostAliases", "hostname", "subdomain", "dnsPolicy", "dnsConfig"),
        Reason("security", "it sets the pod's network and name resolution, and nothing may leave outside the tunnel"),
    ),
    **dict.fromkeys(("env", "envFrom"), Reason("security", "set variables with `override`, which checks those of gateways and proxies")),
    **dict.fromkeys(
        ("volumes", "volumeMounts", "volumeDevices", "volumeClaimTemplates", "persistentVolumeClaimRetentionPolicy"),
        Reason("data", "it sets where data is stored; use `storage`, or `override` for the app's own volumes"),
    ),
    **dict.fromkeys(
        ("replicas", "strategy", "updateStrategy", "podManagementPolicy", "concurrencyPolicy", "suspend", "selector", "serviceName"),
        Reason("data", "it sets how many pods write the app's state, and which"),
    ),
    **dict.fromkeys(
        ("terminationGracePeriodSeconds", "lifecycle"), Reason("data", "an app that is killed too early can lose data; use `stop-grace`")
    ),
    **dict.fromkeys(
        ("image", "command", "args", "resources", "startupProbe", "readinessProbe", "livenessProbe", "schedule", "timeZone", "workingDir"),
        Reason("function", "the app's file has a setting for it; use `override`"),
    ),
    **dict.fromkeys(
        ("containers", "initContainers", "ephemeralContainers"),
        Reason("security", "only planning adds containers: another one could change the firewall that it shares"),
    ),
}
_OF_KINDS: Final[dict[str, Reason]] = {
    "Service": Reason("security", "only `exposure` opens ports of apps behind a gateway, and a Service must lead to its own pods"),
    "Ingress": Reason("security", "only `exposure` sets which port a host name leads to"),
    "Route": Reason("security", "only `exposure` sets which port a host name leads to"),
    "HTTPRoute": Reason("security", "only `exposure` sets which port a host name leads to"),
    "ConfigMap": Reason("security", "it is a file of an app, perhaps the gateway's guard; change the app's own file"),
    "ExternalSecret": Reason("security", "it sets which values the pods get; use `secrets.external`"),
    "ServiceAccount": Reason("security", "it sets what the pods may do"),
    "PersistentVolume": Reason("data", "it sets where data is stored; use `storage`"),
    "PersistentVolumeClaim": Reason("data", "it sets where data is stored; use `storage`"),
}
_UNKNOWN: Final = Reason("security", "`portable` cannot tell whether this setting is safe")
_IDENTITY: Final = Reason("security", "`portable` and other tools identify the object by its name, labels and annotations")
_LABEL_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


def _targets(plan: Plan, rendering: Rendering) -> list[Target]:
    groups = {label_value(group.name): group for group in plan.groups}
    targets: list[Target] = []
    for number, document in enumerate(rendering.documents):
        body = document.body
        name = body.get("metadata", {}).get("name")
        if name is None:
            continue  # a kustomization
        group = groups.get(_group(body))
        targets.append(
            Target(
                kind=body["kind"],
                name=name,
                document=number,
                app=group.name if group else None,
                is_fenced=group is None or gateway_of(group) is not None,
            )
        )
    return targets


def _group(body: Body) -> str:
    """Return the group label of the pods that an object creates or selects."""
    if (way := _PODS.get(body["kind"])) is not None:
        template: Any = body
        for step in way:
            template = template[step]
        return str(template["metadata"]["labels"][GROUP_LABEL])
    return str(body["spec"]["selector"][GROUP_LABEL]) if body["kind"] == "Service" else ""


def _reason(target: Target, change: Change) -> Reason | None:
    steps, before, _ = change
    if (locked := _LOCKED.get(target.kind)) is not None:
        return locked
    pod = _PODS.get(target.kind)
    inner = steps[len(pod) :] if pod is not None and steps[: len(pod)] == pod else None
    if matching(_MARKS, steps):
        return _mark(target, str(steps[-1]), before, is_annotation=steps[1] == "annotations")
    if inner is not None and matching(_MARKS, inner):
        is_free = before is ABSENT and is_for_pods(str(inner[-1]))
        return None if is_free else _IDENTITY
    if inner is not None and inner[:1] == ("spec",) and matching(_POD, inner[1:]):
        return None
    free: tuple[Pattern, ...] = _FREE.get(target.kind, ())
    if matching(free, steps) or (not target.is_fenced and matching(_FREE_WITHOUT_FENCE.get(target.kind, ()), steps)):
        return None
    if steps[:1] in (("metadata",), ("kind",), ("apiVersion",)):
        return _IDENTITY
    # The last known step is the most specific: `containers/0/env/1` is about variables.
    known = (_REASONS[step] for step in reversed(steps) if isinstance(step, str) and step in _REASONS)
    return _OF_KINDS.get(target.kind) or next(known, _UNKNOWN)


def _mark(target: Target, key: str, before: Any, *, is_annotation: bool) -> Reason | None:
    """Allow new labels and annotations of the object itself, except in domains that a platform acts on."""
    if target.kind == "ServiceAccount" or before is not ABSENT:
        return _OF_KINDS["ServiceAccount"] if target.kind == "ServiceAccount" else _IDENTITY
    domain = domain_of(key)
    if is_annotation and target.kind in _ROUTED and domain != "portable":
        return None
    return _IDENTITY if is_of_platform(key) else None


def _invalid(_target: Target, change: Change) -> str | None:
    """Check that labels and annotations are text, and that a label value is valid."""
    steps, _, after = change
    marks = next((step for step in ("labels", "annotations") if steps[-2:-1] == (step,) and steps[-3:-2] == ("metadata",)), None)
    if marks is None or after is ABSENT:
        return None
    if not isinstance(after, str):
        return f"{steps[-1]}: values of {marks} must be text: put it in quotes"
    if marks == "labels" and not _LABEL_VALUE.fullmatch(after):
        return f"{steps[-1]}: {after!r} is not a valid label value: use at most 63 letters, digits, dots, dashes and underscores"
    return None


PATCHING: Final = Patching(targets=_targets, reason=_reason, invalid=_invalid)
