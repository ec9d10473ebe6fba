"""Mount options of shares: each that matters is a mistake or a finding with its consequence."""

from typing import Any

import pytest

from portable.formats.merge import merged
from portable.model.findings import Finding
from portable.planning._share_options import FINE, LOGIN_OPTIONS, ROWS, known_names, row_of
from portable.planning.shares import options_of
from tests.unit.planning import CLUSTER, Place, app

GOOD = {"smb": ["uid=1000", "gid=1000", "file_mode=0664", "dir_mode=0775", "mfsymlinks", "vers=3.1.1"], "nfs": ["nfsvers=4.2", "hard"]}
INVALID = "volume.share-option-invalid"
CASES = [
    *(("smb", option, "data") for option in ("cache=loose", "cache=singleclient", "nobrl", "nolock", "nostrictsync")),
    *(("smb", option, "security") for option in ("vers=1.0", "vers=2.1", "guest", "sec=none", "file_mode=0666", "dir_mode=0777")),
    *(("smb", option, "function") for option in ("cache=none", "directio", "noserverino", "soft", "sec=krb5", "cifsacl", "dynperm")),
    *(("smb", option, "function") for option in ("nocase", "nomapposix", "iocharset=iso8859-1", "forcemand", "actimeo=0")),
    *(
        ("smb", option, "function")
        for option in ("file_mode=0444", "dir_mode=0666", "prefixpath=films", "ip=192.0.2.7", "noexec", "sync", "actimeo=600")
    ),
    *(("smb", option, "mistake") for option in ("ro", "cache=lose", "vers=4", "sec=ntlm", "sec=x", "multiuser", "snapshot=1", "unc=//a/b")),
    *(("smb", option, "mistake") for option in ("bind", "remount", "nconnect=4", "local_lock=all", "fg")),
    *(("smb", option, "cosmetic") for option in ("nofail", "_netdev")),
    *(("nfs", option, "data") for option in ("soft", "softerr", "nolock", "local_lock=all", "nocto", "nosharecache", "udp", "proto=udp")),
    *(("nfs", option, "function") for option in ("vers=3", "v3", "noac", "actimeo=0", "noresvport", "sec=krb5p", "sec=none", "wsize=1024")),
    *(("nfs", option, "function") for option in ("addr=192.0.2.7", "noexec", "sync", "acregmax=300", "lookupcache=none")),
    *(
        ("nfs", option, "mistake")
        for option in ("ro", "vers=2", "v2", "nfsvers=5", "bg", "lookupcache=x", "sec=x", "uid=1000", "mfsymlinks")
    ),
    *(("nfs", option, "mistake") for option in ("remount", "cache=loose", "noserverino")),
    *(("nfs", option, "cosmetic") for option in ("intr", "nofail")),
]


def on_share(protocol: str, *options: str, **share: Any) -> dict[str, Any]:
    """A profile whose library and state are on a share; good options give way to those of the same name."""
    names = {option.name for option in options_of(options)} | ({"nfsvers"} if {"vers=3", "vers=2"} & {*options} else set())
    rest = [option for option in GOOD[protocol] if option.partition("=")[0] not in names]
    rest = [option for option in rest if not (option == "hard" and names & {"soft", "softerr"})]
    facts = {"protocol": protocol, "server": "nas", "export": "tank", "options": [*options, *rest], **share}
    return merged(
        CLUSTER,
        {"storage": {"library": {"claim": {"share": facts}}, "state": {"claim": None, "on": "library", "below": "config"}}},
    )


def found(place: Place, protocol: str, *options: str, base: dict[str, Any] | None = None) -> list[Finding]:
    findings = place.write(app("one")).plan("one", base=base or on_share(protocol, *options)).findings
    return [f for f in findings if f.field == "storage.share-options"]


@pytest.mark.parametrize(("protocol", "option", "weight"), CASES, ids=str)
def test_each_option_that_matters_is_named_with_its_consequence(place: Place, protocol: str, option: str, weight: str) -> None:
    if weight == "mistake":
        place.write(app("one"))
        wanted = [("storage.library.claim.share.options", INVALID, option.partition("=")[0])]
        place.refuses("one", base=on_share(protocol, option), wanted=wanted)
        return
    (finding,) = found(place, protocol, option)
    assert (finding.code, finding.class_) == ("volume.share-option", weight)
    assert finding.text.startswith(f"library: {option} on {protocol.upper()}: ")
    assert finding.remedy
    assert str(finding.where).startswith("test.yaml:")


