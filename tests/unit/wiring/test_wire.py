"""Apps are connected, against recorded interfaces: once, in order, and without changes to a person's own settings."""

import contextlib
import copy
import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portable.wiring import INTERFACES, Channels, channel, chosen, wire
from portable.wiring.channel import Request, Writer
from portable.wiring.provider import fields_of
from portable.wiring.wishes import wishes
from tests.lab import recorded
from tests.unit.wiring.fake import PORTS, Stack, stack

EVERY = ("lidarr", "prowlarr", "qbittorrent", "radarr", "sabnzbd", "seerr", "sonarr")


def mentions(text: str, *words: str) -> bool:
    """Whether a text contains all of these, as whole words."""
    return set(words) <= set(re.split(r"[\s(),:']+", text))


def fields(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return fields_of(next(entry for entry in entries if entry["name"] == name))


def test_a_stack_that_knows_nothing_is_told_everything_once() -> None:
    with stack("qbittorrent", "sabnzbd", "sonarr", "prowlarr", "seerr") as there:
        expected = [
            ("qbittorrent", "category", "sonarr", "missing", "/mnt/media/downloads/torrents/sonarr"),
            ("sabnzbd", "category", "sonarr", "missing"),
            ("sonarr", "root", "folder", "missing", "/mnt/media/media/tv"),
            ("sonarr", "download", "client", "missing", "qbittorrent"),
            ("sonarr", "download", "client", "missing", "sabnzbd"),
            ("prowlarr", "application", "sonarr", "missing"),
            ("seerr", "server", "sonarr", "missing"),
        ]
        for (app, cause), (name, *words) in zip(there.told(), expected, strict=True):
            assert (app, mentions(cause, *words)) == (name, True), cause
        assert there.told() == []


@pytest.mark.parametrize("client", ["qbittorrent", "sabnzbd"])
def test_a_client_that_was_started_before_a_rename_lets_the_new_name_in(client: str) -> None:
    between = ";" if client == "qbittorrent" else ","
    with stack(client) as there:
        there.peers = (msgspec.structs.replace(there.peers[0], names=("nas.lan", "192.168.7.2", "new.lan")),)
        there.programs[client].hosts = between.join([client, "nas.lan", *(["192.168.*.*"] if client == "qbittorrent" else [])])
        ((app, cause),) = there.told()
        assert (app, mentions(cause, "refuses", "new.lan"), mentions(cause, "nas.lan")) == (client, True, False), cause
        assert set(there.programs[client].hosts.split(between)) >= {client, "nas.lan", "new.lan"}, "what is there stays"
        assert there.told() == []


def test_a_client_that_checks_no_hosts_is_left_alone() -> None:
    with stack("qbittorrent") as there:
        there.peers = (msgspec.structs.replace(there.peers[0], names=("new.lan",)),)
        there.programs["qbittorrent"].checks_hosts = False
        assert there.told() == []


def test_names_below_local_and_addresses_pass_sabnzbd_anyway() -> None:
    with stack("sabnzbd") as there:
        there.peers = (msgspec.structs.replace(there.peers[0], names=("nas.local", "192.168.7.2", "[fd00::2]")),)
        assert there.told() == []


def test_what_a_manager_is_told() -> None:
    with stack("qbittorrent", "sabnzbd", "sonarr") as there:
        there.told()
        sonarr = there.programs["sonarr"]
        assert [folder["path"] for folder in sonarr.roots] == ["/mnt/media/media/tv"]
        torrents, usenet = fields(sonarr.entries, "qbittorrent"), fields(sonarr.entries, "sabnzbd")
        login = {"username": "admin", "password": "value of qbittorrent-key"}
        wanted = {"host": "qbittorrent", "port": 8080, "useSsl": False, **login, "tvCategory": "sonarr", "tvImportedCategory": None}
        assert {name: torrents[name] for name in wanted} == wanted
        assert (usenet["host"], usenet["apiKey"], usenet["tvCategory"]) == ("sabnzbd", "value of sabnzbd-key", "sonarr")
        assert all(entry["enable"] for entry in sonarr.entries)


def test_each_kind_of_media_has_its_own_category_and_defaults() -> None:
    """Lidarr needs defaults for its root folder, the oldest profiles; the kind of media names the fields."""
    with stack("qbittorrent", "radarr", "lidarr", "readarr", "whisparr") as there:
        there.told()
        category = {name: fields(there.programs[name].entries, "qbittorrent") for name in ("radarr", "lidarr", "readarr", "whisparr")}
        assert category["radarr"]["movieCategory"] == "radarr"
        assert category["lidarr"]["musicCategory"] == "lidarr"
        assert category["whisparr"]["tvCategory"] == "whisparr"
        (root,) = there.programs["lidarr"].roots
        assert (root["name"], root["defaultQualityProfileId"], root["defaultMetadataProfileId"]) == ("music", 1, 1)


def test_what_prowlarr_and_seerr_are_told() -> None:
    with stack("prowlarr", "seerr", "radarr", "sonarr") as there:
        there.told()
        (radarr, sonarr) = there.programs["prowlarr"].entries
        assert (radarr["implementation"], sonarr["implementation"], sonarr["syncLevel"]) == ("Radarr", "Sonarr", "fullSync")
        wanted: dict[str, object] = {
            "prowlarrUrl": "http://prowlarr:9696",
            "baseUrl": "http://sonarr:8989",
            "apiKey": "value of sonarr-key",
        }
        assert {name: fields_of(sonarr)[name] for name in wanted} == wanted
        assert fields_of(sonarr)["syncCategories"] == [5000, 5010], "the program's own categories stay"
        (server,) = there.programs["seerr"].servers["radarr"]
        wanted = {"hostname": "radarr", "apiKey": "value of radarr-key", "activeProfileId": 1, "activeProfileName": "Any"}
        wanted |= {"activeDirectory": "/mnt/media/media/movies", "isDefault": True, "minimumAvailability": "released"}
        assert {name: server[name] for name in wanted} == wanted


def test_an_app_of_ones_own_that_speaks_as_another_does() -> None:
    """Two managers of one kind are kept apart, and only one of them is Seerr's default."""
    with stack("qbittorrent", "seerr", "sonarr", "sonarr-4k:sonarr") as there:
        there.told()
        assert sorted(there.programs["qbittorrent"].categories) == ["sonarr", "sonarr-4k"]
        assert [(s["name"], s["isDefault"]) for s in there.programs["seerr"].servers["sonarr"]] == [("sonarr", True), ("sonarr-4k", False)]
        assert there.told() == []


def test_foreseen_is_what_is_told_and_writes_nothing() -> None:
    with stack(*EVERY) as there:
        foreseen = there.foreseen()
        assert all(program.told == [] for program in there.programs.values())
        assert foreseen == there.wire()


def test_what_is_a_persons_own_stays() -> None:
    """Entries of other names; one of them leads to the same app already, so no second one is added."""
    with stack("prowlarr", "qbittorrent", "sabnzbd", "seerr", "sonarr") as there:
        there.told()
        mine = {"sonarr": "my torrents", "prowlarr": "series"}
        for app, name in mine.items():
            there.programs[app].entries[0]["name"] = name
        there.programs["seerr"].servers["sonarr"][0]["name"] = "Series"
        there.programs["sonarr"].entries.append({**copy.deepcopy(there.programs["sonarr"].entries[1]), "id": 9, "name": "old"})
        there.programs["qbittorrent"].categories["mine"] = {"name": "mine", "savePath": "/elsewhere"}
        before = [copy.deepcopy((p.entries, p.servers, p.categories)) for p in there.programs.values()]
        assert there.told() == []
        assert before == [(p.entries, p.servers, p.categories) for p in there.programs.values()]


def test_what_was_changed_is_told_with_what_it_was() -> None:
    """A person's choices in the same entry stay: priorities, profiles, disabled entries."""
    with stack("prowlarr", "qbittorrent", "sabnzbd", "seerr", "sonarr") as there:
        there.told()
        sonarr, seerr = there.programs["sonarr"], there.programs["seerr"].servers["sonarr"]
        sonarr.entries[0] |= {"priority": 7, "enable": False}
        for one in sonarr.entries[0]["fields"]:
            if one["name"] in ("host", "tvCategory"):
                one["value"] = "elsewhere"
        seerr[0] |= {"port": 1, "apiKey": "old", "activeProfileId": 4}
        there.programs["qbittorrent"].categories["sonarr"]["savePath"] = ""
        there.programs["sabnzbd"].categories["sonarr"]["dir"] = ""
        there.programs["prowlarr"].entries[0]["fields"][0]["value"] = "http://localhost:9696"
        told = there.told()
        assert [app for app, _ in told] == ["qbittorrent", "sabnzbd", "sonarr", "prowlarr", "seerr"]
        cause = dict(told)
        assert mentions(cause["qbittorrent"], "category", "sonarr", "default", "/mnt/media/downloads/torrents/sonarr")
        assert mentions(cause["sabnzbd"], "category", "sonarr", "default")
        assert mentions(cause["sonarr"], "qbittorrent", "host", "tvCategory", "elsewhere", "sonarr")
        assert not mentions(cause["sonarr"], "password"), "it is as it was"
        assert "'http://localhost:9696' instead of 'http://prowlarr:9696'" in cause["prowlarr"]
        assert mentions(cause["seerr"], "server", "sonarr", "port", "1", "8989", "apiKey")
        assert "old" not in cause["seerr"], "neither of the two keys is shown"
        assert "value of" not in cause["seerr"]
        assert (sonarr.entries[0]["priority"], sonarr.entries[0]["enable"], seerr[0]["activeProfileId"]) == (7, False, 4)
        assert fields(sonarr.entries, "qbittorrent")["password"] == "value of qbittorrent-key"
        assert there.told() == []


def test_an_entry_of_the_name_that_is_something_else_is_left_alone() -> None:
    with stack("qbittorrent", "sonarr") as there:
        there.told()
        there.programs["sonarr"].entries[0]["implementation"] = "Transmission"
        (error,) = there.trouble()
        assert (error.code, error.where) == ("wire.entry-conflict", "sonarr")
        assert mentions(error.text, "qbittorrent", "Transmission", "QBittorrent")


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("app", "name", "needs"),
    [
        ("sonarr", "QBittorrent", ("qbittorrent",)),
        ("radarr", "qBittorrent", ("qbittorrent",)),
        ("lidarr", "SABnzbd", ("sabnzbd",)),
        ("whisparr", "SABNZBD", ("sabnzbd",)),
        ("prowlarr", "Sonarr", ("sonarr",)),
    ],
)
def test_an_entry_whose_name_differs_in_case_only_is_the_entry(app: str, name: str, needs: tuple[str, ...]) -> None:
    """The program would refuse a second one for ever; the case of its name stays as the person wrote it."""
    with stack(app, *needs) as there:
        there.told()
        (entry,) = there.programs[app].entries
        entry["name"] = name
        led = next(one for one in entry["fields"] if one["name"] in ("host", "baseUrl"))
        right, led["value"] = led["value"], "http://192.0.2.7:1"
        ((told, cause),) = there.told()
        assert (told, mentions(cause, needs[0], led["name"], "instead")) == (app, True), cause
        (entry,) = there.programs[app].entries
        assert (entry["name"], fields_of(entry)[led["name"]]) == (name, right)
        assert there.told() == []


