"""Apps are told of one another, against recorded interfaces: once, in order, and never at the cost of what a person set up."""

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portable.wiring import INTERFACES, Lines, chosen, line, wire
from portable.wiring.line import Pen, Request
from portable.wiring.provider import fields_of
from portable.wiring.wishes import wishes
from tests.unit.wiring.fake import PORTS, Stack, stack

EVERY = ("lidarr", "prowlarr", "qbittorrent", "radarr", "sabnzbd", "seerr", "sonarr")


def fields(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return fields_of(next(entry for entry in entries if entry["name"] == name))


def test_a_stack_that_knows_nothing_is_told_everything_once() -> None:
    with stack("qbittorrent", "sabnzbd", "sonarr", "prowlarr", "seerr") as there:
        assert there.told() == [
            "tell qbittorrent: it has no category sonarr (in /mnt/media/downloads/torrents/sonarr)",
            "tell sabnzbd: it has no category sonarr (in the folder sonarr of what is complete)",
            "tell sonarr: it has no root folder /mnt/media/media/tv",
            "tell sonarr: it has no download client qbittorrent",
            "tell sonarr: it has no download client sabnzbd",
            "tell prowlarr: it has no application sonarr",
            "tell seerr: it has no server sonarr",
        ]
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
    """Lidarr wants defaults for its root folder, the profiles that were made first; fields are called after the kind of media."""
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
        assert fields_of(sonarr)["syncCategories"] == [5000, 5010], "what the program brings stays"
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
    """Entries of other names; one of them leads to the same app already, so that no second one is made."""
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
    """A person's choices in the same entry stay: priorities, profiles, what is switched off."""
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
        assert there.told() == [
            "tell qbittorrent: its category sonarr lies in its own folder, not in /mnt/media/downloads/torrents/sonarr",
            "tell sabnzbd: its category sonarr lies in the folder of all, not in sonarr",
            "tell sonarr: of its download client qbittorrent, its host is 'elsewhere', not 'qbittorrent', "
            "its tvCategory is 'elsewhere', not 'sonarr'",
            "tell prowlarr: of its application sonarr, its prowlarrUrl is 'http://localhost:9696', not 'http://prowlarr:9696'",
            "tell seerr: of its server sonarr, its port is 1, not 8989, its apiKey is another",
        ]
        assert (sonarr.entries[0]["priority"], sonarr.entries[0]["enable"], seerr[0]["activeProfileId"]) == (7, False, 4)
        assert fields(sonarr.entries, "qbittorrent")["password"] == "value of qbittorrent-key"
        assert there.told() == []


def test_an_entry_of_the_name_that_is_something_else_is_left_alone() -> None:
    with stack("qbittorrent", "sonarr") as there:
        there.told()
        there.programs["sonarr"].entries[0]["implementation"] = "Transmission"
        assert there.trouble() == [
            "sonarr: its download client qbittorrent is of the kind Transmission, not QBittorrent "
            "(rename or remove it there; portable never removes what it finds)"
        ]


# --- trouble ---------------------------------------------------------------------------------------------------------


def test_one_in_trouble_does_not_keep_the_others_from_it() -> None:
    with stack(*EVERY) as there:
        there.away.add("sabnzbd")
        outcome = there.wire()
        assert [str(t) for t in outcome.troubles] == ["sabnzbd: it does not run: it is exited (`portable up sabnzbd`)"]
        assert {change.app for change in outcome.changes} == set(EVERY) - {"sabnzbd"}
        there.away.clear()
        assert {change.app for change in there.wire().changes} == {"sabnzbd"}


@pytest.mark.parametrize("name", ["qbittorrent", "sabnzbd", "sonarr", "prowlarr", "seerr"])
def test_a_wrong_key(name: str) -> None:
    with stack("qbittorrent", "sabnzbd", "sonarr", "prowlarr", "seerr") as there:
        there.values[f"{name}-key"] = "another"
        (said,) = there.trouble()
        assert said.startswith(f"{name}: it does not take the {'password' if name == 'qbittorrent' else 'key'} of the secret {name}-key")
        assert f"`portable secrets set {name}-key`" in said
        assert "another" not in said


def test_a_key_that_is_not_known() -> None:
    with stack("sonarr", "qbittorrent") as there:
        del there.values["sonarr-key"]
        (said,) = there.trouble()
        assert said == (
            "sonarr: the secret sonarr-key is not known, so nobody can talk to it "
            "(`portable secrets set sonarr-key` stores the one that it has)"
        )


@pytest.mark.parametrize("name", ["qbittorrent", "sabnzbd", "sonarr", "prowlarr", "seerr"])
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, {"message": "database is locked"}), "it answers 500 to "),
        ((503, "starting"), "it does not answer at http://"),
        ((200, "<html>a page</html>"), "it answers otherwise than"),
        ((200, 7), "it answers otherwise than"),
        ((401, ""), "it does not take the "),
    ],
)
def test_strange_answers(name: str, answer: tuple[int, Any], said: str) -> None:
    """Each is told as what it is; nothing is written then, and nothing falls over."""
    with stack("qbittorrent", "sabnzbd", "sonarr", "prowlarr", "seerr") as there:
        there.programs[name].broken = answer
        troubles = [t for t in there.trouble() if t.startswith(f"{name}: ")]
        assert troubles
        assert len(set(troubles)) == len(troubles)
        for told in troubles:
            assert said in told or (name == "qbittorrent" and "it does not take the password" in told)
        assert there.programs[name].told == []


