"""Step 4: environment, files, secrets, containers, clouds; and what is told of templates that fail."""

import sys
from typing import Any

import pytest

from portable.catalog.facts import AppFacts
from portable.model import plan as p
from portable.model.secret_refs import SecretRef, Text
from portable.planning.content import slug
from tests.unit.planning import VPN, Place, app, cloud, port_of

KEY = {"key": {"about": "a key"}, "pair": {"about": "two", "keys": ["user", "password"]}}


def with_env(name: str = "one", /, **environment: Any) -> dict[str, Any]:
    return app(name, containers={"main": {"environment": environment}}, secrets=KEY)


def with_files(*files: dict[str, Any]) -> dict[str, Any]:
    return app("one", containers={"main": {"files": list(files)}}, secrets=KEY)


def env(place: Place, *others: str, **changes: Any) -> dict[str, Any]:
    planned = place.plan("one", *others, **changes)
    return dict(next(a for a in planned.plan.apps if a.name == "one").containers[0].env)


def text(place: Place, template: str, *others: str, **changes: Any) -> tuple[Text, ...]:
    """What the one file of app `one` becomes."""
    place.write(with_files({"template": "a.j2", "path": "/a"}), templates={"one/a.j2": template})
    return next(f.body for f in place.plan("one", *others, **changes).plan.files if f.id == "one-a")


# --- what a template may say


def test_values_of_the_environment(place: Place) -> None:
    place.write(with_env(PLAIN="x {y}", NUMBER=5, PORT="{{ ports.web }}", SECRET={"secret": "pair", "key": "user", "optional": True}))
    assert env(place) == {
        "NUMBER": "5",
        "PLAIN": "x {y}",
        "PORT": str(port_of("one")),
        "SECRET": SecretRef(name="pair", key="user", optional=True),
    }


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("{{ app }} {{ stack }} {{ uid }}:{{ gid }} {{ umask }} {{ timezone }}", "one house 1001:1002 027 Europe/Berlin"),
        ("{{ library }} {{ clouds }}", "/mnt/media /mnt/clouds"),
        ("{{ url('two') }} {{ url('two', 'api') }}", f"http://two:{port_of('two')} https://two:9"),
        ("{{ has('two') }} {{ has('three') }}", "True False"),
        ("{{ networks | join(',') }}", "172.20.0.0/16,10.0.0.0/8"),
        ("{{ group.ports | join(',') }}", str(port_of("one"))),
        ("{{ names | join(' ') }}", "one uno localhost 127.0.0.1 nas"),
        (
            "{% for z in dashboard %}{{ z.zone }}{% for a in z.apps %} {{ a.href }}{% endfor %}{% endfor %}",
            f"front http://nas:{port_of('one')}",
        ),
        ("<&\"'>", "<&\"'>"),
        ("{{ '<&>' }}", "<&>"),
    ],
)
def test_what_a_template_may_say(place: Place, template: str, result: str) -> None:
    place.write(
        with_env(X=template) | {"aliases": ["uno"]},
        app("two", ports={"web": {"serves": "http"}, "api": {"number": 9, "serves": "https"}}),
        app("three"),
    )
    changes = {
        "networks": {"subnet": "172.20.0.0/16", "local": ["10.0.0.0/8"]},
        "exposure": {"address": "nas", "apps": {"one": {"web": {"lan": {}}}}},
        "stack": "portable: 1\nname: house\nuid: 1001\ngid: 1002\numask: '027'\ntimezone: Europe/Berlin\n",
    }
    assert env(place, "two", **changes)["X"] == result


def test_the_addresses_of_other_apps_are_the_same_in_every_place(place: Place) -> None:
    place.write(with_env(X="{{ url('two') }}"), app("two", egress="vpn"))
    assert env(place, "two")["X"] == env(place, "two", **VPN)["X"] == f"http://two:{port_of('two')}"


def test_arguments_are_templates_too(place: Place) -> None:
    place.write(app("one", containers={"main": {"command": ["run", "{{ ports.web }}"], "args": ["--app={{ app }}"]}}))
    (container,) = place.plan("one").plan.apps[0].containers
    assert (container.command, container.args) == (("run", str(port_of("one"))), ("--app=one",))


# --- files


def test_files_have_ids_modes_and_paths(place: Place) -> None:
    files = ({"template": "a.j2", "path": "/etc/App.conf", "mode": "0440"}, {"template": "b", "path": "/seed/b", "seed": True})
    place.write(with_files(*files), templates={"one/a.j2": "uid={{ uid }}\n", "one/b": "{# not a template #}\n"})
    planned = place.plan("one").plan
    assert planned.files == (
        p.File(id="one-app-conf", body=("uid=1000\n",), mode=0o440),
        p.File(id="one-b", body=("{# not a template #}\n",), mode=0o444),
    )
    assert planned.apps[0].containers[0].files == (
        p.FileMount(file="one-app-conf", path="/etc/App.conf"),
        p.FileMount(file="one-b", path="/seed/b", seed=True),
    )


