# ruff: noqa: E501  # the texts stand as they were reported
"""Texts of engines, Compose clients, registries and hosts as people reported them, each with the code that explains it and its source.

A source is a repository and the number of its issue or pull request. Long identifiers are shortened; nothing else is changed.
"""

_OCI = (
    "Error response from daemon: failed to create task for container: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: "
)
_DRIVER = "Error response from daemon: driver failed programming external connectivity on endpoint app-1 (ab12): "

HOSTS = (
    (
        "host.cgroup",
        "docker/for-linux#1334",
        "ERROR: for wolweb  Cannot start service wolweb: cgroups: cgroup mountpoint does not exist: unknown",
    ),
    ("host.cgroup", "docker/for-linux#219", "Error response from daemon: cgroups: cannot found cgroup mount destination: unknown."),
    (
        "host.cgroup",
        "nestybox/sysbox#548",
        f"{_OCI}unable to apply cgroup configuration: mkdir /sys/fs/cgroup/rdma/docker/b0df665f: permission denied: unknown.",
    ),
    ("host.cgroup", "containers/crun#700", "Error:  OCI runtime error: cannot find memory controller for the current process"),
    (
        "host.keyring",
        "mieweb/opensource-server#279",
        f"{_OCI}error during container init: unable to join session keyring: unable to create session key: disk quota exceeded",
    ),
    (
        "host.keyring",
        "moby/moby#38454",
        "docker: Error response from daemon: OCI runtime create failed: container_linux.go:348: starting container process caused "
        '"process_linux.go:402: container init caused "could not create session key: disk quota exceeded"": unknown.',
    ),
    (
        "host.sysctl",
        "moby/moby#51405",
        f"{_OCI}error during container init: open sysctl net.ipv4.ip_unprivileged_port_start file: reopen fd 8: permission denied: unknown",
    ),
    (
        "host.apparmor",
        "bigbluebutton/bbb-install#601",
        f"{_OCI}error during container init: unable to apply apparmor profile: apparmor failed to apply profile: "
        "write /proc/self/attr/apparmor/exec: no such file or directory: unknown",
    ),
    (
        "host.apparmor",
        "tteck/Proxmox#28",
        "docker: Error response from daemon: AppArmor enabled on system but the docker-default profile could not be loaded: running "
        "`/usr/sbin/apparmor_parser apparmor_parser -Kr /var/lib/docker/tmp/docker-default327733349` failed with output: apparmor_parser: "
        'Unable to replace "docker-default".  Permission denied; attempted to load a profile while confined?',
    ),
    (
        "host.selinux",
        "podman-container-tools/podman#25919",
        'Error: unable to start container "0496003": lsetxattr(label=system_u:object_r:container_file_t:s0:c27,c424) '
        "/home/barrett/Documents/some_place/some_place: operation not permitted",
    ),
    ("host.selinux", "podman-container-tools/podman#2034", 'Error: relabel failed "/run/netns": operation not supported'),
    (
        "host.subordinate-ids",
        "openops-cloud/openops#278",
        'failed to register layer: failed to Lchown "/usr/src/app/node_modules/buffer-equal-constant-time/.npmignore" for UID 718322462, '
        "GID 454177323 (try increasing the number of subordinate IDs in /etc/subuid and /etc/subgid): lchown "
        "/usr/src/app/node_modules/buffer-equal-constant-time/.npmignore: invalid argument",
    ),
    (
        "host.subordinate-ids",
        "moby/buildkit#2808",
        "mount callback failed on /run/user/1000/containerd-mount2889517150: lchown /run/user/1000/containerd-mount2889517150/etc/poetry/x.py: "
        "invalid argument",
    ),
    (
        "host.user-namespaces",
        "nektos/act#533",
        "Error response from daemon: cannot share the host's network namespace when user namespaces are enabled",
    ),
    (
        "host.user-namespaces",
        "moby/moby#20546",
        "docker: Error response from daemon: Cannot share the host or a container's network namespace when user namespaces are enabled..",
    ),
    (
        "host.user-namespaces",
        "tensorchord/envd#1888",
        "Error response from daemon: privileged mode is incompatible with user namespaces.  You must run the container in the host namespace "
        "when running privileged mode",
    ),
    (
        "host.gpu-runtime",
        "xerrors/Yuxi#237",
        'Error response from daemon: could not select device driver "nvidia" with capabilities: [[gpu]]',
    ),
    (
        "host.gpu-runtime",
        "NVIDIA/nvidia-docker#1629",
        "docker: Error response from daemon: failed to create shim: OCI runtime create failed: container_linux.go:380: starting container "
        "process caused: process_linux.go:545: container init caused: Running hook #0:: error running hook: exit status 1, stdout: , stderr: "
        "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown.",
    ),
    (
        "host.device",
        "linuxserver/docker-kdenlive#3",
        'Error response from daemon: error gathering device information while adding custom device "/dev/dri": no such file or directory',
    ),
    (
        "host.limits",
        "getomnico/omni#319",
        "Error response from daemon: NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted",
    ),
    (
        "host.limits",
        "zyycn/codex-proxy-rs#91",
        "Error response from daemon: Range of CPUs is from 0.01 to 1.00, as there are only 1 CPUs available",
    ),
    (
        "host.limits",
        "containers/crun#489",
        "Error: opening file `memory.swap.max` for writing: Permission denied: OCI runtime permission denied error",
    ),
    (
        "host.kernel-module",
        "moby/moby#42229",
        "Error response from daemon: failed to create endpoint eloquent_euclid on network bridge: failed to add the host (veth745d0c4) <=> "
        "sandbox (veth1b2fffb) pair interfaces: operation not supported.",
    ),
    (
        "host.kernel-module",
        "telnetdoogie/synology-docker#48",
        "Error response from daemon: failed to set up container networking: failed to create endpoint app on network app_default: Unable to "
        "enable DIRECT ACCESS FILTERING - DROP rule:  (iptables failed: iptables --wait -t raw -A PREROUTING -d 172.18.0.2 ! -i docker-41d47e9e "
        "-j DROP: iptables v1.8.3 (legacy): can't initialize iptables table `raw': Table does not exist (do you need to insmod?)\n"
        "Perhaps iptables or your kernel needs to be upgraded.\n (exit status 3))",
    ),
    (
        "host.firewall",
        "knadh/listmonk#1577",
        "failed to create network listmonk_listmonk: Error response from daemon: Failed to Setup IP tables: Unable to enable SKIP DNAT rule:  "
        "(iptables failed: iptables --wait -t nat -I DOCKER -i br-087f1cbbf91c -j RETURN: iptables: No chain/target/match by that name.\n"
        " (exit status 1))",
    ),
    (
        "host.firewall",
        "Kaggle/docker-python#1062",
        f"{_DRIVER} (iptables failed: iptables --wait -t nat -A DOCKER -p tcp -d 0/0 --dport 8888 -j DNAT --to-destination 172.17.0.2:8888 "
        "! -i docker0: iptables v1.8.2 (nf_tables): Chain 'DOCKER' does not exist\n (exit status 1)).",
    ),
    (
        "host.nesting",
        "moby/moby#42107",
        "Error response from daemon: failed to create endpoint app on network bridge: failed to add the host (veth1) <=> sandbox (veth2) pair "
        "interfaces: operation not permitted",
    ),
    (
        "host.storage-driver",
        "tteck/Proxmox#2167",
        "Error: 'overlay' is not supported over zfs, a mount_program is required: backing file system is unsupported for this graph driver",
    ),
    (
        "host.storage-driver",
        "moby/moby#51546",
        "failed to start daemon: error initializing graphdriver: driver not supported: overlay2",
    ),
    (
        "host.containerd",
        "moby/moby#40390",
        'Error response from daemon: connection error: desc = "transport: Error while dialing dial unix /run/containerd/containerd.sock: '
        'connect: connection refused"',
    ),
    (
        "host.containerd",
        "docker/for-linux#446",
        'docker: Error response from daemon: connection error: desc = "transport: dial unix:///var/run/docker/containerd/'
        'docker-containerd.sock: timeout".',
    ),
    (
        "host.open-files",
        "moby/moby#17264",
        "Error response from daemon: open /var/lib/docker/graph/f3acb0cc/layersize: too many open files",
    ),
    (
        "host.disk-errors",
        "docker/docs#11397",
        "Error response from daemon: mkdir /var/lib/docker/tmp/docker-builder125433410: read-only file system",
    ),
    (
        "host.disk-errors",
        "moby/moby#39189",
        'Error response from daemon: container 81089771: driver "overlay2" failed to remove root filesystem: readdirent: input/output error',
    ),
    (
        "host.busy",
        "pterodactyl/panel#3773",
        'Error response from daemon: container 24773d7e: driver "overlay2" failed to remove root filesystem: unlinkat '
        "/var/lib/docker/overlay2/c334e333/merged: device or resource busy",
    ),
    (
        "host.privileged-port",
        "Scrybbling-together/scrybble-site#5",
        f"{_DRIVER}Error starting userland proxy: error while calling PortManager.AddPort(): cannot expose privileged port 80, you can add "
        "'net.ipv4.ip_unprivileged_port_start=80' to /etc/sysctl.conf (currently 1024), or set CAP_NET_BIND_SERVICE on rootlesskit binary, or "
        "choose a larger port number (>= 1024): listen tcp4 0.0.0.0:80: bind: permission denied",
    ),
    (
        "host.privileged-port",
        "gutmensch/docker-dmarc-report#66",
        'Error: unable to start container "7299d4": rootlessport cannot expose privileged port 80, you can add '
        "'net.ipv4.ip_unprivileged_port_start=80' to /etc/sysctl.conf (currently 1024), or choose a larger port number (>= 1024): "
        "listen tcp 0.0.0.0:80: bind: permission denied",
    ),
    (
        "host.address",
        "OpenSIPS/opensips-softswitch-ce#4",
        f"{_DRIVER}failed to bind port 192.168.1.129:3306/tcp: Error starting userland proxy: listen tcp4 192.168.1.129:3306: bind: cannot "
        "assign requested address",
    ),
    (
        "host.port",
        "sameersbn/docker-bind#65",
        f"{_DRIVER}Error starting userland proxy: listen tcp 0.0.0.0:53: bind: address already in use",
    ),
)

