"""What the mount options of a share do to the apps on it: mistakes, and findings with their consequence."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from portable.model import plan as p
from portable.model.findings import Finding
from portable.model.source import Source
from portable.planning._share_options import FINE, LOGIN_OPTIONS, ROWS, OptionRow, known_names, row_of
from portable.planning.inputs import Mistakes, PlanInput
from portable.planning.select import Selection
from portable.profiles.types import PlaceFacts, ShareFacts

_OTHER = {"smb": "nfs", "nfs": "smb"}
_OPPOSITE = {"rw": "ro", "soft": "hard", "sync": "async", "fg": "bg"}


class ShareOption(NamedTuple):
    """One option of a share; one entry of the list can hold several, separated by commas."""

    name: str
    value: str
    entry: int
    """The entry of the list."""

    @property
    def text(self) -> str:
        """The option as it is mounted."""
        return f"{self.name}={self.value}" if self.value else self.name


class _SharePlace(NamedTuple):
    """A place of the profile that is on a share."""

    at: tuple[str, ...]
    share: ShareFacts
    holds_state: bool

    @property
    def path(self) -> str:
        """The key of the options."""
        return ".".join(("storage", *self.at, "claim", "share", "options"))

    @property
    def volume_path(self) -> str:
        """The options in the plan: those of the library, or of volumes of apps."""
        return f"volumes.{'library' if self.at == ('library',) else '*'}.place.share.options"


def options_of(options: Iterable[str]) -> tuple[ShareOption, ...]:
    """Every single option, in order."""
    found = []
    for index, entry in enumerate(options):
        for part in entry.split(","):
            name, _, value = part.strip().partition("=")
            found.append(ShareOption(name=name.strip().lower(), value=value.strip(), entry=index))
    return tuple(found)


def shares(given: PlanInput, chosen: Selection, mistakes: Mistakes) -> Iterator[Finding]:
    """Check the options of every share of the profile."""
    for place in _places(given, chosen):
        options = options_of(place.share.options)
        _logins(given, place, options, mistakes)
        _contradictions(given, place, options, mistakes)
        for option in options:
            if option.name not in LOGIN_OPTIONS:
                yield from _option(given, place, option, mistakes)
        if place.share.protocol == "smb":
            yield from _symlinks(given, place, options)


def _places(given: PlanInput, chosen: Selection) -> Iterator[_SharePlace]:
    facts = given.profile.storage
    on_library = facts.state.on is not None or any(place.on for places in facts.apps.values() for place in places.values())
    places: list[tuple[tuple[str, ...], PlaceFacts | None, bool]] = [
        (("library",), facts.library, on_library),
        (("state",), facts.state, True),
        (("cache",), facts.cache, False),
        (("backups",), facts.backups, False),
    ]
    for app, by_volume in facts.apps.items():
        volumes = chosen.apps[app].facts.volumes if app in chosen.apps else {}
        places += [(("apps", app, name), place, name not in volumes or volumes[name].holds != "cache") for name, place in by_volume.items()]
    for at, place, holds_state in places:
        if place is not None and place.claim is not None and place.claim.share is not None:
            yield _SharePlace(at=at, share=place.claim.share, holds_state=holds_state)


def _logins(given: PlanInput, place: _SharePlace, options: Iterable[ShareOption], mistakes: Mistakes) -> None:
    """Reject logins in options and addresses, which would be in clear text in the rendered files. No message repeats a value."""
    for option in options:
        if option.name not in LOGIN_OPTIONS or (option.name == "user" and not option.value):
            continue
        text = f"`{option.name}` would be in clear text in the rendered files, or name a file that no node has"
        remedy = "remove it, and name a secret with `username` and `password`: `login: nas-login`; store it with "
        remedy += "`portable secrets set nas-login.password`"
        if place.share.protocol == "nfs":
            text, remedy = f"NFS has no option `{option.name}`, and its value would be in clear text in the rendered files", "remove it"
        mistakes.add(_where(given, place, option.entry), place.path, text, remedy, code="volume.share-login")
    for key in ("server", "export"):
        if "@" in getattr(place.share, key).partition("/")[0] or "://" in getattr(place.share, key):
            source = given.profile_source("storage", *place.at, "claim", "share", key)
            path = place.path.removesuffix("options") + key
            text, remedy = (
                f"`{key}` is an address with a scheme or a login",
                "write a name, and name the secret of a login: `login: nas-login`",
            )
            mistakes.add(source, path, text, remedy, code="volume.share-login")


def _contradictions(given: PlanInput, place: _SharePlace, options: tuple[ShareOption, ...], mistakes: Mistakes) -> None:
    """Reject options that are given twice with different values, or together with their opposite: one of them wins silently."""
    first: dict[str, ShareOption] = {}
    for option in options:
        name = "vers" if option.name == "nfsvers" else option.name
        opposites = (f"no{name}", name.removeprefix("no"), _OPPOSITE.get(name, ""), *(k for k, v in _OPPOSITE.items() if v == name))
        other = next((first[key] for key in (name, *opposites) if key and key in first and first[key].text != option.text), None)
        if other is not None and name not in LOGIN_OPTIONS:
            text = f"{option.text} contradicts {other.text}: only one of them has an effect"
            mistakes.add(_where(given, place, option.entry), place.path, text, "keep one of them", code="volume.share-contradiction")
        first.setdefault(name, option)


def _option(given: PlanInput, place: _SharePlace, option: ShareOption, mistakes: Mistakes) -> Iterator[Finding]:
    protocol = place.share.protocol
    row = row_of(protocol, option.name, option.value)
    if row is not None:
        if row.only_state and not place.holds_state:
            return
        text = f"{option.text} on {protocol.upper()}: {row.effect}"
        remedy = f"use {row.remedy}" if row.remedy else f"remove `{option.text}`"
        if row.weight == "mistake":
            mistakes.add(_where(given, place, option.entry), place.path, text, remedy, code="volume.share-option-invalid")
        else:
            yield _finding(given, place, option, row, text, remedy)
    elif (
        option.name not in FINE[protocol]
        and not option.name.startswith("x-")
        and option.name not in {n for r in ROWS[protocol] for n in r.names}
    ):
        other = _OTHER[protocol]
        if option.name in known_names(other):
            text = f"{option.name} is an option of {other.upper()}, not of {protocol.upper()}: the mount fails"
            mistakes.add(_where(given, place, option.entry), place.path, text, "remove it", code="volume.share-option-invalid")
            return
        near = difflib.get_close_matches(option.name, sorted(known_names(protocol)), 1)
        text = f"{option.name!r} is not a known mount option of {protocol.upper()}: if the node does not know it either, the mount fails"
        row = OptionRow(names=(), weight="function", effect="", remedy="")
        remedy = f"did you mean {near[0]!r}? otherwise remove it, or accept this finding" if near else "remove it, or accept this finding"
        yield _finding(given, place, option, row, text, remedy)


def _finding(given: PlanInput, place: _SharePlace, option: ShareOption, row: OptionRow, text: str, remedy: str) -> Finding:
    assert row.weight != "mistake"
    return Finding(
        field="storage.share-options",
        path=place.volume_path,
        class_=row.weight,
        text=f"{'.'.join(place.at)}: {text}",
        remedy=remedy,
        code="volume.share-option" if row.names else "volume.share-option-unknown",
        where=_where(given, place, option.entry),
    )


def _symlinks(given: PlanInput, place: _SharePlace, options: Iterable[ShareOption]) -> Iterator[Finding]:
    """An SMB share without symlinks: links to clouds, and those that apps make, fail (docs/facts/smb.md#measured-with-a-real-client)."""
    names = {option.name for option in options}
    if names & {"mfsymlinks", "posix", "unix", "reparse", "symlink"} or not (place.holds_state or place.at == ("library",)):
        return
    yield Finding(
        field="storage.share-options",
        path=place.volume_path,
        class_="function",
        text=f"{'.'.join(place.at)}: SMB has no symlinks without `mfsymlinks`: links to clouds, and links that apps make, fail",
        remedy="add `mfsymlinks` to `options`",
        code="volume.share-symlinks",
        where=given.profile_source("storage", *place.at, "claim", "share", "options"),
    )


def _where(given: PlanInput, place: _SharePlace, index: int) -> Source:
    return given.profile_source("storage", *place.at, "claim", "share", "options", index)


def folds_case(place: p.Place) -> bool:
    """Whether names that differ only in case are one file there (docs/facts/smb.md#measured-with-a-real-client)."""
    return isinstance(place, p.Claim) and place.share is not None and place.share.protocol == "smb"


def case_twins(given: PlanInput, chosen: Selection, library: p.Volume, tree: p.Library) -> Iterator[Finding]:
    """Folders of the library that are one folder on a share that folds case, although apps take them for two."""
    if not folds_case(library.place):
        return
    names: dict[str, dict[str, None]] = {}
    for path in (*tree.folders, *(link.path for link in tree.links)):
        names.setdefault(path.casefold(), {})[path] = None
    for twins in names.values():
        if len({path.rpartition("/")[2] for path in twins}) < 2:
            continue
        owners: Mapping[str, list[str]] = {path: [*_owners_of(chosen, path)] for path in twins}
        shown = " and ".join(f"{path} ({', '.join(owners[path]) or 'the library itself'})" for path in twins)
        app = next((app for path in twins for app in owners[path]), None)
        where = None
        if app is not None:
            where = chosen.apps[app].document.source(("library", "folders"))
        yield Finding(
            field="storage.case",
            path="library.folders",
            class_="data",
            app=app,
            text=f"{shown} are one folder on this share, which does not tell upper case from lower case: each app changes the files of the "
            "other",
            remedy="write them alike under `override`, for example `library: {folders: [media/tv]}`",
            code="volume.case-twins",
            where=where or given.profile_source("storage", "library"),
        )


def _owners_of(chosen: Selection, path: str) -> Iterator[str]:
    for app, entry in chosen.apps.items():
        if any(folder == path or folder.startswith(f"{path}/") for folder in entry.facts.library.folders):
            yield app
