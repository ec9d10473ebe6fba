"""`portable secrets`: values that apps need, by name. No value is read from an argument, and only `show` prints one."""

import enum
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from portable.cli import show
from portable.cli.completion import complete_secret
from portable.cli.opening import prepared_for
from portable.cli.options import Catalogs, Format, Output, Profile, Set
from portable.model.errors import FAILED, PortableError, Refused, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from portable.model.findings import Finding
    from portable.model.plan import Notify, Plan
    from portable.profiles.gitops import EncryptedFacts
    from portable.secrets.lookup import SecretRow
    from portable.secrets.needs import Need
    from portable.secrets.repository import Recipients
    from portable.secrets.sources import ExternalSource, Source
    from portable.secrets.values import Resolved


class SecretForm(enum.Enum):
    """Forms of a value that only a program of its own can make."""

    qbittorrent = "qbittorrent"


class ProfileSecrets(NamedTuple):
    """A profile's secrets."""

    plan: "Plan"
    needs: "tuple[Need, ...]"
    generated: dict[str, str]
    """Secrets that `portable` can generate, with the kind of value."""
    about: dict[str, str]
    """Meaning and format of each secret."""
    source: "Source"
    namespace: str | None
    """Namespace in the cluster; None for an engine."""
    recipients: "Recipients | None" = None
    """Whom `write` encrypts the Secrets for; None: it does not."""
    refused: "tuple[Finding, ...]" = ()
    """Findings that stop `up`."""