def test_a_file_keeps_every_byte_that_is_no_template(place: Place) -> None:
    assert text(place, "a\n\n  b {{ uid }}\t\n{% if true %}\nc\n{% endif %}\n") == ("a\n\n  b 1000\t\nc\n",)
    assert text(place, "") == ("",)


def test_a_file_with_a_secret_is_text_and_references(place: Place) -> None:
    body = text(
        place, "[a]\nkey = {{ secret('key') }}\nuser={{ secret('pair', 'user', optional=true) }}{{ secret('key', form='qbittorrent') }}\n"
    )
    assert body == (
        "[a]\nkey = ",
        SecretRef(name="key"),
        "\nuser=",
        SecretRef(name="pair", key="user", optional=True),
        SecretRef(name="key", form="qbittorrent"),
        "\n",
    )
    assert p.File(id="x", body=body).is_secret


def test_two_files_that_would_be_called_alike(place: Place) -> None:
    place.write(
        with_files({"template": "a", "path": "/a/x.conf"}, {"template": "b", "path": "/b/x.conf"}), templates={"one/a": "", "one/b": ""}
    )
    place.refuses("one", wanted=[("containers.main.files[1]", "template.file-name", "template b:1: ", "one-x-conf")])


@pytest.mark.parametrize(("path", "name"), [("/etc/App Conf.YML", "app-conf-yml"), ("/a/_b_", "b")])
def test_ids_are_names_that_every_back_end_takes(path: str, name: str) -> None:
    assert slug(path) == name


def test_a_path_of_which_nothing_is_left_has_an_id_too() -> None:
    assert slug("/x/...") != slug("/y/...")
    assert slug("/x/...").isalnum()


# --- what fails is told with file and line


@pytest.mark.parametrize(
    ("template", "line", "code", "words"),
    [
        ("ok\n{{ nothing }}\n", 2, "template.undefined", "'nothing'"),
        ("\n\n{{ ports.wbe }}", 3, "template.undefined", "'wbe'"),
        ("{{ url('nothing') }}", 1, "template.app-unknown", "app 'nothing' with a port 'web'"),
        ("{{ url('one', 'wbe') }}", 1, "template.app-unknown", "app 'one' with a port 'wbe'"),
        ("a\n{% if %}", 2, "template.syntax", "Expected an expression, got 'end of statement block'"),
        ("{{ 1 / 0 }}", 1, "template.failed", "division by zero"),
        ("{{ 'a' + 1 }}", 1, "template.failed", 'can only concatenate str (not "int") to str'),
        ("{{ [][3] }}", 1, "template.undefined", "list object has no element 3"),
        ("{{ 2.0 ** 9999 }}", 1, "template.failed", "(34, 'Numerical result out of range')"),
        ("{{ '{a}'.format_map({}) }}", 1, "template.failed", "'a'"),
        ("{{ app.__class__.__mro__ }}", 1, "template.failed", "access to attribute '__class__' of 'str' object is unsafe."),
        ("{{ secret('nothing') }}", 1, "template.secret-unknown", "'nothing' with key 'value'; known: key (value), pair (password, user)"),
        ("{{ secret('pair') }}", 1, "template.secret-unknown", "'pair' with key 'value'"),
        ("{{ secret('key', form='md5') }}", 1, "template.secret-form", "'md5'"),
        ("{{ secret('key') | upper }}", 1, "template.secret-changed", ""),
        ("{{ secret('key') | truncate(25) }}", 1, "template.secret-changed", ""),
        ("{{ program('nothing') }}", 1, "template.program-unknown", "'nothing'"),
        ("{% include '/etc/passwd' %}", 1, "template.failed", "no loader for this environment specified"),
    ],
)
def test_templates_that_fail(place: Place, template: str, line: int, code: str, words: str) -> None:
    place.write(with_files({"template": "a.j2", "path": "/a"}), templates={"one/a.j2": template})
    place.refuses("one", wanted=[("containers.main.files[0]", code, f"template a.j2:{line}: ", words)])


def test_a_value_that_fails_is_told_at_its_line(place: Place) -> None:
    place.write(with_env(GOOD="x", WRONG="{{ nothing }}"))
    report = place.mistakes("one")
    line = int(report.split(":")[1])
    assert "WRONG" in (place.folder / "apps/one/app.yaml").read_text().splitlines()[line - 1]
    assert "containers.main.environment.WRONG: " in report
    assert "{{ '{{nothing}}' }}" in report
    assert "[template.undefined]" in report


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_template_that_can_not_be_read(place: Place, content: bytes | None) -> None:
    place.write(with_files({"template": "a.j2", "path": "/a"}))
    if content is not None:
        (place.folder / "apps/one/a.j2").write_bytes(content)
    place.refuses("one", wanted=[("containers.main.files[0]", "template.unreadable", "'a.j2'")])


