"""ServiceAccounts. Pods get no token; an account only determines what admits a pod."""

from collections.abc import Iterable, Iterator, Mapping

from portable.backends.kubernetes.names import Body, dns_label, meta
from portable.backends.kubernetes.scope import Scope
from portable.model.plan import Group


def account_of(scope: Scope, group: Group) -> str:
    """Return the plan's account, else one for the stack here: never the namespace's `default`, which others use too."""
    return dns_label(group.account) if group.account else scope.own_name()


def accounts(scope: Scope, names: Iterable[str], annotations: Mapping[str, dict[str, str]] | None = None) -> Iterator[Body]:
    """Yield a ServiceAccount for each name."""
    for name in sorted(set(names)):
        yield {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": meta(name, scope.labels(name), namespace=scope.namespace, annotations=(annotations or {}).get(name)),
            "automountServiceAccountToken": False,
        }