def test_the_apps_own_reason_is_told() -> None:
    with stack("sonarr", "qbittorrent") as there:
        there.programs["sonarr"].folders = ("/mnt/media/other",)
        (said,) = there.trouble()
        assert "it answers 400 to POST /api/v3/rootfolder: Folder '/mnt/media/media/tv' is not writable by user 'abc'" in said


def test_two_troubles_with_one_app_are_told_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Sonarr does not take of its own, and what Seerr needs of it and does not find; the same thing twice is told once."""
    with stack("sonarr", "qbittorrent", "seerr") as there:
        sonarr = there.programs["sonarr"]
        sonarr.folders = ("/mnt/media/other",)
        answers = sonarr._servarr
        monkeypatch.setattr(sonarr, "_servarr", lambda how, path, *rest: (200, []) if "profile" in path else answers(how, path, *rest))
        first, second = there.trouble()
        assert first.startswith("sonarr: it answers 400 to POST /api/v3/rootfolder")
        assert second.startswith("sonarr: it has no profile (/api/v3/qualityprofile)")


def test_a_client_that_a_manager_can_not_use_is_no_client() -> None:
    with stack("sonarr", "qbittorrent") as there:
        there.programs["sonarr"].tries = lambda _: "Unable to connect"
        (said,) = there.trouble()
        assert "Unable to connect" in said
        assert there.programs["sonarr"].entries == []


def test_seerr_before_anybody_has_signed_in() -> None:
    with stack("seerr", "sonarr") as there:
        there.programs["seerr"].initialized = False
        (said,) = there.trouble()
        assert said.startswith("seerr: nobody has signed in to it yet")


def test_a_shut_out_is_no_wrong_password() -> None:
    with stack("qbittorrent", "sonarr") as there:
        there.programs["qbittorrent"].shut_out = True
        assert any("too many wrong passwords" in said for said in there.trouble())


def test_an_app_that_keeps_nothing_is_in_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    with stack("qbittorrent", "sonarr") as there:
        monkeypatch.setattr(there.programs["qbittorrent"], "_qbittorrent", lambda path, *_: (200, {} if "categories" in path else "Ok."))
        assert "qbittorrent: it was told, and still it has no category sonarr" in there.trouble()[0]


def test_an_app_that_starts_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "_PAUSE", 0.0)
    with stack("qbittorrent", "sonarr") as there:
        there.silent.add("sonarr")
        assert there.wire(seconds=60).troubles == ()
        assert there.waited == ["sonarr: waiting for it to answer at http://sonarr:8989 (Connection refused)"]
        there.silent.add("sonarr")
        (said,) = there.trouble()
        assert said.startswith("sonarr: it does not answer at http://sonarr:8989: Connection refused")


class Killed(BaseException):
    """The process ends here."""


@settings(max_examples=15, deadline=None)
@given(at=st.integers(min_value=0, max_value=20), apps=st.sets(st.sampled_from(EVERY), min_size=2))
def test_killed_anywhere_and_run_again(at: int, apps: set[str]) -> None:
    """The same command, run again, completes it as if nothing had been, and then there is nothing left to tell."""
    left = at

    class Mortal(Pen):
        def tell(self, request: Request) -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            super().tell(request)

    def kept(those: Stack) -> list[Any]:
        return [copy.deepcopy((p.roots, p.entries, p.servers, p.categories)) for p in those.programs.values()]

    with stack(*sorted(apps)) as whole:
        whole.told()
        wanted = kept(whole)
    with stack(*sorted(apps)) as there:
        pens = Lines(Mortal, there.peers, there, there.reveal, seconds=0, waiting=there.waiting)
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