NETWORKS = (
    (
        "network.overlap",
        "Mailu/Mailu#3812",
        " Network mailu_noinet  Creating\n Network mailu_noinet  Created\n Network mailu_default  Creating\n Network mailu_default  Error\n"
        "failed to create network mailu_default: Error response from daemon: Pool overlaps with other one on this address space",
    ),
    (
        "network.overlap",
        "moby/moby#48069",
        "Error response from daemon: invalid pool request: Pool overlaps with other one on this address space",
    ),
    (
        "network.overlap",
        "wodby/docker4drupal#211",
        "ERROR: cannot create network 9a0587 (br-9a0587): conflicts with network 6c25bf (br-6c25bf): networks have overlapping IPv4",
    ),
    (
        "network.pools",
        "docker/for-linux#599",
        "Error response from daemon: could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
    ),
    (
        "network.in-use",
        "portainer/portainer#4408",
        "Error response from daemon: error while removing network: network linkace_default id 42ee6f has active endpoints",
    ),
    (
        "network.foreign",
        "containers/podman-compose#1451",
        'network podmancomposenetwork_default was found but has incorrect label com.docker.compose.network set to "" (expected: "default")',
    ),
    (
        "network.address-unsupported",
        "moby/moby#51569",
        "Error response from daemon: invalid config for network adnio: invalid endpoint settings:\nuser specified IP address is supported only "
        "when connecting to networks with user configured subnets",
    ),
    (
        "network.endpoint",
        "Quenary/tugtainer#119",
        "Error response from daemon: endpoint with name service-traefik-1 already exists in network service_default",
    ),
    (
        "network.gone",
        "yc-software/qm#848",
        "Error response from daemon: failed to set up container networking: network 0f3c9d not found",
    ),
    (
        "network.gone",
        "openimsdk/open-im-server#1492",
        "Error response from daemon: network e522ee0548b9a4b228326779da7237111b2783d94d9924d60c259b779e305220 not found",
    ),
    (
        "network.namespace",
        "kubernetes/kubernetes#42735",
        "Error response from daemon: cannot join network of a non running container: 9f2593412ac541240a74ce445344e777b7fdb86c",
    ),
    (
        "network.address-used",
        "hiero-ledger/hiero-local-node#1395",
        "Error response from daemon: failed to set up container networking: Address already in use",
    ),
)

