"""Health checks: the three probes of a plan become the one that Docker has."""

from typing import Any, assert_never

from portable.backends.common import PlacedContainer, note, port_of, refuse
from portable.backends.compose.part import ServicePart
from portable.model.findings import Finding
from portable.model.plan import Check, Container, Exec, Http, Port, Tcp
from portable.model.shell import filled, script


def asked(container: Container) -> tuple[str, Check] | None:
    """Return the probe that becomes the health check, with its name: ready, else live, else startup."""
    for name in ("ready", "live", "startup"):
        if check := getattr(container.probes, name):
            return name, check
    return None


def health(placed: PlacedContainer) -> ServicePart:
    """Return the health check of a container. Without a probe in the plan, the image's own health check applies."""
    chosen = asked(placed.container)
    if not chosen:
        return ServicePart({}, tuple(_unused_client(placed)))
    name, check = chosen
    path = f"{placed.path}.probes"
    test, findings = _test(placed, check, f"{path}.{name}.how")
    startup = placed.container.probes.startup
    # Docker before 25 runs the first check after a whole interval, so use the shorter one of the startup probe: `up` waits for it.
    interval = min(check.period, startup.period) if startup else check.period
    retries = -(-check.period * check.failures // interval)
    keys: dict[str, Any] = {"test": test, "interval": f"{interval}s", "timeout": f"{check.timeout}s", "retries": retries}
    if startup:
        keys["start_period"] = f"{startup.period * startup.failures}s"
    return ServicePart({"healthcheck": keys}, (*findings, *_lost(placed, name, check, path)))


def _lost(placed: PlacedContainer, name: str, check: Check, path: str) -> list[Finding]:
    probes = placed.container.probes
    findings: list[Finding] = []
    for field in ("how", "timeout"):
        # The duration of the startup probe is kept; its check is replaced by the later one.
        if probes.startup and getattr(probes.startup, field) != getattr(check, field):
            text = "Compose has one health check: the startup probe only sets `start_period`; its command is dropped."
            findings.append(
                note("probes.startup", f"{path}.startup.{field}", "cosmetic", text, code="compose.startup-probe", app=placed.about)
            )
    if probes.live:
        text = "Docker does not restart an unhealthy container, so one that hangs stays up."
        if name == "ready":
            text += " Compose has one health check, which is the readiness probe: the liveness probe is dropped."
        remedy = "restart it when it hangs: `portable restart APP`"
        findings.append(note("probes.live", f"{path}.live", "function", text, remedy, code="compose.live-probe", app=placed.about))
    return findings


def _test(placed: PlacedContainer, check: Check, path: str) -> tuple[list[str], list[Finding]]:
    how, app = check.how, placed.about
    match how:
        case Exec():
            return ["CMD", *how.command], _unused_client(placed)
        case Tcp() | Http():
            port = port_of(placed.app, how.port)
            if not port:
                text = f"The health check uses port {how.port!r}, which does not exist: the container would be unhealthy."
                remedy = "name a port of the app in the probe"
                return ["CMD", "false"], [refuse("probes", f"{path}.port", "function", text, remedy, code="network.port-unknown", app=app)]
            if isinstance(how, Tcp):
                return _shell(_listening(port)), _unused_client(placed)
            if placed.container.fetch == "none":
                text = "The image has no HTTP client: the health check tests only that the port is open, not the path or its response."
                remedy = "name the image's client in `fetch` (`curl` or `wget`), or use a command as the probe"
                return _shell(_listening(port)), [
                    note("containers.fetch", path, "function", text, remedy, code="compose.http-client", app=app)
                ]
            return _shell(_get(how, port, placed.container, check.timeout)), []
        case _:
            assert_never(how)


def _shell(text: str) -> list[str]:
    return ["CMD-SHELL", text.strip()]


def _listening(port: Port) -> str:
    """Return a shell script that checks that some process listens on the port. It needs no nc, which few images have.

    In a shared network namespace, another container may be the one that listens.
    """
    text = script(__name__, "health_listening.sh")
    return filled(text, protocol=port.protocol, port=f"{port.number:04X}", state="0A" if port.protocol == "tcp" else "07")


def _get(how: Http, port: Port, container: Container, timeout: int) -> str:
    scheme = "https" if port.serves == "https" else "http"
    url = f"{scheme}://127.0.0.1:{port.number}/{how.path.removeprefix('/')}".replace("'", "%27")
    answers = "|".join(str(status) for status in how.ok)
    # The wget script works with GNU and BusyBox: both print the response headers with -S, and fail for most statuses other than 200.
    text = script(__name__, "health_curl.sh" if container.fetch == "curl" else "health_wget.sh")
    tls = "--no-check-certificate " if scheme == "https" else ""
    # As the kubelet does: an app below a URL base redirects to it. A redirect that itself counts as healthy is not followed.
    follows = not any(300 <= status < 400 for status in how.ok)
    follow, which = ("-L --max-redirs 5 ", "tail") if follows else ("", "head")
    return filled(text, ok=answers, timeout=timeout, tls=tls, url=url, follow=follow, which=which)


def _unused_client(placed: PlacedContainer) -> list[Finding]:
    if placed.container.fetch == "none":
        return []
    text = "`fetch`, the HTTP client for health checks, has no effect: no probe of the container uses HTTP."
    return [note("containers.fetch", f"{placed.path}.fetch", "cosmetic", text, code="health.client-unused", app=placed.about)]
