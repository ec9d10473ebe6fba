"""One container: its user, environment, privileges and probes."""

from typing import Any

import msgspec
import pytest

from portable.model import plan as p
from portable.model.devices import Devices, HostDevice, PluginDevice
from portable.model.secret_refs import SecretRef
from tests.factories import GI, MI, app, claim, container, one, plan, with_cloud
from tests.unit.backends.kubernetes.rendered import Body, container_of, found, pod, render


def made(*, devices: Devices | None = None, **changes: Any) -> Body:
    return container_of(plan(app(containers=(container(**changes),)), devices=devices or Devices()))


def env(body: Body) -> dict[str, object]:
    return {e["name"]: e.get("value", e.get("valueFrom")) for e in body["env"]}


def test_the_user_is_told_in_the_words_of_the_image() -> None:
    puid = made(identity=p.Identity(how="puid-pgid", uid=1001, gid=1002, umask="022"), needs=p.Needs(root_start=True))
    assert env(puid).items() >= {"PUID": "1001", "PGID": "1002", "UMASK": "022"}.items()
    assert puid["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"]},
        "runAsUser": 0,
        "runAsGroup": 0,
    }
    user = made(identity=p.Identity(how="user", uid=1001, gid=1002))
    assert "PUID" not in env(user)
    assert user["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsUser": 1001,
        "runAsGroup": 1002,
        "runAsNonRoot": True,
    }


def test_only_what_mounts_fuse_is_privileged() -> None:
    assert made(needs=p.Needs(fuse=True), identity=p.Identity(how="fixed", uid=0, gid=0))["securityContext"] == {
        "privileged": True,
        "runAsUser": 0,
        "runAsGroup": 0,
    }
    assert made(needs=p.Needs(net_admin=True))["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}


def test_a_secret_is_a_reference() -> None:
    body = made(env={"KEY": SecretRef(name="login", key="password", optional=True), "OTHER": SecretRef(name="login")})
    assert env(body)["KEY"] == {"secretKeyRef": {"name": "login", "key": "password", "optional": True}}
    assert env(body)["OTHER"] == {"secretKeyRef": {"name": "login", "key": "value"}}


def test_the_catalogs_own_word_goes_first() -> None:
    body = made(env={"TZ": "UTC"})
    assert [e for e in body["env"] if e["name"] == "TZ"] == [{"name": "TZ", "value": "UTC"}]


def test_dollars_reach_the_container() -> None:
    body = made(env={"PATTERN": "$(HOME)"}, command=("sh", "-c"), args=("echo $(id) $$",))
    assert env(body)["PATTERN"] == "$$(HOME)"
    assert body["args"] == ["echo $$(id) $$$$"]


def test_resources() -> None:
    body = made(resources=p.Resources(memory_request=64 * MI, memory_limit=GI, cpu_request=250, shm=32 * MI))
    assert body["resources"] == {"requests": {"memory": "64Mi", "ephemeral-storage": "64Mi", "cpu": "250m"}, "limits": {"memory": "1Gi"}}
    assert {"name": "shm-demo", "mountPath": "/dev/shm"} in body["volumeMounts"]


def test_a_plugin_hands_out_its_device() -> None:
    body = made(needs=p.Needs(gpu=True), devices=Devices(gpu=PluginDevice(resource="gpu.intel.com/i915")))
    assert body["resources"]["limits"]["gpu.intel.com/i915"] == "1"


def test_a_device_of_the_node_is_mounted_with_a_note() -> None:
    given = plan(
        app(containers=(container(needs=p.Needs(gpu=True)),)), devices=Devices(gpu=HostDevice(path="/dev/dri/renderD128", group=105))
    )
    assert {"name": "device-gpu", "mountPath": "/dev/dri/renderD128"} in container_of(given)["volumeMounts"]
    assert found(render(given), "devices.gpu") == ["devices.gpu"]


def test_a_device_that_the_place_lacks_is_refused() -> None:
    rendering = render(plan(app(containers=(container(needs=p.Needs(tun=True)),))))
    assert [(f.verdict, f.code) for f in rendering.findings if f.field == "devices.tun"] == [("refused", "config.device-missing")]


@pytest.mark.parametrize(
    ("how", "asked"),
    [
        (p.Http(port="web", path="/ping"), {"httpGet": {"path": "/ping", "port": "demo-web"}}),
        (p.Http(port="tls", path="/"), {"httpGet": {"path": "/", "port": "demo-tls", "scheme": "HTTPS"}}),
        (p.Http(port="web", path="/", ok=(200, 401)), {"tcpSocket": {"port": "demo-web"}}),
        (p.Tcp(port="web"), {"tcpSocket": {"port": "demo-web"}}),
        (p.Exec(command=("a", "$(b)")), {"exec": {"command": ["a", "$(b)"]}}),
    ],
)
def test_probes(how: p.Http | p.Tcp | p.Exec, asked: Body) -> None:
    ports = (p.Port(name="web", number=8000, serves="http"), p.Port(name="tls", number=8443, serves="https"))
    probes = p.Probes(live=p.Check(how=how, period=7, timeout=3, failures=2))
    body = container_of(plan(app(ports=ports, containers=(container(probes=probes),))))
    assert body["livenessProbe"] == {**asked, "periodSeconds": 7, "timeoutSeconds": 3, "failureThreshold": 2}
    assert "readinessProbe" not in body


def test_a_probe_of_no_port_is_refused() -> None:
    probes = p.Probes(ready=p.Check(how=p.Tcp(port="gone")))
    rendering = render(plan(app(containers=(container(probes=probes),))))
    (found,) = [f for f in rendering.findings if f.path.endswith("probes.ready.how.port")]
    assert (found.verdict, found.code, "'gone'" in found.text) == ("refused", "network.port-unknown", True)


@pytest.mark.parametrize(
    ("places", "requested"),
    [
        ((), "64Mi"),
        ((p.Ephemeral(size=400 * MI),), "164Mi"),
        ((p.Ephemeral(size=400 * MI), p.Ephemeral(size=200 * MI)), "214Mi"),
        ((p.Ephemeral(size=400 * MI, in_memory=True), p.Ephemeral(), claim()), "64Mi"),
    ],
)
def test_the_disk_of_its_node_is_requested(places: tuple[p.Place, ...], requested: str) -> None:
    volumes = tuple(p.Volume(id=f"v{number}", holds="cache", place=place) for number, place in enumerate(places))
    mounts = tuple(p.Mount(volume=volume.id, path=f"/{volume.id}") for volume in volumes)
    made = one(mounts=mounts, within={"plan": {"volumes": volumes}})
    assert container_of(made)["resources"]["requests"]["ephemeral-storage"] == requested


def test_the_cache_of_a_cloud_is_requested_whole() -> None:
    cache = p.Volume(id="cache", holds="cache", place=p.Ephemeral(size=400 * MI))
    made = with_cloud(mounts=(p.Mount(volume="cache", path="/cache"),))
    made = msgspec.structs.replace(made, volumes=(*made.volumes, cache))
    found = next(c for c in pod(made)["initContainers"] if c["name"].startswith("cloud-"))
    assert found["resources"]["requests"]["ephemeral-storage"] == "464Mi"
