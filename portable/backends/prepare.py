"""From a profile's name to a rendering: reads the files, plans, renders, and settles the ledger. Every command starts here."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from portable.backends.registry import BackEnd, back_end
from portable.catalog.catalog import Catalog
from portable.model.errors import InputError, Refused, UsageError
from portable.model.findings import Finding
from portable.model.ledger import settle, unaccepted
from portable.model.rendering import Rendering
from portable.model.source import Mistake
from portable.planning import Planned, make
from portable.planning.inputs import PlanInput
from portable.planning.origins import located
from portable.profiles.images import Images
from portable.profiles.load import (
    catalog_folders,
    find_stack_of,
    images_file,
    is_shipped,
    load_images,
    load_profile,
    load_stack,
    profile_file,
    profile_files,
    profile_folders,
    unknown_default,
)
from portable.profiles.types import StackFile


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A profile, planned and rendered, with its ledger."""

    planned: Planned
    back_end: BackEnd
    rendering: Rendering
    ledger: tuple[Finding, ...]
    recipes: Mapping[str, Path]
    """Folders of image recipes, by name."""


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """The stack and the profile of a command, with their files."""

    stack: str
    stack_file: Path | None
    profile: str
    profile_file: Path
    is_shipped: bool
    """Whether the profile is one of this program's own."""


def prepare(
    profile: str,
    *,
    sets: Sequence[str] = (),
    catalogs: Sequence[Path] = (),
    folder: Path | None = None,
    announce: Callable[[Inputs], None] | None = None,
) -> Prepared:
    """Plan and render a profile without an engine. Raises UsageError and InputError; findings do not stop it.

    `announce` gets the stack and the profile before anything is planned; not if the stack's file has mistakes.
    """
    stack_file = find_stack_of(profile, (folder or Path.cwd()).resolve())
    given = _read(profile, stack_file, sets, announce)
    catalog = Catalog(catalog_folders(stack_file, catalogs))
    if mistakes := catalog.overlooked():
        raise InputError(mistakes)
    planned = make(given, catalog)
    chosen = back_end(given.profile.back_end)
    rendering = chosen.render(planned.plan)
    about_patches: tuple[Finding, ...] = ()
    if given.profile.patch:
        from portable.backends.patch import patched  # few profiles have any

        rendering, about_patches = patched(rendering, planned.plan, given, chosen.patching(), catalog.names())
    rendered = (*rendering.findings, *chosen.prerequisites(planned.plan))
    findings = (*planned.findings, *about_patches, *(located(f, given, planned.chosen) for f in rendered))
    apps = [app.name for app in planned.plan.apps]
    ledger = settle(findings, planned.waivers, apps)
    return Prepared(planned=planned, back_end=chosen, rendering=rendering, ledger=ledger, recipes=catalog.recipes)


def _read(profile: str, stack_file: Path | None, sets: Sequence[str], announce: Callable[[Inputs], None] | None) -> PlanInput:
    """Read the stack, the profile and its updated images. Raises InputError with the mistakes of all of them."""
    mistakes: tuple[Mistake, ...] = ()
    files = profile_files(profile_folders(stack_file))
    try:
        stack, stack_document = load_stack(stack_file, sets)
        mistakes = unknown_default(stack_document, files)
    except InputError as error:
        stack, stack_document, mistakes = StackFile(), None, error.mistakes
    else:
        own = profile_file(profile, files)
        if announce and own:
            announce(Inputs(stack=stack.name, stack_file=stack_file, profile=own.stem, profile_file=own, is_shipped=is_shipped(own)))
    file = images_file(profile, files, stack_file)
    try:
        images, images_document = load_images(file)
    except InputError as error:
        images, images_document, mistakes = Images(), None, (*mistakes, *error.mistakes)
    try:
        facts, document = load_profile(profile, files, sets)
    except InputError as error:
        raise InputError((*mistakes, *error.mistakes)) from None
    except UsageError:
        if mistakes:  # among them the stack's own `profile`, with its line
            raise InputError(mistakes) from None
        raise
    if mistakes:
        raise InputError(mistakes)
    return PlanInput(
        stack=stack,
        stack_document=stack_document,
        profile=facts,
        profile_document=document,
        images=images,
        images_document=images_document,
        images_file=file,
    )


def refuse_unsafe(prepared: Prepared, *, strict: bool) -> None:
    """Raise Refused with every finding that stops a command."""
    stopping = unaccepted(prepared.ledger, strict=strict)
    if stopping:
        raise Refused(
            f"profile {prepared.planned.plan.profile} has {len(stopping)} open finding{'s' if len(stopping) > 1 else ''}",
            code="plan.findings-open",
            findings=stopping,
            remedy="follow the remedies, or waive the findings in the profile with a reason "
            "(`waive: [{field: ..., class: ..., apps: [...], reason: ...}]`)",
        )
