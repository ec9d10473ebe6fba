"""The table of known texts of engines, Compose, ssh and registries: cause and remedy of each. Holds data only.

The texts are those of Docker 20.10 to 29, Compose 2.23 to 5, Podman 4 and 5, OpenSSH 9, urllib3 and requests. The sources of the texts
are in tests/unit/engines/docker/engine_texts.py, one for each row there.
"""

from portable.engines.docker.error_rule import AGAIN, RUN_ENGINE, Rule
from portable.engines.docker.error_rules_host import HOST

ACCESS = (
    Rule(
        kind="refused",
        code="engine.ssh-denied",
        pattern=r"permission denied \((?:publickey|password|keyboard)|too many authentication failures",
        text="the engine's host denied the ssh login",
        remedy="copy your key to it (`ssh-copy-id HOST`), and check with `ssh HOST docker version`",
    ),
    Rule(
        kind="refused",
        code="engine.ssh-host-key",
        pattern=r"host key verification failed",
        text="ssh does not know the host key of the engine's host",
        remedy="log in once with `ssh HOST`, and compare the key",
    ),
    Rule(
        kind="refused",
        code="engine.podman-socket",
        pattern=r"permission denied.*podman\.sock|podman\.sock.*permission denied",
        text="the socket of Podman belongs to another user",
        remedy="use the socket of your own user: `systemctl --user enable --now podman.socket`, and "
        "`engine: unix:///run/user/UID/podman/podman.sock` in the profile",
    ),
    Rule(
        kind="refused",
        pattern=r"permission ?denied.*(?:connect|docker\.sock|dial unix|daemon socket)|permissionerror|errno 13|"
        r"dial unix.*permission denied",
        text="the engine denies you access",
        remedy="run `usermod -aG docker USER` as root, then log in again (members of that group can do what root can)",
    ),
    Rule(
        kind="old",
        pattern=r"maximum supported api version is 1\.(?:[0-9]|[123][0-9]|40)\b|api versions below",
        text="the engine or its Compose plug-in is too old",
        remedy="update them to API 1.41 (Docker 20.10) and Compose 2.23.1, or later",
    ),
    Rule(
        kind="old",
        code="engine.client-new",
        pattern=r"client version [\d.]+ is too new|maximum supported api version",
        text="a client on this machine is too new for the engine: {line}",
        remedy="unset DOCKER_API_VERSION, and install a Docker Compose of the engine's time, or update the engine (on a NAS often not "
        "possible)",
    ),
    Rule(
        kind="old",
        code="engine.client-old",
        pattern=r"client version [\d.]+ is too old",
        text="this client is too old for the engine",
        remedy="update Docker Compose and the Python package `docker`",
    ),
    Rule(
        kind="old",
        code="engine.compose-absent",
        pattern=r"is not a docker command|unknown command: docker compose|unknown shorthand flag: 'f'",
        text="the Compose plug-in is not installed on this machine",
        remedy="install it (`apt-get install docker-compose-plugin`; on Debian `scripts/bootstrap.sh engine`)",
    ),
    Rule(
        kind="old",
        code="engine.feature",
        pattern=r"as feature requires? docker engine|requires docker engine v|additional propert(?:y|ies) \S+ (?:is|are) not allowed",
        text="the engine or Compose is too old for a setting of an app: {line}",
        remedy="update the engine and the Compose plug-in to the versions that the message names",
    ),
)

