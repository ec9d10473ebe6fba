"""The gateway as a pod has it: in a namespace and with an `/etc/resolv.conf` that outlive its container, beside an app that calls outside.

All of it is what the running stack was rendered to: image, command, environment, files, rights and memory limit.
"""

import contextlib
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.lab.home.home import Home
from tests.lab.home.trouble import GATEWAY

PAUSE, SIDECAR, APP = "pod-pause", "pod-gateway", "pod-app"
_CALLER = "autobrr"
"""The app behind the gateway whose stand-in calls here too."""
_NUMBER = 3
_CALLS = "import json, time; from standin import outside; outside.begin(json.load(open('/standin.json'))['outside']); time.sleep(1e9)"
_RULES = "ip rule; ip -6 rule; for p in iptables ip6tables; do $p -S; $p -t mangle -S; $p -t nat -S; done 2>/dev/null"


@dataclass
class Pod:
    """Three containers of the host that share one namespace."""

    home: Home

    def start(self) -> None:
        """Start the gateway's container, and wait until it is healthy."""
        self.home.host.sh(f"docker start {SIDECAR}")
        self.home.host.until(self.is_healthy, "the gateway in the pod is not healthy", 60)

    def kill(self) -> None:
        """SIGKILL to the gateway's container: nothing is cleaned up."""
        self.home.host.sh(f"docker kill -s KILL {SIDECAR}", code=None)  # it may have ended by itself

    def is_healthy(self) -> bool:
        """As its own check says."""
        return self.home.host.ends_well(f"docker exec {SIDECAR} /gluetun-entrypoint healthcheck")

    def inside(self, container: str, *command: str, code: int | None = 0) -> str:
        """What a command in one of them prints."""
        return self.home.host.sh(f"docker exec {container} {shlex.join(command)}", code=code)

    def addresses(self, name: str) -> set[str]:
        """What the app's libc finds for a name."""
        said = self.inside(APP, "timeout", "10", "getent", "ahostsv4", name, code=None)
        return {line.split()[0] for line in said.splitlines()}

    def rules(self) -> list[str]:
        """All rules of routing and firewall, as they are told."""
        return self.inside(SIDECAR, "sh", "-c", _RULES).splitlines()

    def log(self) -> str:
        """What the gateway wrote."""
        return self.home.host.sh(f"docker logs {SIDECAR} 2>&1")


@contextlib.contextmanager
def pod_up(home: Home, more: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None) -> Iterator[Pod]:
    """A pod, its gateway healthy; it is taken away at the end. Its tunnel is another customer's.

    `more` is added to the gateway's environment, and `files` are the texts of other files of its /tmp.
    """
    seen = home.stack.inspected()
    gateway, caller = seen[GATEWAY], seen[_CALLER]
    config, host = gateway["Config"], gateway["HostConfig"]
    environment = [*config["Env"], *(f"{name}={value}" for name, value in (more or {}).items())]
    command: list[str] = [*(config["Entrypoint"] or []), *(config["Cmd"] or [])]
    options = [f"--cap-drop={name}" for name in host["CapDrop"] or []] + [f"--cap-add={name}" for name in host["CapAdd"] or []]
    options += [f"--env={pair}" for pair in environment] + [f"--memory={host['Memory']}", f"--memory-swap={host['Memory']}"]
    options += [f"--device={device['PathOnHost']}" for device in host["Devices"] or []]
    network = next(iter(gateway["NetworkSettings"]["Networks"]))
    key = home.provider.customer("pod", _NUMBER)
    told = {"private-key": key, "addresses": f"10.64.0.{_NUMBER}/32"}
    texts = {f"wireguard-key/{name}": value for name, value in told.items()} | {f"tmp/{name}": text for name, text in (files or {}).items()}
    written = "\n".join(f"printf %s {shlex.quote(text)} >/tmp/pod/{name}" for name, text in texts.items())
    pod = Pod(home)
    try:
        home.host.sh(f"""set -e
docker run -d --name {PAUSE} --network {network} --entrypoint sleep {config["Image"]} infinity
docker create --name {SIDECAR} --network container:{PAUSE} {shlex.join(options)} \\
  --entrypoint {command[0]} {config["Image"]} {shlex.join(command[1:])}
for folder in /portable /gluetun /run/secrets; do docker cp {gateway["Id"]}:$folder - | docker cp - {SIDECAR}:$(dirname $folder); done
rm -rf /tmp/pod && mkdir -p /tmp/pod/wireguard-key /tmp/pod/tmp
{written}
docker cp /tmp/pod/wireguard-key {SIDECAR}:/run/secrets/
docker cp /tmp/pod/tmp {SIDECAR}:/
""")
        pod.start()
        calling = f"--entrypoint python3 {caller['Config']['Image']} -c {shlex.quote(_CALLS)}"
        home.host.sh(f"docker run -d --name {APP} --network container:{PAUSE} {calling}")
        yield pod
    except BaseException:
        print(home.host.sh(f"docker logs --tail 60 {SIDECAR} 2>&1", code=None))
        raise
    finally:
        home.host.sh(f"docker rm -f {APP} {SIDECAR} {PAUSE}", code=None)


def state(home: Home, container: str) -> dict[str, object]:
    """What the host's engine says of a container's state."""
    found: dict[str, object] = json.loads(home.host.sh(f"docker inspect -f '{{{{json .State}}}}' {container}"))
    return found