def test_readarr_may_have_both() -> None:
    with stack("readarr", "qbittorrent") as there:
        there.told()
        (entry,) = there.programs["readarr"].entries
        entry["name"] = "QBittorrent"
        next(one for one in entry["fields"] if one["name"] == "host")["value"] = "elsewhere"
        assert mentions(dict(there.told())["readarr"], "qbittorrent", "missing")
        assert [entry["name"] for entry in there.programs["readarr"].entries] == ["QBittorrent", "qbittorrent"]


# --- the recorded interfaces -----------------------------------------------------------------------------------------


def test_what_the_recorded_managers_answer() -> None:
    """As ProviderControllerBase.cs: a new entry is tested, with `forceSave` an existing one is not; its answer is 202."""
    tried: list[str] = []

    def tries(entry: dict[str, Any]) -> str:
        tried.append(entry["name"])
        return "Unable to connect"

    program = recorded.Program("sonarr", "key", tries=tries)
    entry = {"name": "Client", "implementation": "QBittorrent", "fields": []}
    path, right = "/api/v3/downloadclient", {"x-api-key": "key"}

    def send(method: str, url: str, **changes: str) -> recorded.Reply:
        return program.answer(method, url, right, json.dumps({**entry, **changes}))

    assert program.answer("GET", path, {}, "") == (401, "")
    assert send("POST", f"{path}?forceSave=true")[0] == 400
    program.entries = [{**entry, "id": 1}, {**entry, "id": 2, "name": "other"}]
    assert send("PUT", f"{path}/1?forceSave=true")[0] == 202
    assert send("PUT", f"{path}/1")[0] == 400
    assert tried == ["Client", "Client"]
    program.tries = lambda _: ""
    for method, url in (("POST", path), ("PUT", f"{path}/1")):
        assert "Should be unique" in str(send(method, f"{url}?forceSave=true", name="OTHER"))


