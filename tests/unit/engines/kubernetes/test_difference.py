"""What differs between two objects, as paths."""

from portable.engines.kubernetes.difference import changed_paths, sentences

OLD = {
    "kind": "Deployment",
    "metadata": {"name": "sonarr", "labels": {"a": "1"}, "resourceVersion": "1", "managedFields": [1], "generation": 1, "uid": "x"},
    "spec": {
        "replicas": 1,
        "template": {"containers": [{"name": "main", "image": "a:1", "args": ["x"]}, {"name": "side", "image": "s:1"}]},
    },
    "status": {"replicas": 1},
}


def with_containers(*containers: dict[str, object]) -> dict[str, object]:
    return {**OLD, "spec": {**OLD["spec"], "template": {"containers": list(containers)}}}  # type: ignore[dict-item]


MAIN, SIDE = OLD["spec"]["template"]["containers"]  # type: ignore[index]


def test_what_the_server_writes_by_itself_does_not_count() -> None:
    new = {**OLD, "metadata": {**OLD["metadata"], "resourceVersion": "2", "generation": 2, "managedFields": []}, "status": {}}  # type: ignore[dict-item]
    assert changed_paths(OLD, new) == ()
    assert sentences(OLD, new) == ""


def test_containers_are_compared_by_name() -> None:
    new = with_containers({**MAIN, "image": "a:2"}, SIDE)
    assert changed_paths(OLD, new) == ("spec.template.containers[main].image",)
    assert sentences(OLD, new) == "spec.template.containers[main].image changes from a:1 to a:2"


def test_added_and_removed_containers_are_told() -> None:
    new = with_containers(MAIN, {"name": "more", "image": "m:1"})
    assert changed_paths(OLD, new) == ("spec.template.containers[side]", "spec.template.containers[more]")
    assert "from nothing to" in sentences(OLD, new)


def test_the_order_of_containers_counts() -> None:
    assert changed_paths(OLD, with_containers(SIDE, MAIN)) == ("spec.template.containers (order)",)


def test_lists_without_names_are_compared_whole() -> None:
    new = with_containers({**MAIN, "args": ["x", "y"]}, SIDE)
    assert changed_paths(OLD, new) == ("spec.template.containers[main].args",)


def test_two_items_of_one_name_are_compared_whole() -> None:
    ports = [{"name": "web", "p": 1}, {"name": "web", "p": 2}]
    assert changed_paths({"metadata": {}, "ports": ports}, {"metadata": {}, "ports": [*ports, {"name": "x"}]}) == ("ports",)


def test_long_values_are_cut_and_many_changes_are_counted() -> None:
    old = {"kind": "ConfigMap", "metadata": {}, "data": {str(number): "a" for number in range(5)}}
    new = {**old, "data": {str(number): "b" * 100 for number in range(5)}}
    told = sentences(old, new, most=2)
    assert told.endswith("and 3 more")
    assert "b" * 61 not in told
    assert "…" in told


def test_values_of_a_secret_are_never_shown() -> None:
    old = {"kind": "Secret", "metadata": {}, "data": {"password": "b2xk"}}
    assert sentences(old, {**old, "data": {"password": "bmV3"}}) == "data.password"
