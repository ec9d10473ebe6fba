"""Finds and reads stacks and profiles: `portable.yaml` upwards from a folder, `extends`, and `--set`."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import portable
from portable.formats.document import Document, Steps
from portable.formats.load import convert, load, read
from portable.formats.merge import Layer, lay
from portable.formats.near_names import meant
from portable.model.addresses import has_password
from portable.model.codes import Code
from portable.model.errors import InputError, PortableError, UsageError
from portable.model.source import Mistake, Source
from portable.profiles.images import SUFFIX, Images, file_for
from portable.profiles.nameless import named
from portable.profiles.names import DEFAULT_PROFILE, PROFILE_VARIABLE
from portable.profiles.types import Profile, StackFile

STACK_FILE = "portable.yaml"
_PROFILES, _CATALOGS = ("profiles", "profile"), ("catalog", "catalogs", "catalogue")
"""Names that people give to the folders beside a stack, in any case; only the first one is read."""
_CHANGES = ("override",)
"""Keys in which null belongs to the file of an app, not to the stack or the profile."""
_UNSETTABLE: Mapping[Steps, str] = {
    ("extends",): "write it in a profile of your own",
    ("stack",): "name a key, for example --set stack.uid=1001",
    ("stack", "profile"): "name the profile: `-p NAME`",
}
"""Keys that `--set` cannot change, with the remedy: by then they were read."""
_PACKAGE = Path(portable.__file__).parent
SHIPPED = _PACKAGE / "_profiles" if (_PACKAGE / "_profiles").is_dir() else _PACKAGE.parent / "profiles"
"""The shipped profiles: inside the package in a wheel, at the top level in a checkout."""


def find_stack(folder: Path) -> Path | None:
    """The nearest `portable.yaml` in `folder` or above it. Raises UsageError for a file that is only nearly called so."""
    for parent in (folder, *folder.parents):
        file = parent / STACK_FILE
        if near := _near(file):
            text, remedy = _misnamed(near, file)
            raise UsageError(text, code="stack.file-name", remedy=remedy)
        if file.is_file():
            return file
    return None


def _near(file: Path) -> Path | None:
    """What lies in the folder of `file`, was meant as that file, and would be ignored."""
    stem = file.stem.casefold()
    try:
        near = sorted(other for other in file.parent.iterdir() if other.name.casefold().startswith(stem) and meant(other.name) == stem)
    except PermissionError:
        if file.parent.stat().st_uid != os.geteuid() and os.access(file.parent, os.X_OK):
            return None  # such as /home of mode 0711: nobody's own folder, and a file of the right name is found
        text = "this folder cannot be read, so your own files in it would be ignored"
        remedy = f"check its owner and mode: `ls -ld {quote(str(file.parent))}`"
        raise UsageError(text, code="profile.folder-denied", where=str(file.parent), remedy=remedy) from None
    except OSError:
        return None
    return next((other for other in near if other.name != file.name or not other.is_file()), None)


def _misnamed(near: Path, file: Path) -> tuple[str, str]:
    """Say why `near` is not read as `file`, and what to do."""
    if near.name == file.name and near.is_symlink():
        return f"{near} is a link to a file that does not exist", f"correct the link, or remove it: `rm {quote(str(near))}`"
    if near.name == file.name:
        return f"{near} is not a file", "move it away, and write a file of that name"
    text = f"{near} is not called {file.name}, and would be ignored"
    if os.path.lexists(file):
        return text, f"keep one of them: move what you need into {file}, then `rm {quote(str(near))}`"
    return text, f"rename it: `mv {quote(str(near))} {quote(str(file))}`"


def find_stack_of(profile: str, folder: Path) -> Path | None:
    """The stack of a profile: that of its own folder for a file of yours, else the nearest one to `folder`."""
    file = Path(profile)
    by_path = _is_path(profile) and file.is_file() and not is_shipped(file)
    return (find_stack((folder / file).resolve().parent) if by_path else None) or find_stack(folder)


def default_profile(folder: Path, environment: Mapping[str, str]) -> str:
    """The profile of a command without `-p`: PORTABLE_PROFILE, else `profile` of the nearest portable.yaml, else `local`.

    A stack with mistakes has none here; reading it reports them.
    """
    if own := environment.get(PROFILE_VARIABLE):
        return own
    try:
        file = find_stack(folder)
        name = load(file).data.get("profile") if file else None
    except PortableError:
        name = None
    return name if isinstance(name, str) and name else DEFAULT_PROFILE


def catalog_folders(stack_file: Path | None, more: Sequence[Path] = ()) -> list[Path]:
    """The user's folders of apps: `catalog` beside the stack's file, and folders from the command line.

    Raises UsageError for a folder that is only nearly called so.
    """
    own = [stack_file.parent / "catalog"] if stack_file else []
    for folder in own:
        _refuse_near_folder(folder, _CATALOGS, _has_apps, "catalog.folder-name")
    return [folder for folder in (*own, *more) if folder.is_dir()]


def profile_folders(stack_file: Path | None) -> tuple[Path, ...]:
    """The folders to search for profiles: beside the stack's file (or the working folder's `profiles`), then the shipped ones.

    Raises UsageError for a folder that is only nearly called so.
    """
    own = (stack_file.parent / "profiles", stack_file.parent) if stack_file else (Path.cwd() / "profiles",)
    _refuse_near_folder(own[0], _PROFILES, _has_profiles, "profile.folder-name")
    return (*own, SHIPPED)


def _refuse_near_folder(folder: Path, names: Sequence[str], is_meant: Callable[[Path], bool], code: Code) -> None:
    """Raise UsageError for a broken link in its place, and for a folder beside it whose files would be ignored."""
    try:
        near = [other for other in folder.parent.iterdir() if other.name.casefold() in names]
    except OSError:
        return  # looking for the stack reports it
    for other in sorted(near):
        if other.name == folder.name:
            if other.is_symlink() and not other.exists():
                remedy = f"correct the link, or remove it: `rm {quote(str(other))}`"
                raise UsageError(f"{other} is a link to a folder that does not exist", code=code, remedy=remedy)
        elif other.is_dir() and is_meant(other) and not (folder.exists() and other.samefile(folder)):
            move = f"rename it: `mv {quote(str(other))} {quote(str(folder))}`"
            remedy = f"keep one of them: move what you need into {folder}" if folder.exists() else move
            raise UsageError(f"the folder {other} is not called {folder.name}, and would be ignored", code=code, remedy=remedy)


def _has_profiles(folder: Path) -> bool:
    return any(meant(file.name) and file.is_file() and _says_portable(file) for file in folder.glob("*"))


def _has_apps(folder: Path) -> bool:
    return any(any(folder.glob(files)) for files in ("apps/*/app.y*ml", "*/app.y*ml", "clouds/*/cloud.y*ml"))


def is_shipped(file: Path) -> bool:
    """Whether a file is a shipped profile, whatever path leads to it."""
    return file.resolve().parent == SHIPPED.resolve()


def profile_files(folders: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Every profile by name, with the files that define it; the file of the first folder comes first and wins.

    A file that is only nearly called like a profile is among them: `load_profile` refuses the name that it was meant for.
    """
    files: dict[str, tuple[Path, ...]] = {}
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        for file in sorted(folder.glob("*")):
            name = file.stem if file.suffix == ".yaml" else meant(file.name)
            if not name or name.startswith(".") or name.casefold() == "portable" or f"{name}.yaml".endswith(SUFFIX):
                continue  # a hidden name is no profile's: Emacs locks a file by a link to nothing, such as `.#media.yaml`
            if folder.name == "profiles" or _says_portable(file) or (file.suffix == ".yaml" and not file.is_file()):
                for wanted in dict.fromkeys((name, name.casefold())):
                    files[wanted] = (*files.get(wanted, ()), file)
    return files