def test_every_row_of_the_tables_is_tried() -> None:
    tried = {id(row) for protocol, option, _ in CASES for o in options_of([option]) if (row := row_of(protocol, o.name, o.value))}
    assert [row for rows in ROWS.values() for row in rows if id(row) not in tried] == []
    assert {protocol: len(rows) >= 15 for protocol, rows in ROWS.items()} == {"smb": True, "nfs": True}


@pytest.mark.parametrize("protocol", ["smb", "nfs"])
@pytest.mark.parametrize("more", [(), ("noatime",), ("rsize=1048576",), ("nosuid,nodev",), ("rw",)], ids=str)
def test_options_without_a_consequence_are_silent(place: Place, protocol: str, more: tuple[str, ...]) -> None:
    assert found(place, protocol, *more) == []


def test_locks_matter_for_state_only(place: Place) -> None:
    base = merged(on_share("smb", "nobrl"), {"storage": {"state": {"on": None, "below": None, "claim": {"storage-class": "block"}}}})
    assert found(place, "smb", base=base) == []


@pytest.mark.parametrize(
    ("protocol", "option", "near"), [("smb", "mfsymlink", "mfsymlinks"), ("nfs", "timeout=5", "timeo"), ("smb", "", "")]
)
def test_an_unknown_option_is_a_finding(place: Place, protocol: str, option: str, near: str) -> None:
    (finding, *_) = [f for f in found(place, protocol, option) if f.code != "volume.share-symlinks"]
    assert (finding.code, finding.class_) == ("volume.share-option-unknown", "function")
    assert near in finding.remedy


@pytest.mark.parametrize(("at", "path"), [("library", "volumes.library"), ("state", "volumes.*")])
def test_a_finding_names_its_option_in_the_profile_and_its_volume(place: Place, at: str, path: str) -> None:
    facts = {"protocol": "nfs", "server": "nas", "export": "tank", "options": ["nfsvers=4.2", "soft"]}
    base = merged(CLUSTER, {"storage": {at: {"claim": {"share": facts}}}})
    (finding,) = found(place, "nfs", base=base)
    document = place.given("one", base=base).profile_document
    assert finding.where == document.source(("storage", at, "claim", "share", "options", 1))
    assert (finding.path, finding.class_) == (f"{path}.place.share.options", "data")
    base["storage"][at]["claim"]["share"].update(protocol="smb", options=["uid=1000", "gid=1000"])
    (finding,) = found(place, "smb", base=base)
    document = place.given("one", base=base).profile_document
    assert finding.where == document.source(("storage", at, "claim", "share", "options"))
    assert (finding.path, finding.code) == (f"{path}.place.share.options", "volume.share-symlinks")


def test_an_option_of_the_other_protocol_is_a_mistake_and_one_that_is_none_there_is_not_suggested() -> None:
    assert known_names("nfs") == FINE["nfs"].union(*(row.names for row in ROWS["nfs"] if row.effect.partition(" ")[0] != "NFS"))
    assert not {"uid", "mfsymlinks"} & known_names("nfs")
    assert {"soft", "nconnect"} <= known_names("nfs")


def test_smb_without_symlinks(place: Place) -> None:
    (finding,) = found(place, "smb", base=on_share("smb", options=["uid=1000", "gid=1000"]))
    assert (finding.code, finding.class_) == ("volume.share-symlinks", "function")
    assert found(place, "nfs", base=on_share("nfs", options=[])) == []


def test_every_option_of_a_list_entry_is_read(place: Place) -> None:
    (finding,) = found(place, "nfs", "rw,soft")
    assert "soft" in finding.text