NETWORKS = (
    Rule(
        kind="network",
        code="network.overlap",
        pattern=r"pool overlaps with other one|networks have overlapping|overlaps with (?:existing|another) network|"
        r"subnet .* is already used",
        text="the addresses of a network overlap with another network of the engine: {line}",
        remedy="choose free addresses as `networks.subnet` of the profile (`portable doctor` lists the networks of the host), or "
        "remove the other "
        "network (`docker network ls`, `docker network rm NAME`)",
    ),
    Rule(
        kind="network",
        code="network.pools",
        pattern=r"non-overlapping ipv4 address pool|predefined address pools have been fully subnetted|"
        r"no available (?:ipv4 )?addresses? on",
        text="the engine has no addresses left for another network: {line}",
        remedy="remove unused networks (`docker network prune`), set `networks.subnet` in the profile, or add `default-address-pools` "
        "to the "
        "engine's daemon.json",
    ),
    Rule(
        kind="network",
        code="network.in-use",
        pattern=r"has active endpoints",
        text="containers still use a network that must be recreated: {line}",
        remedy="list them with `docker network inspect NETWORK`, disconnect them with `docker network disconnect --force NETWORK "
        "CONTAINER`, "
        f"{AGAIN}",
    ),
    Rule(
        kind="network",
        code="network.foreign",
        pattern=r"has incorrect label com\.docker\.(?:compose\.)?network|exists but was not created (?:by compose|for project)",
        text="a network of this name exists, and Docker Compose did not create it: {line}",
        remedy=f"remove it if nothing uses it (`docker network rm NAME`), {AGAIN}; or give the stack another `name`",
    ),
    Rule(
        kind="network",
        code="network.address-unsupported",
        pattern=r"user specified ip address is supported|no configured subnet .*contains? ip address",
        text="a fixed address is outside the addresses of its network: {line}",
        remedy="set `networks.subnet` in the profile so that it contains the address, and remove the network, which Compose then "
        "creates anew",
    ),
    Rule(
        kind="network",
        code="network.endpoint",
        pattern=r"endpoint with name \S+ already exists|already exists in network",
        text="the engine still has a container of this name in the network, although it is gone: {line}",
        remedy=f"run `docker network disconnect --force NETWORK CONTAINER`, {AGAIN}",
    ),
    Rule(
        kind="network",
        code="network.gone",
        pattern=r"container networking: network \S+ not found|daemon: network \S+ not found|could not find a network matching",
        text="a container belongs to a network that was removed: {line}",
        remedy=f"remove that container (`docker rm --force NAME`; its data is in folders and volumes, and stays), {AGAIN}",
    ),
    Rule(
        kind="network",
        code="network.namespace",
        pattern=r"cannot join network (?:namespace )?of a non[- ]running container|joining network namespace of container|"
        r"network namespace .*: no such file",
        text="an app shares the network of a gateway that does not run: {line}",
        remedy="run `portable up`, which starts the gateway first and recreates the apps behind it",
    ),
)

REGISTRIES = (
    Rule(
        kind="registry",
        code="registry.rate-limit",
        pattern=r"toomanyrequests|too many requests|pull rate limit|\b429\b",
        text="the registry limits the pulls of this address: {line}",
        remedy="wait (Docker Hub counts by the hour), or log in on this machine with `docker login`",
    ),
    Rule(
        kind="registry",
        code="registry.platform",
        pattern=r"no matching manifest for|exec format error|no (?:image|match) (?:found|for platform)|"
        r"requested image's platform .* does not match|image with reference .* does not (?:match|provide) the specified platform",
        text="an image does not exist for the processor of the engine's host: {line}",
        remedy="choose a tag that has this platform (`docker manifest inspect IMAGE` lists them) with `override`, or leave the app out",
    ),
    Rule(
        kind="registry",
        code="registry.format",
        pattern=r"media type .* is no longer supported|docker image format v1|manifest v2,? schema 1|unsupported media ?type",
        text="an image has a format that the engine no longer reads: {line}",
        remedy="use a newer tag of the image with `override`: this one was pushed years ago",
    ),
    Rule(
        kind="registry",
        code="registry.short-name",
        pattern=r"short-name",
        text="Podman does not know the registry of an image without a host name: {line}",
        remedy="write the registry into the reference (`docker.io/library/NAME`), or set `unqualified-search-registries` in "
        "/etc/containers/registries.conf",
    ),
    Rule(
        kind="image",
        pattern=r"no such image|manifest unknown|pull access denied|manifest for .* not found|repository does not exist|"
        r"reference does not exist",
        text="an image is missing: {line}",
        remedy="run `portable images list` to see which images would be pulled or built",
    ),
    Rule(
        kind="registry",
        code="registry.denied",
        pattern=r"/v2/\S*: (?:unauthorized|denied)|daemon: (?:error from registry: )?(?:unauthorized|denied)|authentication required|"
        r"no basic auth credentials|access to the resource is denied|(?:/v2/|oauth token)\S*.*: 40[13]\b",
        text="the registry denies access to an image: {line}",
        remedy="for a public image remove the expired login (`docker logout HOST`); for a private one log in with `docker login HOST`",
    ),
    Rule(
        kind="registry",
        code="registry.certificate",
        pattern=r"(?:/v2/|registry|resolve reference|auth\.docker\.io|pulling image).*(?:x509|certificate)",
        text="the certificate of the registry cannot be trusted: {line}",
        remedy="check the clock of the engine's host (`timedatectl`), update its `ca-certificates`, and restart the engine; a proxy "
        "that opens "
        "TLS needs its authority there",
    ),
    Rule(
        kind="registry",
        code="registry.plain-http",
        pattern=r"/v[12]/\S*:? .*server gave http response to https client",
        text="the registry answers without TLS: {line}",
        remedy="give it a certificate, or add it to `insecure-registries` in the engine's daemon.json and restart the engine",
    ),
    Rule(
        kind="registry",
        code="registry.unreachable",
        pattern=r"(?:/v2/|registry|resolve reference|auth\.docker\.io|failed to do request|httpreadseeker|proxyconnect).*(?:no such host|"
        r"i/o timeout|server misbehaving|connection refused|no route to host|network is unreachable|request canceled|timeout|"
        r"deadline exceeded|\beof\b|connection reset|proxyconnect)|filesystem layer verification failed|failed to copy: httpreadseeker",
        text="the engine cannot reach a registry: {line}",
        remedy="check name resolution and the connection on the engine's host (`getent hosts registry-1.docker.io`), and `proxies` in "
        "its "
        f"daemon.json, {AGAIN}",
    ),
)