# --- trouble ---------------------------------------------------------------------------------------------------------


def test_one_in_trouble_does_not_keep_the_others_from_it() -> None:
    with stack(*EVERY) as there:
        there.away.add("sabnzbd")
        outcome = there.wire()
        (error,) = outcome.troubles
        assert (error.code, error.where) == ("wire.not-running", "sabnzbd")
        assert mentions(error.text, "exited")
        assert "`portable up sabnzbd`" in (error.remedy or "")
        assert {change.app for change in outcome.changes} == set(EVERY) - {"sabnzbd"}
        there.away.clear()
        assert {change.app for change in there.wire().changes} == {"sabnzbd"}


@pytest.mark.parametrize("name", ["qbittorrent", "sabnzbd", "sonarr", "prowlarr", "seerr"])
def test_a_wrong_key(name: str) -> None:
    with stack("qbittorrent", "sabnzbd", "sonarr", "prowlarr", "seerr") as there:
        there.values[f"{name}-key"] = "another"
        (error,) = there.trouble()
        assert (error.code, error.where) == ("wire.credentials-rejected", name)
        assert mentions(error.text, "password" if name == "qbittorrent" else "key", f"{name}-key")
        assert f"`portable secrets set {name}-key`" in str(error)
        assert "another" not in str(error)