@pytest.mark.parametrize(
    ("protocol", "options"),
    [
        ("smb", ["vers=3.0", "vers=3.1.1"]),
        ("smb", ["hard,soft"]),
        ("smb", ["serverino", "noserverino"]),
        ("nfs", ["vers=3", "nfsvers=4.2"]),
        ("nfs", ["lock", "nolock"]),
    ],
    ids=str,
)
def test_options_that_contradict_each_other(place: Place, protocol: str, options: list[str]) -> None:
    place.write(app("one"))
    (mistake,) = place.caught("one", base=on_share(protocol, options=options))
    assert (mistake.code, mistake.path) == ("volume.share-contradiction", "storage.library.claim.share.options")


# --- logins


@pytest.mark.parametrize("protocol", ["smb", "nfs"])
@pytest.mark.parametrize("option", sorted(LOGIN_OPTIONS))
@pytest.mark.parametrize("form", ["{}=hunter2", "rw,{}=hunter2", "{} = hunter2", "{upper}=hunter2"])
def test_a_login_in_options_is_a_mistake_that_does_not_repeat_it(place: Place, protocol: str, option: str, form: str) -> None:
    place.write(app("one"))
    entry = form.format(option, upper=option.upper())
    mistakes = place.caught("one", base=on_share(protocol, entry))
    assert [m.code for m in mistakes] == ["volume.share-login"]
    assert not any("hunter2" in str(part) for m in mistakes for part in (m.text, m.remedy, m.path))


@pytest.mark.parametrize("at", ["state", "cache", "backups", "apps"])
def test_a_login_is_found_at_every_place(place: Place, at: str) -> None:
    place.write(app("one", volumes={"config": {"holds": "state"}}, containers={"main": {"volumes": {"config": "/config"}}}))
    claim = {"claim": {"size": "1Gi", "share": {"protocol": "smb", "server": "nas", "export": "x", "options": ["password=hunter2"]}}}
    claims = {"apps": {"one": {"config": claim}}} if at == "apps" else {at: {"scratch": None, **claim}}
    codes = [m.code for m in place.caught("one", base=CLUSTER, storage=claims)]
    assert "volume.share-login" in codes


@pytest.mark.parametrize(
    "share", [{"server": "bob:hunter2@nas"}, {"server": "smb://nas"}, {"export": "smb://bob:hunter2@nas/tank"}], ids=str
)
def test_a_login_in_the_address(place: Place, share: dict[str, str]) -> None:
    place.write(app("one"))
    (mistake,) = place.caught("one", base=on_share("smb", **share))
    assert mistake.code == "volume.share-login"
    assert "hunter2" not in f"{mistake.text}{mistake.remedy}"


# --- case


def twins(place: Place, base: dict[str, Any], *folders: str) -> list[Finding]:
    names = [f"app-{index}" for index in range(len(folders))]
    place.write(*(app(name, library={"folders": [folder]}) for name, folder in zip(names, folders, strict=True)))
    return [f for f in place.plan(*names, base=base).findings if f.code == "volume.case-twins"]


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (("media/TV", "media/tv"), "media/TV (app-0) and media/tv (app-1)"),
        (("Media/tv", "media/films"), "Media (app-0) and media (app-1)"),
        (("Downloads/x",), "Downloads (app-0) and downloads (the library itself)"),
    ],
)
def test_case_twins_are_one_folder_on_smb(place: Place, folders: tuple[str, ...], said: str) -> None:
    (finding,) = twins(place, on_share("smb"), *folders)
    assert (finding.class_, finding.field) == ("data", "storage.case")
    assert finding.text.startswith(said)
    assert twins(place, on_share("nfs"), *folders) == []
    assert twins(place, CLUSTER, *folders) == []


def test_folders_that_differ_are_no_twins(place: Place) -> None:
    assert twins(place, on_share("smb"), "media/tv", "media/tv2", "media/films/tv") == []


def test_state_does_not_hide_a_folder_of_the_library_by_another_case(place: Place) -> None:
    place.write(app("one", volumes={"config": {"holds": "state"}}, containers={"main": {"volumes": {"config": "/config"}}}))
    base = merged(on_share("smb"), {"storage": {"state": {"below": "Media"}}})
    assert ("storage.state", "volume.library-folder") in place.told("one", base=base)
    assert place.plan("one", base=merged(on_share("nfs"), {"storage": {"state": {"below": "Media"}}})).plan.library is not None
