"""A gateway's tunnel carries traffic, and its VPN seldom restarts. The gateway's own health check shows both minutes later, or never."""

import time
from collections.abc import Iterator
from functools import partial

from portable.backends.common import PlacedContainer
from portable.live.tunnel import LINES, MANY, TRAFFIC, Traffic, look_through, restarts, traffic, tunnels
from portable.live.view import View
from portable.verify.contract import Contract, Found, broken, holds, running_apps, unknown


def check(stack: View) -> Iterator[Found]:
    """Check for each gateway with a tunnel whether answers come through it, and how often its VPN restarted."""
    gateways = {app.name: placed for app, placed in running_apps(stack)}
    logs = f"`portable logs -p {stack.plan.profile} -n 50 {{}}`"
    for gateway in tunnels(stack.plan):
        if gateway not in gateways:
            continue
        verdict, text, clock = look_through(partial(_traffic, stack, gateways[gateway]))
        if verdict == "silent":
            remedy = f"wait 3 minutes, in which the gateway restarts its VPN; if it stays broken, run {logs.format(gateway)}"
            yield broken(gateway, text, remedy)
        else:
            yield (holds if verdict == "carries" else unknown)(gateway, text)
        started = stack.look(gateways[gateway]).since
        history = restarts(stack.dated_logs(gateways[gateway], LINES), started=started, now=clock or time.time())
        if history.recent > MANY:
            text = f"{history.sentence()}; {history.recent} of them within the last 10 minutes"
            remedy = f"run {logs.format(gateway)}, and check the key, the provider's servers and your internet connection"
            yield broken(gateway, text, remedy)
        else:
            yield holds(gateway, history.sentence() or "VPN not restarted since the start of the gateway")


def _traffic(stack: View, gateway: PlacedContainer) -> Traffic | str:
    """Return the tunnel's current traffic, or the reason why it is unknown."""
    answer = stack.inside(gateway, TRAFFIC.command(), user="0")
    return traffic(answer.text) if answer.done else f"the tunnel cannot be examined: {answer.text or answer.code}"


CONTRACT = Contract(name="tunnel", promise="every gateway's tunnel carries traffic, and its VPN seldom restarts", check=check)