REGISTRIES = (
    (
        "registry.rate-limit",
        "spurin/diveintoansible-lab#108",
        "Error response from daemon: toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and "
        "upgrading: https://www.docker.com/increase-rate-limit",
    ),
    ("registry.platform", "caprover/caprover#1378", "no matching manifest for linux/arm64/v8 in the manifest list entries"),
    ("registry.platform", "nakla/sbfspot#10", "standard_init_linux.go:228: exec user process caused: exec format error"),
    (
        "registry.format",
        "ovh/cds#7735",
        'Error response from daemon: not implemented: media type "application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer '
        "supported since containerd v2.1, please rebuild the image as "
        '"application/vnd.docker.distribution.manifest.v2+json" or "application/vnd.oci.image.manifest.v1+json"',
    ),
    ("registry.short-name", "podman-container-tools/podman#11530", "Error: short-name resolution enforced but cannot prompt without a TTY"),
    (
        "registry.short-name",
        "podman-container-tools/podman#24989",
        'Error: short-name "helloworld" did not resolve to an alias and no unqualified-search registries are defined in '
        '"/etc/containers/registries.conf"',
    ),
    (
        "registry.denied",
        "riverqueue/riverui#182",
        'Error response from daemon: Head "https://ghcr.io/v2/riverqueue/riverui/manifests/latest": denied: denied',
    ),
    ("registry.denied", "ogham-mcp/ogham-mcp#5", "Error response from daemon: error from registry: unauthorized\nunauthorized"),
    (
        "registry.denied",
        "esnet/gdg#122",
        "failed to solve: ghcr.io/esnet/gdg:0.3.1: failed to authorize: failed to fetch oauth token: unexpected status: 403 Forbidden",
    ),
    (
        "registry.certificate",
        "konstpic/SharX#107",
        'Error response from daemon: failed to resolve reference "registry.test/postgres:16-alpine": failed to do request: Head '
        '"https://registry.test/v2/postgres/manifests/16-alpine": tls: failed to verify certificate: x509: certificate has expired or is not '
        "yet valid: current time 2026-08-13T05:50:29Z is after 2026-08-13T04:59:29Z",
    ),
    (
        "registry.plain-http",
        "goharbor/harbor#3624",
        "Error response from daemon: Get https://192.168.6.131:8090/v2/: http: server gave HTTP response to HTTPS client",
    ),
    (
        "registry.unreachable",
        "docker-archive-public/docker.kitematic#2799",
        "Error response from daemon: Get https://registry-1.docker.io/v2/: net/http: request canceled while waiting for connection "
        "(Client.Timeout exceeded while awaiting headers)",
    ),
    (
        "registry.unreachable",
        "docker-archive-public/docker.kitematic#2353",
        "Error response from daemon: Get https://registry-1.docker.io/v2/: dial tcp: lookup registry-1.docker.io on 10.0.2.3:53: read udp "
        "10.0.2.15:48595->10.0.2.3:53: i/o timeout",
    ),
)