MOUNTS = (
    Rule(
        kind="mount",
        code="host.file-sharing",
        pattern=r"mounts denied|not shared from (?:the host|os x)|not known to docker|filesharing",
        text="Docker Desktop does not share a folder with its virtual machine: {line}",
        remedy="add the folder in Docker Desktop under Settings, Resources, File sharing; a new folder is shared only after `Apply & "
        "restart`",
    ),
    Rule(
        kind="mount",
        code="host.hidden-folder",
        pattern=r"mkdir \S+ ?: read-only file system|/var/lib/snapd/void|/var/snap/docker",
        text="the engine sees another file system than you, as a snap of Docker does, and cannot create a folder: {line}",
        remedy="check with `snap list docker`: replace the snap by the packages of Docker or Debian (`scripts/bootstrap.sh engine`), "
        "or keep all "
        "folders of the profile below /home; on a host with a read-only root choose a folder that can be written",
    ),
    Rule(
        kind="mount",
        code="host.missing-folder",
        pattern=r"bind source path does not exist|statfs \S+: no such file|error checking path|bind mount source .* does not exist",
        text="a folder does not exist, as the engine sees it: {line}",
        remedy="create it on the engine's host with the right owner; if it exists there, the engine is a snap, a virtual machine "
        "(Docker Desktop, "
        "`podman machine`), or started before the folder was mounted: use Docker's own packages, share the folder, or restart the engine",
    ),
    Rule(
        kind="mount",
        code="host.command",
        pattern=r"exec: \\*\"[^\"]+\": (?:permission denied|stat|executable file not found|no such file)|exec \S+: permission denied|"
        r"executable file .* not found",
        text="the command of a container cannot be executed: {line}",
        remedy="correct `command` or the mounted script (`chmod +x FILE`); a folder that is mounted with `noexec` cannot hold it",
    ),
    Rule(
        kind="mount",
        pattern=r"invalid mount config|error mounting|not a shared (?:or slave )?mount|error while creating mount source path|"
        r"are you trying to mount a directory onto a file|not a directory",
        text="a folder cannot be mounted: {line}",
        remedy="create it on the engine's host with the right owner; the parent of a cloud must be a shared mount (`mount --make-rshared`)",
    ),
)

CONNECTION = (
    Rule(
        kind="tls",
        pattern=r"x509|certificate|tls: |ssl(?:error|:)|http response to https client|client sent an http request to an https server",
        text="the TLS connection to the engine cannot be trusted",
        remedy="check DOCKER_CERT_PATH, DOCKER_TLS_VERIFY and the certificates' dates",
    ),
    Rule(
        kind="name",
        pattern=r"container name .* is already in use|conflict\. the container name|that name is already in use",
        text="another container already has this name: {line}",
        remedy="rename or remove that container (`docker rename`, `docker rm`)",
    ),
    Rule(
        kind="gone",
        pattern=r"remotedisconnected|remote end closed|connection reset|connection aborted|broken ?pipe|unexpected eof|\beof\b|"
        r"error during connect|use of closed network connection|incompleteread|closed the connection|"
        r"server closed idle connection|bad gateway",
        text="the connection to the engine broke off",
        remedy=f"check that the engine runs (`docker version`), {AGAIN}",
    ),
    Rule(
        kind="absent",
        pattern=r"cannot connect to the docker daemon|connection ?refused|no such file or directory.*sock|filenotfounderror|"
        r"errno 2\b|no such host|name or service not known|could not resolve|nameresolutionerror|no route to host|"
        r"network is unreachable|failed to resolve|temporary failure in name resolution|newconnectionerror|connect: ",
        text="the engine does not answer",
        remedy=RUN_ENGINE,
    ),
    Rule(
        kind="slow",
        pattern=r"read timed out|timed ?out|deadline exceeded|i/o timeout",
        text="the engine did not answer in time",
        remedy=f"check whether it is overloaded (`docker info`), {AGAIN}",
    ),
)

RULES = (*HOST, *ACCESS, *NETWORKS, *REGISTRIES, *MOUNTS, *CONNECTION)
"""All rules. The first one that matches decides."""
