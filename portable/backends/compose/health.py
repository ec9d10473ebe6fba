"""Three probes become the one health check that an engine has."""

from typing import Any, assert_never

from portable.backends.common import Placed, note, port_of, refuse
from portable.backends.compose.part import Part
from portable.model.findings import Finding
from portable.model.plan import Check, Container, Exec, Http, Port, Tcp
from portable.model.shell import filled, script


def asked(container: Container) -> tuple[str, Check] | None:
    """The probe that becomes the health check, with its name: ready, else live, else startup."""
    for name in ("ready", "live", "startup"):
        if check := getattr(container.probes, name):
            return name, check
    return None


def health(placed: Placed) -> Part:
    """The health check of a container; nothing where the plan has no probe, so that the image's own holds."""
    chosen = asked(placed.container)
    if not chosen:
        return Part({}, tuple(_unused_client(placed)))
    name, check = chosen
    path = f"{placed.path}.probes"
    test, findings = _test(placed, check, f"{path}.{name}.how")
    startup = placed.container.probes.startup
    # Engines before 25 ask for the first time after a whole interval: the start's own, shorter one is what `up` then waits for.
    interval = min(check.period, startup.period) if startup else check.period
    retries = -(-check.period * check.failures // interval)
    keys: dict[str, Any] = {"test": test, "interval": f"{interval}s", "timeout": f"{check.timeout}s", "retries": retries}
    if startup:
        keys["start_period"] = f"{startup.period * startup.failures}s"
    return Part({"healthcheck": keys}, (*findings, *_lost(placed, name, check, path)))


def _lost(placed: Placed, name: str, check: Check, path: str) -> list[Finding]:
    probes = placed.container.probes
    findings: list[Finding] = []
    for field in ("how", "timeout"):
        # The length of the start is kept in any case; what is asked meanwhile is what is asked later.
        if probes.startup and getattr(probes.startup, field) != getattr(check, field):
            text = "An engine asks one question only: this probe's length is the start period, what it asks is not asked."
            findings.append(note("probes.startup", f"{path}.startup.{field}", "cosmetic", text, "none needed", app=placed.about))
    if probes.live and name == "ready":
        text = "An engine has one health check and restarts nothing for it: this probe is not asked, a container that hangs stays."
        findings.append(note("probes.live", f"{path}.live", "function", text, "`portable restart APP` where it hangs", app=placed.about))
    elif probes.live:
        text = "An engine restarts nothing for an unhealthy check: a container that hangs stays."
        findings.append(note("probes.live", f"{path}.live", "function", text, "`portable restart APP` where it hangs", app=placed.about))
    return findings


def _test(placed: Placed, check: Check, path: str) -> tuple[list[str], list[Finding]]:
    how, app = check.how, placed.about
    match how:
        case Exec():
            return ["CMD", *how.command], _unused_client(placed)
        case Tcp() | Http():
            port = port_of(placed.app, how.port)
            if not port:
                text = f"There is no port {how.port!r} to ask: the container counts as unhealthy."
                return ["CMD", "false"], [refuse("probes", f"{path}.port", "function", text, "name a port of the app", app=app)]
            if isinstance(how, Tcp):
                return _shell(_listening(port)), _unused_client(placed)
            if placed.container.fetch == "none":
                text = "The image has no HTTP client: only whether somebody listens is asked, neither path nor answer."
                remedy = "name the client in `fetch`, or a command as probe"
                return _shell(_listening(port)), [note("containers.fetch", path, "function", text, remedy, app=app)]
            return _shell(_get(how, port, placed.container, check.timeout)), []
        case _:
            assert_never(how)


def _shell(text: str) -> list[str]:
    return ["CMD-SHELL", text.strip()]


def _listening(port: Port) -> str:
    """Whether somebody listens on the port, by the shell alone: few images have nc. In a shared namespace it may be another container."""
    text = script(__name__, "health_listening.sh")
    return filled(text, protocol=port.protocol, port=f"{port.number:04X}", state="0A" if port.protocol == "tcp" else "07")


def _get(how: Http, port: Port, container: Container, timeout: int) -> str:
    scheme = "https" if port.serves == "https" else "http"
    url = f"{scheme}://127.0.0.1:{port.number}/{how.path.removeprefix('/')}".replace("'", "%27")
    answers = "|".join(str(status) for status in how.ok)
    # The one for wget is for GNU's and BusyBox's: both print the head of the answer with -S, and fail for most answers that are not 200.
    text = script(__name__, "health_curl.sh" if container.fetch == "curl" else "health_wget.sh")
    tls = "--no-check-certificate " if scheme == "https" else ""
    return filled(text, ok=answers, timeout=timeout, tls=tls, url=url)


def _unused_client(placed: Placed) -> list[Finding]:
    if placed.container.fetch == "none":
        return []
    return [note("containers.fetch", f"{placed.path}.fetch", "cosmetic", "No probe asks by HTTP.", app=placed.about)]