_HEADINGS = ("secret", "key", "present", "optional", "generated", "apps", "reason", "about")
app = typer.Typer(help="Manage the secret values that apps need.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> None:
    """List the secrets of a profile. Show whether each is set, and the apps that need it."""
    _table(profile, sets, catalogs, output)


@app.command("check")
def check(
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Check all secrets. Exit 1 if one is missing that `up` cannot generate, or if a value is invalid."""
    return FAILED if _table(profile, sets, catalogs, output, values=True) else 0


@app.command("set")
def set_(
    name: Annotated[
        str, typer.Argument(metavar="NAME[.KEY]", autocompletion=complete_secret, help="Secret to set; the default key is `value`.")
    ],
    profile: Profile = "local",
    generate: Annotated[bool, typer.Option("--generate", help="Generate a random value.")] = False,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
) -> None:
    """Store a value in the profile's file of secrets, mode 0600. Prompt for it without echo, or read it from standard input."""
    from portable.secrets.sources import refuse_external
    from portable.secrets.store import refuse_read_only, set_secret
    from portable.secrets.values import Secret

    _, needs, generated, about, source, namespace, *_ = _open(profile, sets, catalogs)
    secret, key = _known(name, profile, needs)
    refuse_external(source, "store a value", f"store it there; `portable secrets list -p {profile}` shows its place")
    refuse_read_only(source, secret, key)  # before a person types a value
    if generate and secret not in generated:
        text = f"{secret} is issued by a third party; a random value cannot work"
        raise UsageError(text, code="usage.secret-issued", remedy=f"store the value that you received: `portable secrets set {name}`")
    if generate:
        from portable.secrets.generate import random_value

        value = random_value(generated.get(secret, "password"))
    else:
        if sys.stdin.isatty() and secret in about:
            typer.echo(about[secret], err=True)
        text = typer.prompt(name, hide_input=True, err=True) if sys.stdin.isatty() else _standard_input()
        value = Secret(text)
    set_secret(source, secret, key, value)
    show.line(f"stored {name}")
    if namespace is not None:
        show.line("The cluster is not changed: `portable secrets write -o FOLDER` writes its Secrets as files for `kubectl apply`.")


@app.command("show")
def show_(
    name: Annotated[str, typer.Argument(metavar="NAME[.KEY]", autocompletion=complete_secret, help="Secret to print.")],
    profile: Profile = "local",
    reveal: Annotated[bool, typer.Option("--reveal", help="Print it also if standard output is not a terminal.")] = False,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
) -> None:
    """Print a secret on this terminal, for example to log in."""
    import msgspec

    from portable.secrets.lookup import resolve
    from portable.secrets.sources import refuse_external

    opened = _open(profile, sets, catalogs)
    secret, key = _known(name, profile, opened.needs)
    namespace = opened.namespace or "NAMESPACE"
    refuse_external(
        opened.source, "show a value", f"read it in the store, or in the cluster: `kubectl get secret -n {namespace} NAME -o yaml`"
    )
    if not reveal and not sys.stdout.isatty():
        text = "standard output is not a terminal, and a log could keep the value"
        raise UsageError(text, code="usage.secret-terminal", remedy=f"add --reveal: `portable secrets show --reveal {name}`")
    wanted = [msgspec.structs.replace(n, optional=False) for n in opened.needs if (n.name, n.key) == (secret, key)]
    show.raw(resolve(wanted, opened.source).of(secret, key))


@app.command("write")
def write(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", file_okay=False, help="Folder to write to; remove it afterwards.")
    ],
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
) -> None:
    """Write the Secrets of a cluster as files, plain or encrypted.

    Plain files are for `kubectl apply`, encrypted ones for a repository.

    They contain single values, and configuration files with their values filled in. Plain files have mode 0600. If the profile has
    `secrets.encrypted`, the files are encrypted, and only those with a changed value are written again.
    """
    from portable.backends.kubernetes.scope import scope_of
    from portable.cli.progress import printed
    from portable.secrets.cluster import cluster_secrets, secret_object
    from portable.secrets.cluster import write as write_files
    from portable.secrets.generate import foreseen, generate_missing
    from portable.secrets.lookup import resolve
    from portable.secrets.repository import refuse_encrypted
    from portable.secrets.sources import refuse_external
    from portable.secrets.vpn import check_tunnel

    opened = _open(profile, sets, catalogs)
    plan, needs, generated, source, namespace = opened.plan, opened.needs, opened.generated, opened.source, opened.namespace
    if namespace is None:
        text = f"profile {profile} runs on an engine, which gets the values from `portable up`"
        raise UsageError(text, code="usage.secrets-engine", remedy="use a profile of a cluster, or run `portable up`")
    refuse_external(source, "write Secrets", f"`portable render -p {profile} -o FOLDER` writes the ExternalSecrets: apply that folder")
    _refuse_undecryptable(opened)
    check_tunnel(plan, foreseen(needs, generated, source), cluster=True)  # before a secret is stored
    generate_missing(needs, generated, source, progress=printed)
    resolved = resolve(needs, source)
    check_tunnel(plan, resolved, cluster=True)
    scope = scope_of(plan)
    secrets = cluster_secrets(plan, resolved)
    objects = {name: secret_object(name, data, namespace=namespace, labels=scope.labels(name)) for name, data in secrets.items()}
    if (recipients := opened.recipients) is not None:
        _write_encrypted(plan, objects, recipients, output)
        return
    refuse_encrypted(output)
    write_files(objects, output)
    for name in sorted(secrets):
        show.line(f"kubectl apply --server-side --field-manager=portable -f {output / name}.yaml")


@app.command("adopt")
def adopt(
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
) -> None:
    """Record that the stack runs on this file of secrets.

    For a file that moved, or a machine with a new name. The values stay as they are: a file with other values than the running stack has,
    or without some of them, is refused.
    """
    import msgspec

    from portable.cli.up import driver_of, open_place
    from portable.secrets.generate import foreseen
    from portable.secrets.owner import owner_in, owner_of

    place, planned = open_place(profile, sets, catalogs, strict=False)
    if not (mine := owner_in(owner_of(place.source))):
        text = f"profile {profile} has no file of secrets on this machine whose owner could be recorded"
        raise UsageError(text, code="usage.secrets-owner", remedy="leave this command out: nothing has to be adopted")
    if not Path(mine.path).exists():  # the next `up` would generate other values
        remedy = "copy the file of the running stack there, or correct `secrets: {file: PATH}` in the profile"
        raise UsageError("the file of secrets does not exist", code="usage.secrets-owner", where=mine.path, remedy=remedy)
    needs = tuple(msgspec.structs.replace(need, optional=True) for need in place.stack.secrets)
    with driver_of(place) as driver:
        driver.refuse_other_values(foreseen(needs, planned.generated, place.source))  # a value that `up` would generate is another one
        before = owner_in(driver.secrets_owner())
        driver.record_secrets_owner(mine.line)
        now = owner_in(driver.secrets_owner())
    if now is None:
        text = f"{place.stack.project} does not exist there yet, so its file of secrets cannot be recorded"
        raise UsageError(text, code="usage.secrets-owner", remedy=f"leave this command out: `portable up -p {profile}` records it")
    was = f"; before, it was that of {before.who} in {before.path}" if before is not None and before != now else ""
    show.line(f"{place.stack.project} runs on the file of {now.who} in {now.path}{was}")


@app.command("convert")
def convert(
    form: Annotated[SecretForm, typer.Argument(metavar="FORM", help="Form to convert to: qbittorrent, a hash of the password.")],
) -> None:
    """Convert a value to the form that a program stores, and print it.

    The value comes from standard input.
    """
    from portable.secrets.forms import written

    show.raw(written(_standard_input(), form.value))


def _known(name: str, profile: str, needs: "Sequence[Need]") -> tuple[str, str]:
    """The name and the key of a secret. Raises UsageError if no app uses it."""
    secret, _, key = name.partition(".")
    key = key or "value"
    if not any(n.name == secret and n.key == key for n in needs):
        known = sorted({f"{n.name}.{n.key}".removesuffix(".value") for n in needs})
        remedy = f"use one of: {', '.join(known)}" if known else "leave it out: the apps of this profile need no secrets"
        raise UsageError(f"no app of profile {profile} uses a secret {name!r}", code="usage.unknown-secret", remedy=remedy)
    return secret, key


def _standard_input() -> str:
    """Return the text of standard input without its last line end; further ones become those of Unix, but no other character changes."""
    from portable.secrets.text import without_line_end

    try:
        return without_line_end(sys.stdin.buffer.read().decode()).replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise UsageError(
            "the value is not UTF-8 text", code="secret.encoding", where="standard input", remedy="pass it as UTF-8 text"
        ) from None


def _table(profile: str, sets: "Sequence[str]", catalogs: "Sequence[Path]", output: Format, *, values: bool = False) -> bool:
    """Print the table of secrets; whether one is missing. With `values`, raise PortableError for an invalid value."""
    from portable.secrets.lookup import examine
    from portable.secrets.sources import ExternalSource, place_name, refuse_external
    from portable.secrets.vpn import check_tunnel

    plan, needs, generated, about, source, namespace, *_ = _open(profile, sets, catalogs)
    if values:
        remedy = f"`kubectl get externalsecrets -n {namespace or 'NAMESPACE'}` shows whether the operator could read each of them"
        refuse_external(source, "check values", remedy)
    if isinstance(source, ExternalSource):
        show.table(_HEADINGS, list(_external_rows(plan, needs, source, about)), output, schema="secrets")
        return False
    rows, resolved = examine(needs, source)
    if values and plan.notify is not None:
        rows = _with_urls_checked(rows, plan.notify, resolved)
    by_itself = [r.name in generated for r in rows]
    cells = [
        (r.name, r.key, r.present, r.optional, made, r.apps, r.reason, about.get(r.name)) for r, made in zip(rows, by_itself, strict=True)
    ]
    show.table(_HEADINGS, cells, output, schema="secrets")
    if resolved.others:
        names = ", ".join(resolved.others)
        typer.echo(f"{place_name(source)} has secrets that no app of profile {profile} uses: {names}", err=True)
    if values:
        try:
            check_tunnel(plan, resolved, cluster=namespace is not None)
        except Refused as error:  # a check refuses nothing: the value is invalid, so exit 1
            raise PortableError(error.text, code=error.code, where=error.where, remedy=error.remedy) from None
    return any(r.is_invalid or not (r.present or r.optional or made) for r, made in zip(rows, by_itself, strict=True))


def _with_urls_checked(rows: "Sequence[SecretRow]", notify: "Notify", resolved: "Resolved") -> "tuple[SecretRow, ...]":
    """The rows, with the reason at each secret of `notify` whose value is not a URL of its kind."""
    import msgspec

    from portable.upkeep.channel import invalid_urls

    reasons = {(ref.name, ref.key): text for ref, text in invalid_urls(notify, resolved)}
    return tuple(
        msgspec.structs.replace(row, is_invalid=True, reason=row.reason or reasons[row.name, row.key])
        if (row.name, row.key) in reasons
        else row
        for row in rows
    )


def _external_rows(
    plan: "Plan", needs: "Sequence[Need]", source: "ExternalSource", about: "Mapping[str, str]"
) -> "Iterator[tuple[object, ...]]":
    """Yield a row for each secret with its place in the store. Whether a value exists there is unknown, so `present` is empty."""
    from portable.secrets.sources import place_name

    places = plan.external_secrets.by_key if plan.external_secrets is not None else {}
    for need in needs:
        place = places.get((need.name, need.key))
        forms = [f"{v.place} ({v.key})" for (name, key), v in places.items() if name == need.name and key.startswith(f"{need.key}-")]
        where = "; ".join([*([place.place] if place else []), *forms])
        reason = f"in {place_name(source)}: {where}" if where else "not fetched: optional, and `secrets.external.remote` does not name it"
        if need.apps == ("notify",):
            reason = "messages need it where `portable` runs, and it reads no value from there"
        yield need.name, need.key, None, need.optional, False, need.apps, reason, about.get(need.name)


def _open(profile: str, sets: "Sequence[str]", catalogs: "Sequence[Path]") -> "ProfileSecrets":
    """Open the secrets of a profile, on every back end, without contacting its engine.

    For a cluster these are the values its Secrets are made from: no command here reads the cluster.
    """
    import os

    from portable.live.place import source_of
    from portable.local.paths import home_of
    from portable.model.ledger import unaccepted
    from portable.secrets.needs import needs_of, notify_needs

    prepared = prepared_for(profile, sets=sets, catalogs=catalogs)
    planned = prepared.planned
    source = source_of(planned.given.profile.secrets, planned.plan.stack, os.environ, home_of(os.environ))
    plan = planned.plan
    namespace = (plan.namespace or plan.stack) if planned.given.profile.traits.has_namespaces else None
    needs, about = (*needs_of(plan), *notify_needs(plan)), {name: s.about for name, s in planned.secrets.items()}
    recipients = _recipients(planned.given.profile.secrets.encrypted, home_of(os.environ))
    refused = unaccepted(prepared.ledger, strict=False)
    return ProfileSecrets(plan, needs, planned.generated, about, source, namespace, recipients, refused)


def _refuse_undecryptable(opened: "ProfileSecrets") -> None:
    """Raise Refused for files that the GitOps controller could not decrypt, before one is written and committed."""
    for finding in opened.refused if opened.recipients is not None else ():
        if finding.field == "gitops.secrets":
            raise Refused(finding.text, code=finding.code, where="secrets.encrypted", remedy=finding.remedy)


def _recipients(facts: "EncryptedFacts | None", home: Path) -> "Recipients | None":
    """Whom Secrets are encrypted for: the public keys of age, or the certificate of Sealed Secrets."""
    if facts is None:
        return None
    if facts.sops is not None:
        return facts.sops.age
    assert facts.sealed_secrets is not None
    path = facts.sealed_secrets.certificate
    return home / path[2:] if path.startswith("~/") else Path(path)


def _write_encrypted(plan: "Plan", objects: "Mapping[str, Mapping[str, Any]]", recipients: "Recipients", folder: Path) -> None:
    """Write the Secrets encrypted, and say what changed and what is to be committed."""
    from portable.local.folders import project_folder
    from portable.secrets.repository import write_encrypted

    record = project_folder(f"{plan.stack}-{plan.profile}") / "encrypted-secrets.json"
    written, obsolete = write_encrypted(objects, recipients, folder, gitops=plan.gitops, record=record)
    for path in written:
        show.line(f"wrote {path}")
    if not written:
        show.line(f"{folder} is up to date")
    for path in obsolete:
        show.line(f"{path} is of a Secret that no app needs any more: remove the file, then delete the Secret in the cluster")
    if written and plan.gitops is not None:
        show.line(f"Commit and push the folder: it is {plan.gitops.path}/secrets in the repository.")
