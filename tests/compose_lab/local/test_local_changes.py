"""A changed config file, setting or secret recreates exactly the apps that use it and those that share their network namespace."""

import shutil
from collections.abc import Iterator

import pytest

from portable.catalog.shipped import SHIPPED
from tests.lab.local import CLOUD, PROFILE, Local

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(1500)]


@pytest.fixture
def own(local: Local) -> Iterator[Local]:
    """The stack with a catalog of a person's own: copies of the gateway, of an app and of the cloud, to be changed."""
    local.portable("up")  # what a test before this one changed is taken back
    local.catalog = local.folder / "own"
    for folder in ("apps/seal", "apps/webdav"):
        shutil.copytree(SHIPPED / folder, local.catalog / folder)
    shutil.copytree(local.folder / "catalog" / "clouds", local.catalog / "clouds")
    profile = local.folder / "profiles" / f"{PROFILE}.yaml"
    text = profile.read_text()
    profile.write_text(f"{text}waive: [{{field: gateway.own, class: security, apps: [seal], reason: it is a copy}}]\n")
    try:
        yield local
    finally:
        profile.write_text(text)
        shutil.rmtree(local.catalog)
        local.catalog = None


def recreated(local: Local, *arguments: str) -> set[str]:
    """The services whose containers an `up` made anew, and nothing that `diff` did not say before."""
    said = {
        line.split()[1].rstrip(":")
        for line in local.portable("diff", *arguments, code=None).out.splitlines()
        if " " in line and ": " in line
    }
    before = local.identity()
    local.portable("up", *arguments)
    after = local.identity()
    assert local.portable("diff", *arguments).code == 0
    found = {name for name in after if after[name][0] != before[name][0]}
    # Compose runs `init` again before who needs it; it makes what is missing and touches nothing that is there.
    assert {name for name in after if after[name] != before[name]} - {"init"} == found - {"init"}, "a container was only restarted"
    assert said == found
    return found


def edit(local: Local, file: str, old: str, new: str) -> None:
    """Change a file of the person's own catalog."""
    assert local.catalog is not None
    path = local.catalog / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_copies_of_apps_change_nothing(own: Local) -> None:
    assert recreated(own) == set()


def test_config_file_of_a_cloud_recreates_its_mounter_alone(own: Local) -> None:
    edit(own, f"clouds/{CLOUD}/rclone.conf.j2", "vendor = other", "vendor = other\n# changed")
    assert recreated(own) == {f"cloud-{CLOUD}"}
    assert "# changed" in own.inside(f"cloud-{CLOUD}", "cat", "/config/rclone/rclone.conf")


def test_setting_of_the_gateway_recreates_it_and_who_shares_its_network(own: Local) -> None:
    assert recreated(own, "--set", "networks.local=[192.168.77.0/28]") == {"seal", "qbittorrent"}
    assert own.inspected()["qbittorrent"]["HostConfig"]["NetworkMode"] == f"container:{own.container('seal')}"


def test_secret_recreates_who_uses_it_and_who_shares_its_network(own: Local) -> None:
    """The gateway and the app webdav get a file with a secret each; then one secret changes, then the other."""
    for app, image in (("seal", "    identity: fixed"), ("webdav", "    identity: user")):
        (own.folder / "own" / "apps" / app / "note.j2").write_text(f"note = {{{{ secret('{app}-note') }}}}\n")
        file = "files: [{template: note.j2, path: /etc/note}]"
        if app == "webdav":
            edit(own, "apps/webdav/app.yaml", "    files:\n", "    files:\n      - {template: note.j2, path: /etc/note}\n")
        else:
            edit(own, "apps/seal/app.yaml", image, f"{image}\n    {file}")
        with (own.folder / "own" / "apps" / app / "app.yaml").open("a") as text:
            text.write(f"secrets:\n  {app}-note: {{about: a note}}\n")
    missing = own.portable("up", code=2)
    assert "seal-note" in missing.err
    assert "webdav-note" in missing.err
    for app in ("seal", "webdav"):
        own.portable("secrets", "set", f"{app}-note", given="one\n")
    assert recreated(own) == {"seal", "qbittorrent", "webdav"}
    own.portable("secrets", "set", "webdav-note", given="two\n")
    assert recreated(own) == {"webdav"}
    assert own.inside("webdav", "cat", "/etc/note") == "note = two\n"
    own.portable("secrets", "set", "seal-note", given="three\n")
    assert recreated(own) == {"seal", "qbittorrent"}
    assert own.inside("seal", "cat", "/etc/note") == "note = three\n"


def test_shipped_catalog_again_takes_the_changes_back(local: Local) -> None:
    local.portable("up")
    local.assert_well()


def test_app_that_left_is_removed_and_its_data_stays(local: Local) -> None:
    kept = local.folder / "config" / "sabnzbd" / "sabnzbd.ini"
    arguments = ("--set", "without=[sabnzbd]")
    before = local.identity()
    local.portable("up", *arguments)
    after = local.identity()
    assert before.keys() - after.keys() == {"sabnzbd"}
    # The names of all apps stand in host checks of none of the others here: nobody else is touched but who prepares and who keeps folders.
    assert {name for name in after if after[name] != before[name]} <= {"backup", "init"}
    assert kept.is_file()
    local.portable("up")
    local.assert_well()
