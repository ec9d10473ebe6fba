"""The channel for messages, and the pings: references to secrets, checked for names that apps use for something else."""

from portable.catalog.facts import SecretFacts, SecretValue
from portable.model.plan import Notify, Plan
from portable.model.secret_refs import SecretRef
from portable.planning.inputs import Mistakes, PlanInput

_URL = "URL of the channel for messages, in the form of Apprise: ntfys://ntfy.sh/TOPIC, tgram://TOKEN/CHAT, mailtos://USER:PASSWORD@HOST"
_PING = "URL that {commands} calls after each complete run, such as that of a check of healthchecks.io"


def notify(given: PlanInput, mistakes: Mistakes) -> Notify | None:
    """The profile's section `notify`; None without one. A section that is empty is a mistake: nobody would be told."""
    facts = given.profile.notify
    if facts is None:
        return None
    if facts.url is None and not facts.ping:
        text = "the section names no channel and no ping, so nobody is told anything"
        remedy = "name the secret with its URL: `notify: {url: {secret: notify-url}}`, or remove the section"
        mistakes.add(given.profile_source("notify"), "notify", text, remedy, code="notify.empty")
    return Notify(
        url=_reference(facts.url) if facts.url else None,
        pings={command: _reference(value) for command, value in sorted(facts.ping.items())},
    )


def about_notify(plan: Plan) -> dict[str, SecretFacts]:
    """Facts of the secrets that the section names, for people who set them."""
    if plan.notify is None:
        return {}
    commands: dict[str, list[str]] = {}
    for command, ref in plan.notify.pings.items():
        commands.setdefault(ref.name, []).append(f"`portable {command}`")
    about = {name: SecretFacts(about=_PING.format(commands=" or ".join(names))) for name, names in commands.items()}
    if plan.notify.url is not None:
        about[plan.notify.url.name] = SecretFacts(about=_URL)
    return about


def _reference(value: SecretValue) -> SecretRef:
    """The reference. It is optional: an app starts without it, and the command that needs it reports that it is missing."""
    return SecretRef(name=value.secret, key=value.key, optional=True)
