"""Obstacles and notes."""

from typing import Any

import msgspec
import pytest

from portable.backends.registry import back_end
from portable.engines.kubernetes.cluster import Reference
from portable.live.kubernetes.desired import DesiredObject, rendered_items, secret_reference
from portable.live.kubernetes.look import ClusterState, ObjectState, Preview
from portable.live.kubernetes.obstacles import Obstacle, note_of, obstacle_of, obstacles_of_stack, refuse_obstacles
from portable.live.kubernetes.reconcile import reconcile
from portable.live.kubernetes.stack import KubernetesStack, SecretUse, stack_of
from portable.model import plan as p
from portable.model.errors import Refused
from portable.model.external import ExternalSecrets, RemoteValue
from portable.model.secret_refs import SecretRef
from tests import factories
from tests.unit.live.kubernetes.conftest import made
from tests.unit.live.kubernetes.test_reconcile import as_live, observed

STACK = made("one")
SERVICE = next(item for item in rendered_items(STACK) if item.kind == "Service")
ROLE = DesiredObject(
    body={
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "shared", "labels": dict(STACK.labels)},
        "rules": [{"verbs": ["use"]}],
    },
    file="administrator/roles.yaml",
    is_prerequisite=True,
)


NAMESPACE = Reference("v1", "Namespace", "", "media")


def problem(seen: ObjectState, **changes: Any) -> str:
    """The problem with an object."""
    found = obstacle_of(seen, observed(seen, **changes), STACK)
    return found.text if found else ""