FOLDERS = (
    (
        "host.file-sharing",
        "docker/desktop-linux#177",
        "Error response from daemon: Mounts denied: \nThe path /data/home/Mike/Github/apitable/.data/mysql is not shared from the host and is "
        "not known to Docker.\nYou can configure shared paths from Docker -> Preferences... -> Resources -> File Sharing.\n"
        "See https://docs.docker.com/ for more info.",
    ),
    (
        "host.hidden-folder",
        "docker/docs#13503",
        "docker: Error response from daemon: error while creating mount source path '/data': mkdir /data: read-only file system.",
    ),
    (
        "host.hidden-folder",
        "BOINC/boinc-client-docker#47",
        "docker: Error response from daemon: error while creating mount source path '/opt/appdata/boinc': mkdir /opt/appdata : read-only file "
        "system.",
    ),
    (
        "host.missing-folder",
        "tribut/homeassistant-docker-venv#35",
        'docker: Error response from daemon: invalid mount config for type "bind": bind source path does not exist: /home/USERNAME.',
    ),
    (
        "host.missing-folder",
        "podman-container-tools/podman#18444",
        "Error: statfs /Users/me/ords/doc_root/lj_unittest: no such file or directory",
    ),
    (
        "host.command",
        "getsentry/self-hosted#1658",
        f'{_OCI}exec: "/opt/sentry/postgres-entrypoint.sh": permission denied: unknown',
    ),
    (
        "host.mount",
        "pschmitt/docker-sshfs#3",
        "Error response from daemon: path /host_mnt/e/WorkDev/docker-sshfs/mnt is mounted on /host_mnt/e but it is not a shared mount.",
    ),
)

VERSIONS = (
    (
        "engine.old",
        "IceWhaleTech/CasaOS#115",
        "Error response from daemon: client version 1.41 is too new. Maximum supported API version is 1.39",
    ),
    (
        "engine.client-new",
        "Finsys/dockhand#834",
        "Error response from daemon: client version 1.53 is too new. Maximum supported API version is 1.43: driver not connecting",
    ),
    (
        "engine.client-old",
        "docker/compose#13389",
        "Error response from daemon: client version 1.42 is too old. Minimum supported API version is 1.44, please upgrade your client to a "
        "newer version",
    ),
    (
        "engine.feature",
        "docker-library/docker#473",
        "can't set healthcheck.start_interval as feature require Docker Engine 1.25 or later",
    ),
)

TEXTS = (*HOSTS, *NETWORKS, *REGISTRIES, *FOLDERS, *VERSIONS)