def test_a_key_that_is_not_known() -> None:
    with stack("sonarr", "qbittorrent") as there:
        del there.values["sonarr-key"]
        (error,) = there.trouble()
        assert (error.code, error.where) == ("wire.secret-missing", "sonarr")
        assert "sonarr-key" in error.text
        assert "`portable secrets set sonarr-key`" in (error.remedy or "")


@pytest.mark.parametrize("name", ["qbittorrent", "sabnzbd", "sonarr", "prowlarr", "seerr"])
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((500, {"message": "database is locked"}), "wire.request-rejected"),
        ((503, "starting"), "wire.no-answer"),
        ((200, "<html>a page</html>"), "wire.unexpected-answer"),
        ((200, 7), "wire.unexpected-answer"),
        ((401, ""), "wire.credentials-rejected"),
    ],
)
def test_strange_answers(name: str, answer: tuple[int, Any], code: str) -> None:
    """Each has its own error; nothing is written, and nothing crashes."""
    with stack("qbittorrent", "sabnzbd", "sonarr", "prowlarr", "seerr") as there:
        there.programs[name].broken = answer
        troubles = [error for error in there.trouble() if error.where == name]
        assert troubles
        assert len(set(map(str, troubles))) == len(troubles)
        for error in troubles:
            assert error.code == code or (name == "qbittorrent" and error.code == "wire.credentials-rejected")
            if error.code == "wire.request-rejected":
                assert mentions(error.text, "500")
        assert there.programs[name].told == []


def test_the_apps_own_reason_is_told() -> None:
    with stack("sonarr", "qbittorrent") as there:
        there.programs["sonarr"].folders = ("/mnt/media/other",)
        (error,) = there.trouble()
        assert (error.code, error.where) == ("wire.request-rejected", "sonarr")
        assert "400 to POST /api/v3/rootfolder: Folder '/mnt/media/media/tv' is not writable by user 'abc'" in error.text