@pytest.mark.parametrize("where", ["environment", "args"])
def test_a_secret_can_not_stand_in_a_value(place: Place, where: str) -> None:
    value = "token={{ secret('key') }}"
    place.write(app("one", containers={"main": {where: {"TOKEN": value} if where == "environment" else [value]}}, secrets=KEY))
    assert [code for _, code in place.told("one")] == ["template.secret-in-value"]


def test_failures_of_several_apps_are_told_at_once(place: Place) -> None:
    place.write(with_env("one", A="{{ a }}", B="{{ b }}"), with_env("two", C="{{ c }}"))
    caught = place.caught("one", "two")
    assert sorted(m.text for m in caught) == ["'a' is undefined", "'b' is undefined", "'c' is undefined"], "these are Jinja's own words"
    assert {m.code for m in caught} == {"template.undefined"}


# --- containers


def test_secrets_become_folders_of_their_keys(place: Place) -> None:
    place.write(app("one", containers={"main": {"secrets": {"pair": "/run/pair"}}}, secrets=KEY))
    (container,) = place.plan("one").plan.apps[0].containers
    assert container.secrets == (p.SecretMount(secret="pair", keys=("user", "password"), path="/run/pair"),)


@pytest.mark.parametrize(("how", "ids"), [("user", (1001, 1002)), ("puid-pgid", (1001, 1002)), ("fixed", (0, 0))])
def test_the_stacks_user_writes_files_in_every_place(place: Place, how: str, ids: tuple[int, int]) -> None:
    place.write(app("one", containers={"main": {"identity": how}}))
    (container,) = place.plan("one", stack="portable: 1\nuid: 1001\ngid: 1002\n").plan.apps[0].containers
    assert (container.identity.how, container.identity.uid, container.identity.gid) == (how, *ids)


@pytest.mark.parametrize("need", ["tun", "fuse", "gpu"])
def test_a_device_that_the_place_has_not(place: Place, need: str) -> None:
    place.write(app("one", containers={"main": {"needs": {need: "required" if need == "gpu" else True}}}))
    place.refuses("one", devices=None, wanted=[(f"devices.{need}", "app.device", f"one needs the device {need}", "profile test")])
    host = {need: {"host": {"path": "/dev/x"}}}
    assert getattr(place.plan("one", devices=host).plan.apps[0].containers[0].needs, need) is True


def test_an_optional_gpu_is_a_finding_where_there_is_none(place: Place) -> None:
    place.write(app("one", containers={"main": {"needs": {"gpu": "optional"}}}))
    found = [(f.code, f.field, f.path) for f in place.plan("one").findings]
    assert found == [("app.gpu", "devices.gpu", "apps.one.containers.main.needs.gpu")]
    assert place.plan("one", devices={"gpu": {"plugin": "x/gpu", "group": 104}}).findings == ()


@pytest.mark.parametrize("asked", [{}, {"plugin": "x/y", "annotation": "/dev/x"}])
def test_a_device_is_given_in_one_way(place: Place, asked: dict[str, str]) -> None:
    assert place.told(devices={"gpu": asked}) == [("devices.gpu", "plan.device")]


def test_probes_are_patient_at_the_start(place: Place) -> None:
    probe = {"http": {"port": "web", "path": "/x", "ok": [200, 401]}, "startup": "1m", "period": "30s", "timeout": "2s", "failures": 4}
    place.write(app("one", containers={"main": {"probe": probe}}))
    probes = place.plan("one").plan.apps[0].containers[0].probes
    how = p.Http(port="web", path="/x", ok=(200, 401))
    assert probes.startup is not None
    assert probes.startup.period * probes.startup.failures >= 60
    assert probes.ready == p.Check(how=how, period=30, timeout=2, failures=4)
    assert probes.live is not None
    assert probes.live.period > 30


def test_what_runs_has_one_name_each(place: Place) -> None:
    second = app("side")["containers"]["main"]
    place.write(app("one", containers={"side": second}), app("one-side"), app("init"), app("cloud-box"), clouds=(cloud("box"),))
    caught = place.caught("one", "one-side", "init", "cloud-box", clouds=["box"])
    assert {m.code for m in caught} == {"app.container-name"}
    first, second, third = sorted(m.text for m in caught)
    assert all(word in first for word in ("'cloud-box'", "mounter of cloud box"))
    assert "'init'" in second
    assert all(word in third for word in ("'one-side'", "container of one"))


# --- clouds


