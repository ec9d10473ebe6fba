"""The settings of a Compose project that a profile may patch."""

from typing import Final

from portable.backends.common import gateway_of, index
from portable.backends.patch import Change, Patching, Reason, Target, matching, patterns
from portable.model.plan import Plan
from portable.model.rendering import Rendering

_SECTIONS: Final = {"service": "services", "network": "networks", "volume": "volumes", "config": "configs", "secret": "secrets"}
_FREE: Final = {
    "service": patterns(
        "labels/*",
        "logging/**",
        "ulimits/**",
        "blkio_config/**",
        *("cpu_count", "cpu_percent", "cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpus", "cpuset"),
        *("mem_swappiness", "memswap_limit", "oom_score_adj", "pids_limit", "shm_size"),
        *("attach", "stdin_open", "tty"),
        *(f"healthcheck/{key}" for key in ("interval", "retries", "start_interval", "start_period", "timeout")),
    ),
    "network": patterns("labels/*", "driver_opts/com.docker.network.driver.mtu", "driver_opts/com.docker.network.bridge.name"),
}
_FREE_WITHOUT_FENCE: Final = patterns("ports/**")
_OWN_LABELS: Final = ("portable.", "com.docker.", "desktop.docker.", "io.docker.")
_EXTENSION, _OWN_EXTENSION = "x-", "x-portable"
# By the first key of a path: why it may not be patched.
_REASONS: Final[dict[str, Reason]] = {
    **dict.fromkeys(
        ("network_mode", "networks", "links", "external_links", "pid", "ipc", "uts", "cgroup", "cgroup_parent"),
        Reason("security", "it sets which network and processes the app shares, so the app could leave its gateway"),
    ),
    **dict.fromkeys(
        (
            *("cap_add", "cap_drop", "privileged", "security_opt", "devices", "device_cgroup_rules", "gpus", "runtime", "use_api_socket"),
            *("user", "group_add", "userns_mode", "sysctls", "credential_spec", "isolation", "post_start", "pre_stop", "annotations"),
        ),
        Reason("security", "it sets the app's rights; declare what an app needs in its file (`override`)"),
    ),
    **dict.fromkeys(
        ("dns", "dns_opt", "dns_search", "extra_hosts", "hostname", "domainname", "container_name"),
        Reason("security", "it sets how names are resolved, and no DNS query may leave outside the tunnel"),
    ),
    **dict.fromkeys(("ports", "expose"), Reason("security", "only `exposure` opens ports of apps behind a gateway")),
    **dict.fromkeys(
        ("environment", "env_file"), Reason("security", "set variables with `override`, which checks those of gateways and proxies")
    ),
    **dict.fromkeys(("configs", "secrets"), Reason("security", "declare files and secrets in the app's file (`override`)")),
    **dict.fromkeys(
        ("volumes", "volumes_from", "tmpfs", "read_only", "working_dir", "storage_opt"),
        Reason("data", "it sets where data is stored; use `storage`, or `override` for the app's own volumes"),
    ),
    **dict.fromkeys(
        ("stop_grace_period", "stop_signal"), Reason("data", "an app that is killed too early can lose data; use `stop-grace`")
    ),
    **dict.fromkeys(
        ("image", "build", "pull_policy", "platform", "command", "entrypoint", "healthcheck", "mem_limit", "mem_reservation", "init"),
        Reason("function", "the app's file has a setting for it; use `override`"),
    ),
    **dict.fromkeys(
        ("depends_on", "restart", "profiles", "scale", "deploy", "develop", "provider", "extends"),
        Reason("function", "it sets when and in which order the app runs; `portable` starts, heals and stops it"),
    ),
}
_UNKNOWN: Final = Reason("security", "`portable` cannot tell whether this setting is safe")


def _targets(plan: Plan, rendering: Rendering) -> list[Target]:
    known = index(plan)
    behind = {app for app, group in known.group_of.items() if gateway_of(group) is not None}
    targets: list[Target] = []
    for number, document in enumerate(rendering.documents):
        for kind, section in _SECTIONS.items():
            for name, body in document.body.get(section, {}).items():
                app = body.get("labels", {}).get("portable.app", name) if kind == "service" else None
                # A service of no app, such as a cloud's mount container or `init`, counts as fenced.
                is_fenced = app is None or app in behind or app not in known.apps
                targets.append(Target(kind=kind, name=name, document=number, steps=(section, name), app=app, is_fenced=is_fenced))
    return targets


def _reason(target: Target, change: Change) -> Reason | None:
    steps, _, _ = change
    if target.kind == "volume":
        return Reason("data", "Compose recreates a changed volume without its data")
    if target.kind == "secret":
        return Reason("security", "values of secrets are never written to files; store them with `portable secrets set`")
    if target.kind == "config":
        return Reason("security", "it is a file of an app, perhaps the gateway's guard; change the app's own file")
    head = str(steps[0]) if steps else ""
    if len(steps) == 2 and head == "labels" and str(steps[1]).startswith(_OWN_LABELS):
        return Reason("security", "`portable` and the engine identify their own objects by this label")
    if head.startswith(_EXTENSION):
        return Reason("data", "`portable` itself reads it") if head.startswith(_OWN_EXTENSION) else None
    if matching(_FREE[target.kind], steps) or (target.kind == "service" and not target.is_fenced and matching(_FREE_WITHOUT_FENCE, steps)):
        return None
    if target.kind == "network":
        return Reason("security", "the network is part of the fence; use `networks`")
    return _REASONS.get(head, _UNKNOWN)


PATCHING: Final = Patching(targets=_targets, reason=_reason)