def test_two_troubles_with_one_app_are_told_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sonarr's own error, and its error when Seerr needs it; the same error is reported once."""
    with stack("sonarr", "qbittorrent", "seerr") as there:
        sonarr = there.programs["sonarr"]
        sonarr.folders = ("/mnt/media/other",)
        answers = sonarr._servarr
        monkeypatch.setattr(sonarr, "_servarr", lambda how, path, *rest: (200, []) if "profile" in path else answers(how, path, *rest))
        first, second = there.trouble()
        assert (first.code, first.where, "POST /api/v3/rootfolder" in first.text) == ("wire.request-rejected", "sonarr", True)
        assert (second.code, second.where, "/api/v3/qualityprofile" in second.text) == ("wire.no-profile", "sonarr", True)


def test_a_client_that_a_manager_can_not_use_is_no_client() -> None:
    with stack("sonarr", "qbittorrent") as there:
        there.programs["sonarr"].tries = lambda _: "Unable to connect"
        (error,) = there.trouble()
        assert (error.code, error.where) == ("wire.request-rejected", "sonarr")
        assert "Unable to connect" in error.text
        assert there.programs["sonarr"].entries == []


def test_a_manager_whose_version_does_not_support_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "schemas", lambda _media: [])
    with stack("sonarr", "qbittorrent") as there:
        (error,) = there.trouble()
        assert (error.code, error.where) == ("wire.program-unsupported", "sonarr")
        assert "QBittorrent" in error.text
        assert there.programs["sonarr"].entries == []


def test_seerr_before_anybody_has_signed_in() -> None:
    with stack("seerr", "sonarr") as there:
        there.programs["seerr"].initialized = False
        (error,) = there.trouble()
        assert (error.code, error.where) == ("wire.sign-in-needed", "seerr")


def test_a_shut_out_is_no_wrong_password() -> None:
    with stack("qbittorrent", "sonarr") as there:
        there.programs["qbittorrent"].shut_out = True
        assert ("wire.login-blocked", "qbittorrent") in [(error.code, error.where) for error in there.trouble()]


def test_an_app_that_keeps_nothing_is_in_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    with stack("qbittorrent", "sonarr") as there:
        monkeypatch.setattr(there.programs["qbittorrent"], "_qbittorrent", lambda path, *_: (200, {} if "categories" in path else "Ok."))
        error = there.trouble()[0]
        assert (error.code, error.where) == ("wire.setting-not-kept", "qbittorrent")
        assert mentions(error.text, "category", "sonarr")


def test_an_app_that_starts_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "_PAUSE", 0.0)
    with stack("qbittorrent", "sonarr") as there:
        there.silent.add("sonarr")
        assert there.wire(seconds=60).troubles == ()
        (waited,) = there.waited
        assert waited.startswith("sonarr: ")
        assert "http://sonarr:8989 (Connection refused)" in waited
        there.silent.add("sonarr")
        (error,) = there.trouble()
        assert (error.code, error.where) == ("wire.no-answer", "sonarr")
        assert "http://sonarr:8989: Connection refused" in error.text


class Killed(BaseException):
    """The process ends here."""


@settings(max_examples=15, deadline=None)
@given(at=st.integers(min_value=0, max_value=20), apps=st.sets(st.sampled_from(EVERY), min_size=2))
def test_killed_anywhere_and_run_again(at: int, apps: set[str]) -> None:
    """The same command, run again, completes the work; then nothing is left to change."""
    left = at

    class Mortal(Writer):
        def send(self, request: Request) -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            super().send(request)

    def kept(those: Stack) -> list[Any]:
        return [copy.deepcopy((p.roots, p.entries, p.servers, p.categories)) for p in those.programs.values()]

    with stack(*sorted(apps)) as whole:
        whole.told()
        wanted = kept(whole)
    with stack(*sorted(apps)) as there:
        pens = Channels(Mortal, there.peers, there, there.reveal, seconds=0, waiting=there.waiting)
        with contextlib.suppress(Killed):
            wire(pens, wishes(there.peers))
        there.told()
        assert there.told() == []
        assert kept(there) == wanted


def test_only_those_that_are_named() -> None:
    with stack(*EVERY) as there:
        assert {wish.told.name for wish in chosen(wishes(there.peers), ("sonarr",))} == {"sonarr"}
        assert chosen(wishes(there.peers), ()) == wishes(there.peers)


def test_every_interface_is_tried_here() -> None:
    tried = {*EVERY, "readarr", "whisparr"}
    assert {program for interface in INTERFACES for program in interface.programs} == tried
    assert set(PORTS) <= tried