def test_problems_name_who_stands_in_the_way() -> None:
    labels = {"metadata": {"labels": {"app.kubernetes.io/instance": "media-other"}}}
    foreign = {"kind": "Service", "metadata": {"name": "one", "uid": "u"}}
    argo = {"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "shows:x"}}}
    assert problem(ObjectState(item=SERVICE)) == ""
    assert problem(ObjectState(item=SERVICE), missing_kinds=frozenset({("v1", "Service")})).startswith(
        "the cluster does not have the kind Service"
    )
    assert problem(ObjectState(item=SERVICE, live=as_live(SERVICE, **labels))) == "Service one belongs to the stack media-other"
    assert problem(ObjectState(item=SERVICE, live=foreign)) == "Service one exists, and portable did not create it"
    assert problem(ObjectState(item=SERVICE, live=as_live(SERVICE, **argo))) == "Service one is managed by Argo CD (application shows)"
    assert problem(ObjectState(item=SERVICE, preview=Preview(refusal="no", kind="refused"))) == "no"
    assert (
        problem(ObjectState(item=ROLE, preview=Preview(refusal="no", kind="refused")))
        == "ClusterRole shared does not exist, and you may not create it"
    )


def test_a_namespace_may_be_anybodys() -> None:
    namespace = next(item for item in rendered_items(STACK) if item.kind == "Namespace")
    assert problem(ObjectState(item=namespace, live={"kind": "Namespace", "metadata": {"name": "media", "uid": "u"}})) == ""


def test_what_another_stack_uses_under_the_same_name_is_used_as_it_is() -> None:
    other = as_live(ROLE, metadata={"labels": {"app.kubernetes.io/instance": "media-other"}})
    assert note_of(ObjectState(item=ROLE, live=other), STACK) == "ClusterRole shared belongs to the stack media-other and is used as it is"
    different = {**other, "rules": [{"verbs": ["delete"]}]}
    assert note_of(ObjectState(item=ROLE, live=different), STACK) is None
    assert problem(ObjectState(item=ROLE, live=different)) == "ClusterRole shared belongs to the stack media-other"


def test_prerequisites_that_nobody_may_look_at_are_unknown() -> None:
    refused = Preview(refusal="no", kind="refused")
    assert "is unknown" in str(note_of(ObjectState(item=ROLE, preview=refused, is_readable=False), STACK))
    assert note_of(ObjectState(item=ROLE, live=as_live(ROLE), preview=refused), STACK) == ""
    assert "differs from administrator/roles.yaml" in str(
        note_of(ObjectState(item=ROLE, live=as_live(ROLE, rules=[]), preview=refused), STACK)
    )
    assert note_of(ObjectState(item=ROLE, preview=refused), STACK) is None


def texts(stack: Any, looked: ClusterState) -> list[str]:
    """What is wrong with what a stack needs."""
    return [found.text for found in obstacles_of_stack(looked, stack)]


def test_what_the_stack_needs_and_does_not_make() -> None:
    use = SecretUse(name="login", keys=("username",), why="nodes log in with it", is_required=True)
    stack = msgspec.structs.replace(STACK, existing_claims=("library",), foreign_secrets=(use,))
    assert texts(stack, observed()) == [
        "the claim library, which should exist already, does not exist in media",
        "the Secret login does not exist: nodes log in with it",
    ]
    assert texts(stack, observed(has_namespace=False)) == ["the namespace media does not exist"]
    unreadable = frozenset({secret_reference(stack, "login")})
    assert texts(stack, observed(unreadable=unreadable)) == ["the claim library, which should exist already, does not exist in media"]


def test_a_namespace_that_is_being_deleted_is_the_only_problem() -> None:
    namespace = {"metadata": {"name": "media", "deletionTimestamp": "now"}}
    looked = observed(ObjectState(item=SERVICE, preview=Preview(refusal="no", kind="refused")), live={NAMESPACE: namespace})
    assert [found.text for found in reconcile(looked, STACK).problems] == ["the namespace media is being deleted"]


def test_a_released_volume_is_told_with_the_way_to_bind_it_again() -> None:
    body = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v", "labels": dict(STACK.labels)}, "spec": {}}
    item = DesiredObject(body=body, file="administrator/volumes.yaml", is_prerequisite=True)
    found = obstacle_of(ObjectState(item=item, live=as_live(item, status={"phase": "Released"})), observed(), STACK)
    assert found is not None
    assert "its claim was deleted" in found.text
    assert "kubectl patch pv v --type=json" in found.remedy


def test_a_secret_that_nobody_created_is_told() -> None:
    two = next(item for item in rendered_items(made()) if str(item.reference) == "StatefulSet two")
    looked = observed(ObjectState(item=two, preview=Preview(stored=two.body)))
    assert reconcile(looked, STACK).notes == ("the Secret token does not exist: the pod of two waits until it is created",)
    there = {secret_reference(STACK, "token"): {"metadata": {"name": "token"}}}
    assert reconcile(observed(*looked.seen, live=there), STACK).notes == ()


def test_all_problems_are_told_together() -> None:
    refuse_obstacles((), "here")
    one, other = Obstacle(text="a is wrong", remedy="mend a", where="a.yaml"), Obstacle(text="b is wrong", remedy="mend b")
    with pytest.raises(Refused) as refused:
        refuse_obstacles((one,), "here")
    assert (refused.value.text, refused.value.where, refused.value.remedy) == ("a is wrong", "a.yaml", "mend a")
    with pytest.raises(Refused) as refused:
        refuse_obstacles((one, other), "here")
    assert refused.value.text == "2 problems, and nothing was changed:\n  a.yaml: a is wrong (mend a)\n  b is wrong (mend b)"


def fetching() -> KubernetesStack:
    """A stack whose secret an operator fetches."""
    store = ExternalSecrets(store="vault", values=(RemoteValue(secret="token", key="value", remote="media/token"),))
    share = p.Share(protocol="smb", server="nas", export="media", login="nas")
    claim = factories.claim(shared=True, share=share)
    plan = factories.with_volume(claim, within={"plan": {"namespace": "media", "external_secrets": store}})
    plan = msgspec.structs.replace(plan, apps=(factories.app(containers=(factories.container(env={"T": SecretRef(name="token")}),)),))
    return stack_of(plan, back_end("kubernetes").render(plan))


def test_a_cluster_without_the_operator_and_a_missing_store_are_told() -> None:
    stack = fetching()
    kind = ("external-secrets.io/v1", "ExternalSecret")
    item = next(item for item in rendered_items(stack) if item.kind == kind[1])
    missing = frozenset({kind})
    found = obstacle_of(ObjectState(item=item), observed(missing_kinds=missing), stack)
    assert found is not None
    assert "does not have the kind ExternalSecret" in found.text
    assert "install the External Secrets Operator" in found.remedy
    login = "the Secret nas does not exist: nodes log in to //nas/media with it"
    absent = "the SecretStore vault, from which the Secrets come, does not exist"
    assert stack.secret_store is not None
    assert texts(stack, observed(missing_kinds=missing)) == [login]
    assert texts(stack, observed()) == [login, absent]
    assert texts(stack, observed(has_namespace=False)) == ["the namespace media does not exist"]
    assert texts(stack, observed(unreadable=frozenset({stack.secret_store}))) == [login]


def test_a_store_that_is_not_ready_is_a_note() -> None:
    stack = fetching()
    assert stack.secret_store is not None
    condition = {"type": "Ready", "status": "False", "reason": "InvalidProviderConfig", "message": "no login"}
    store = {"kind": "SecretStore", "metadata": {"name": "vault"}, "status": {"conditions": [condition]}}
    (note,) = reconcile(observed(live={stack.secret_store: store}), stack).notes
    assert note.startswith("SecretStore vault is not ready")
    assert "no login" in note
    store["status"] = {"conditions": [condition | {"status": "True"}]}
    assert reconcile(observed(live={stack.secret_store: store}), stack).notes == ()


def test_a_secret_that_the_operator_makes_is_no_note() -> None:
    stack = fetching()
    pod = next(item for item in rendered_items(stack) if item.has_pods)
    assert reconcile(observed(ObjectState(item=pod, preview=Preview(stored=pod.body))), stack).notes == ()