def test_every_cloud_has_a_mounter_of_its_own(place: Place) -> None:
    server = app("server")
    box = cloud("box", needs_apps=["server"], after=[{"app": "server"}], environment={"POLL": "5s", "N": 3}, cache="10Gi")
    place.write(server, clouds=(box, cloud("shed")))
    planned = place.plan(clouds=["shed", "box"]).plan
    assert [c.id for c in planned.clouds] == ["box", "shed"]
    one = planned.clouds[0]
    assert (one.known_entry, one.after) == ("all", (p.After(app="server"),))
    assert one.fuse_mount.name == "box"
    assert one.fuse_mount.needs.fuse
    assert (one.fuse_mount.env["CLOUD"], one.fuse_mount.env["POLL"], one.fuse_mount.env["N"]) == ("box", "5s", "3")
    assert p.FileMount(file="cloud-box-rclone-conf", path=str(one.fuse_mount.env["RCLONE_CONFIG"])) in one.fuse_mount.files
    assert [m.volume for m in one.fuse_mount.mounts] == ["cloud-box-cache"]
    ids = [f.id for f in planned.files]
    assert len(ids) == len(set(ids))
    assert {"cloud-box-rclone-conf", "cloud-shed-rclone-conf"} <= set(ids)


def test_an_app_reads_the_clouds_that_it_names_and_the_place_has(place: Place) -> None:
    place.write(app("one", clouds=["box", "torbox"]), clouds=(cloud("box"),))
    assert place.plan("one", clouds=["box"]).plan.apps[0].clouds == ("box",)
    assert place.plan("one").plan.apps[0].clouds == ()


def test_the_login_of_a_cloud_stays_a_reference(place: Place) -> None:
    planned = place.plan(clouds=["torbox"]).plan
    body = next(f.body for f in planned.files if f.id == "cloud-torbox-rclone-conf")
    assert [part for part in body if isinstance(part, SecretRef)] == [
        SecretRef(name="torbox-login", key="username"),
        SecretRef(name="torbox-login", key="password"),
    ]


def test_a_mounter_of_ones_own_says_where_it_reads_its_configuration(place: Place) -> None:
    place.write(app("rclone", fuse_mount=True, ports={"web": None}), clouds=(cloud("box"),))
    place.refuses(clouds=["box"], wanted=[("containers.main.environment", "cloud.mount-config", "RCLONE_CONFIG")])


# --- findings of the whole


@pytest.mark.parametrize(("status", "class_"), [("unmaintained", "security"), ("archived", "function"), ("retired", "function")])
def test_an_app_that_its_makers_left_is_a_finding(place: Place, status: str, class_: str) -> None:
    place.write(app("one", upstream={"status": status, "successor": "two", "note": "since May"}))
    (finding,) = place.plan("one").findings
    assert (finding.code, finding.field, finding.class_, finding.app) == ("app.upstream", "upstream", class_, "one")
    assert all(word in finding.text for word in ("one", status, "two", "since May"))
    assert "two" in finding.remedy
    assert finding.where is not None
    assert finding.where.file.endswith("one/app.yaml")


@pytest.mark.parametrize("status", ["active", "quiet"])
def test_an_app_that_is_kept_is_none(place: Place, status: str) -> None:
    place.write(app("one", upstream={"status": status}))
    assert place.plan("one").findings == ()


def test_braces_that_are_for_the_program_itself(place: Place) -> None:
    """Gluetun fills in `{{PORTS}}` by itself: an unknown name says how to pass it on, and so it is."""
    container = {"environment": {"UP": "tell {{PORTS}}"}}
    report = place.write(app("one", containers={"main": container})).mistakes("one")
    assert report.endswith("{{ '{{PORTS}}' }}) [template.undefined]")
    container = {"environment": {"UP": "tell {{ '{{PORTS}}' }}"}}
    place.write(app("one", containers={"main": container}))
    assert place.plan("one").plan.apps[0].containers[0].env["UP"] == "tell {{PORTS}}"


def test_a_fenced_group_shares_one_dashboard(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One list for each caller would make the planning of many fenced apps quadratic."""
    names = [f"app{number}" for number in range(6)]
    for name in names:
        facts = app(name, egress="vpn")
        facts["containers"]["main"]["environment"] = {
            "X": "{% for z in dashboard %}{% for a in z.apps %}{{ a.url }} {% endfor %}{% endfor %}"
        }
        place.write(facts)
    built: list[str] = []

    def noted(facts: AppFacts, _port: str) -> str:
        built.append(facts.name)
        return ""

    monkeypatch.setattr(sys.modules[slug.__module__], "monitored", noted)
    plan = place.plan(*names, exposure={"default": "loopback"}, **VPN).plan
    texts = {c.env["X"] for a in plan.apps if a.name in names for c in a.containers}
    assert texts == {" ".join(f"http://{name}:{port_of(name)}" for name in names) + " "}
    assert {built.count(name) for name in names} == {2}, "one list for the group, and one for apps that are not fenced"