def _says_portable(file: Path) -> bool:
    """Whether a YAML file, unlike for example a docker-compose.yaml, has a line that begins with this program's own key."""
    try:
        return any(line.startswith("portable:") for line in file.read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:  # also a folder, or a link to a file that does not exist
        return False


def load_stack(file: Path | None, sets: Sequence[str] = ()) -> tuple[StackFile, Document | None]:
    """Return the stack and its document. Without a file and without `sets`, the defaults apply and there is no document."""
    over = [d for whose, d in map(_set, sets) if whose == "stack"]
    if file is None and not over:
        return StackFile(), None
    document = load(file) if file else load(("(no portable.yaml)", b"portable: 1\n"))
    document = lay(document, *(((d, ("stack",)), d.data["stack"]) for d in over), changes=_CHANGES)
    try:
        return convert(document, StackFile), document
    except InputError as error:
        raise InputError(named(document, error.mistakes)) from None


def load_profile(name: str, files: Mapping[str, tuple[Path, ...]], sets: Sequence[str] = ()) -> tuple[Profile, Document]:
    """Return the profile of that name (or path), merged over the profiles that it extends, with `sets` on top.

    `files` come from `profile_files`. Raises UsageError or InputError.
    """
    layers: list[Document] = []
    visited: list[Path] = []
    wanted: str | None = name
    while wanted is not None:
        if near := _near_profile(wanted, files):
            raise _nearly_there(*near, layers)
        candidates = _named(wanted, files)
        # A profile may extend the shipped one with the same name: skip files that are already loaded.
        path = next((f for f in candidates if f.is_file() and f.resolve() not in visited), None)
        if path is None:
            if not layers:
                raise _not_given(wanted, files)
            raise _not_found(wanted, layers, circle=any(f.resolve() in visited for f in candidates), known=files)
        layers.append(load(path))
        visited.append(path.resolve())
        extends = layers[-1].data.get("extends")
        wanted = extends if isinstance(extends, str) else None
    base = layers[-1]
    above: list[tuple[Layer, Mapping[str, Any]]] = [((d, ()), d.data) for d in reversed(layers[:-1])]
    above += [((d, ()), d.data) for whose, d in map(_set, sets) if whose == "profile"]
    document = lay(base, *above, changes=_CHANGES)
    own = layers[0].data.get("name")
    mistakes: list[Mistake] = []
    if own != visited[0].stem:
        text = (
            f"the profile in {visited[0].name} has the name {own!r}" if own else f"the profile in {visited[0].name} has no name of its own"
        )
        remedy = f"write `name: {visited[0].stem}`: the running stack is named after it, so no two profiles may share it"
        mistakes.append(layers[0].mistake(("name",), text, remedy, code="profile.name"))
    if isinstance(engine := document.data.get("engine"), str) and has_password(engine):  # before anything quotes it
        text, remedy = (
            "the engine's address contains a password, which commands would show",
            "use a key and ssh-agent, or TLS: tcp://HOST:2376",
        )
        mistakes.append(document.mistake(("engine",), text, remedy, code="engine.address-password"))
    try:
        profile = convert(document, Profile)
    except InputError as error:
        raise InputError((*mistakes, *named(document, error.mistakes))) from None
    if mistakes or (mistakes := list(named(document, ()))):
        raise InputError(tuple(mistakes))
    return profile, document


def profile_file(name: str, files: Mapping[str, tuple[Path, ...]]) -> Path | None:
    """The file of the profile of that name or path; None if it does not exist, or another file was meant as that profile."""
    return None if _near_profile(name, files) else next((file for file in _named(name, files) if file.is_file()), None)


def unknown_default(document: Document | None, files: Mapping[str, tuple[Path, ...]]) -> tuple[Mistake, ...]:
    """A mistake if the stack's `profile` does not exist, also where the command names another one."""
    name = document.data.get("profile") if document else None
    if document is None or not isinstance(name, str):
        return ()
    if near := _near_profile(name, files):
        text, remedy = _misnamed(*near)
        return (document.mistake(("profile",), text, remedy, code="profile.file-name"),)
    if name in files:
        return ()
    return _not_found(name, [document], circle=False, known=files, steps=("profile",)).mistakes


def images_file(name: str, files: Mapping[str, tuple[Path, ...]], stack_file: Path | None) -> Path | None:
    """The images file of that profile, existing or not; None if later commands could not find it again."""
    own = profile_file(name, files)
    return file_for(own, stack_file, shipped=is_shipped(own)) if own else None


def load_images(file: Path | None) -> tuple[Images, Document | None]:
    """The content of the images file; empty if it does not exist. Raises InputError with every mistake."""
    if file is None or not os.path.lexists(file):
        return Images(), None
    return read(file, Images)


def _named(name: str, files: Mapping[str, tuple[Path, ...]]) -> tuple[Path, ...]:
    return (Path(name),) if _is_path(name) else files.get(name, ())


def _is_path(name: str) -> bool:
    return "/" in name or name.endswith(".yaml")


def _near_profile(name: str, files: Mapping[str, tuple[Path, ...]]) -> tuple[Path, Path] | None:
    """What was meant as that profile, but would be ignored, and the file that it should be."""
    if _is_path(name):
        file = Path(name)
        near = _near(file) if file.suffix == ".yaml" and not file.is_file() else None
        return (near, file) if near else None
    for file in files.get(name, ()):
        right = file.with_name(f"{name}.yaml")
        if file.name != right.name or not file.is_file():
            return file, right
    return None


def _nearly_there(near: Path, file: Path, layers: Sequence[Document]) -> UsageError | InputError:
    text, remedy = _misnamed(near, file)
    if layers:
        return InputError((layers[-1].mistake(("extends",), text, remedy, code="profile.file-name"),))
    return UsageError(text, code="profile.file-name", remedy=remedy)


def _not_given(name: str, known: Mapping[str, object]) -> UsageError:
    names, suggestion = _known(name, known)
    remedy = f"{suggestion}known profiles: {names}; create one with `portable profiles new`"
    return UsageError(f"there is no profile {name!r}", code="profile.unknown", remedy=remedy)


def _known(name: str, known: Mapping[str, object]) -> tuple[str, str]:
    """The names of all profiles, and the nearest one as a suggestion."""
    import difflib  # only for a mistake

    near = difflib.get_close_matches(name, known, 1)
    return ", ".join(sorted(known)) or "none", f"did you mean {near[0]!r}? " if near else ""


def _not_found(
    name: str, layers: Sequence[Document], *, circle: bool, known: Mapping[str, object], steps: Steps = ("extends",)
) -> InputError:
    names, suggestion = _known(name, known)
    if circle:
        chain = " -> ".join([*(d.file for d in layers), name])
        mistake = layers[-1].mistake(
            ("extends",), f"profiles extend one another in a circle: {chain}", "remove one `extends`", code="profile.circle"
        )
    else:
        text = f"there is no profile {name!r}; known: {names}"
        mistake = layers[-1].mistake(steps, text, f"{suggestion}correct the name after `{steps[0]}`", code="profile.unknown")
    return InputError((mistake,))


def _set(text: str) -> tuple[str, Document]:
    """Parse one `--set KEY=VALUE`: return its target (stack or profile) and a document. The value is YAML; `stack.` means the stack."""
    key, equals, value = text.partition("=")
    steps: Steps = tuple(key.strip().split("."))
    if not equals or not all(steps):
        raise UsageError(
            f"--set {text!r} is not KEY=VALUE",
            code="profile.set-syntax",
            remedy="write for example --set storage.library.folder=/srv/media, or --set stack.uid=1001",
        )
    if remedy := _UNSETTABLE.get(steps):
        raise UsageError(f"--set cannot change `{key.strip()}`", code="profile.set-key", remedy=remedy)
    at = Source(file=f"--set {key}", line=1)
    try:
        parsed = load((at.file, f"value: {value}".encode(errors="surrogateescape"))).data["value"]
    except InputError as error:
        first = error.mistakes[0]
        raise UsageError(
            f"the value of --set {key} is not valid: {first.text}",
            code=first.code,
            remedy="put it in quotes, for example --set 'key=\"a: b\"'",
        ) from None
    nested: Any = parsed
    for step in reversed(steps):
        nested = {step: nested}
    document = load((at.file, json.dumps(nested, ensure_ascii=False).encode(errors="surrogateescape")))
    return ("stack" if steps[0] == "stack" else "profile"), document
