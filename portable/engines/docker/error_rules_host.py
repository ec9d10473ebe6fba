"""Known texts about the configuration of the engine's host: its kernel, control groups, security modules, disks and ports. Data only."""

from portable.engines.docker.error_rule import AGAIN, Rule

_LXC = "/etc/pve/lxc/ID.conf on the Proxmox host"

HOST = (
    Rule(
        kind="host",
        code="host.cgroup",
        pattern=r"cgroups?: (?:cgroup )?(?:mountpoint|cannot fou?nd)|mountpoint for (?:cgroup|devices|memory)|"
        r"/sys/fs/cgroup\S*: no space|"
        r"unable to apply cgroup configuration|/sys/fs/cgroup/\S+: permission denied|memory controller for the current process",
        text="the engine cannot use the control groups of its host: {line}",
        remedy="mount cgroup v2 on the host (a systemd of today does; elsewhere `mount -t cgroup2 none /sys/fs/cgroup`), and restart the "
        f"engine; in an LXC set `features: nesting=1` in {_LXC}",
    ),
    Rule(
        kind="host",
        code="host.keyring",
        pattern=r"session key(?:ring)?: .*disk quota exceeded|create session key",
        text="the kernel's limit of keyrings is reached, which is not a full disk: {line}",
        remedy="raise it on the host: `sysctl -w kernel.keys.maxkeys=2000 kernel.keys.maxbytes=2000000`; for an LXC also set "
        f"`features: keyctl=1,nesting=1` in {_LXC}",
    ),
    Rule(
        kind="host",
        code="host.sysctl",
        pattern=r"open sysctl \S+ file: |write sysctl key \S+: .*permission denied|reopen fd \d+: permission denied",
        text="AppArmor of the host does not let the engine set a kernel parameter of a container (moby#51405): {line}",
        remedy="upgrade Proxmox VE (the package lxc-pve) and containerd.io on the LXC, and restart the LXC; until then write "
        f"`lxc.apparmor.profile: unconfined` in {_LXC}, which removes AppArmor from this LXC",
    ),
    Rule(
        kind="host",
        code="host.apparmor",
        pattern=r"apparmor failed to apply profile|apply apparmor profile|apparmor enabled on system but|apparmor_parser",
        text="the engine cannot load its AppArmor profile: {line}",
        remedy="install AppArmor's tools on the engine's host (`apt-get install apparmor`) and run `systemctl restart apparmor "
        "docker`; in an "
        f"LXC set `features: nesting=1` in {_LXC}",
    ),
    Rule(
        kind="host",
        code="host.selinux",
        pattern=r"lsetxattr|relabel failed|error relabeling|selinux relabeling",
        text="a folder cannot get the label that SELinux needs: {line}",
        remedy="label it once as root (`chcon -Rt container_file_t FOLDER`); mount a file system without labels, such as NFS or CIFS, "
        "with the "
        'option `context="system_u:object_r:container_file_t:s0"`',
    ),
    Rule(
        kind="host",
        code="host.subordinate-ids",
        pattern=r"number of subordinate ids|lchown .*for uid|insufficient uids or gids|no subuid ranges|lchown \S+: invalid argument",
        text="the engine may use too few user IDs to unpack an image: {line}",
        remedy="give its user more in /etc/subuid and /etc/subgid (`usermod --add-subuids 100000-1000000000 USER`, and the same for "
        "groups) and "
        f"restart the engine; for an unprivileged LXC widen `lxc.idmap` in {_LXC}",
    ),
    Rule(
        kind="host",
        code="host.user-namespaces",
        pattern=r"user namespaces (?:are )?enabled|incompatible with user namespaces",
        text="the engine remaps users (`userns-remap`), so apps cannot share the network of a gateway, or mount clouds: {line}",
        remedy="remove `userns-remap` from the engine's daemon.json and restart it: containers and images then lie in another folder",
    ),
    Rule(
        kind="host",
        code="host.gpu-runtime",
        pattern=r"could not select device driver|nvidia-container-cli|unknown or invalid runtime name: nvidia|unresolvable cdi devices|"
        r"cdi device injection failed",
        text="the engine cannot give the GPU to a container: {line}",
        remedy="install the driver (`nvidia-smi` must work on the engine's host) and the NVIDIA Container Toolkit, then run "
        "`nvidia-ctk runtime configure --runtime=docker` and `systemctl restart docker`",
    ),
    Rule(
        kind="host",
        code="host.device",
        pattern=r"gathering device information while adding custom device|error adding device|stat /dev/\S+: no such file",
        text="a device node does not exist on the engine's host: {line}",
        remedy="load its kernel module on the engine's host (`modprobe fuse`, `modprobe tun`, or the driver of the GPU), or correct "
        "the path "
        "under `devices` of the profile; a virtual machine such as Docker Desktop has no GPU",
    ),
    Rule(
        kind="host",
        code="host.limits",
        pattern=r"nanocpus can not be set|range of cpus is from|cpu cfs|memory\.(?:swap\.)?max. for writing|cannot set memory limit|"
        r"cannot specify resource limits|controller .?(?:memory|cpu).? is not available",
        text="the engine's host cannot limit the CPUs or the memory of a container: {line}",
        remedy="on a Raspberry Pi add `cgroup_enable=memory cgroup_memory=1` to the kernel's command line; for a rootless engine "
        "delegate the "
        "controllers (`systemctl edit user@.service`: `Delegate=cpu memory pids`); else remove the limit in `override`",
    ),
    Rule(
        kind="host",
        code="host.kernel-module",
        pattern=r"pair interfaces: operation not supported|can't initialize iptables table|table does not exist \(do you need to insmod|"
        r"operation not supported.*(?:veth|bridge)|could not find bridge docker0",
        text="the running kernel lacks a module that networks of containers need: {line}",
        remedy="restart the engine's host if its kernel was updated; else load the module (`modprobe veth`, `modprobe iptable_raw`) "
        "and name it "
        "in /etc/modules-load.d/portable.conf",
    ),
    Rule(
        kind="host",
        code="host.firewall",
        pattern=r"iptables(?: \([a-z]+\))? ?failed|failed to setup ip tables|no chain/target/match by that name|"
        r"chain 'docker' does not exist|"
        r"command_failed: '\S*iptables",
        text="the rules of the engine in the host's firewall are gone, since the firewall was started or reloaded after it: {line}",
        remedy=f"run `systemctl restart docker` on the engine's host, {AGAIN}",
    ),
    Rule(
        kind="host",
        code="host.nesting",
        pattern=r"pair interfaces: operation not permitted|linux init cgroups path|mounting \\*\"?proc\\*\"? to rootfs.*(?:permitted|"
        r"denied)",
        text="the engine's host is itself a container that may not create containers: {line}",
        remedy=f"set `features: nesting=1,keyctl=1` in {_LXC}, and restart the LXC",
    ),
    Rule(
        kind="host",
        code="host.storage-driver",
        pattern=r"is not supported over (?:zfs|btrfs|overlayfs)|driver not supported|unsupported for this graph driver|"
        r"overlay.*invalid argument",
        text="the engine's storage driver does not work on the file system of its folder: {line}",
        remedy="update ZFS to 2.2 or later, put /var/lib/docker on ext4, XFS or BTRFS, or set `storage-driver` to `fuse-overlayfs` in "
        "the "
        "engine's daemon.json",
    ),
    Rule(
        kind="host",
        code="host.containerd",
        pattern=r"containerd\.sock(?:\\*\")?: (?:connect|timeout|context)|failed to (?:dial|connect to) .?containerd|ttrpc: closed",
        text="containerd, on which the engine builds, does not answer: {line}",
        remedy=f"run `systemctl restart containerd docker` on the engine's host, {AGAIN}",
    ),
    Rule(
        kind="host",
        code="host.open-files",
        pattern=r"too many open files|inotify",
        text="a limit of the engine's host for open files is reached: {line}",
        remedy="raise it on the host: `sysctl -w fs.inotify.max_user_instances=1024 fs.file-max=2000000`, and `LimitNOFILE=1048576` "
        "in the unit "
        "of the engine (`systemctl edit docker`)",
    ),
    Rule(
        kind="host",
        code="host.memory",
        pattern=r"cannot allocate memory|out of memory|resource temporarily unavailable",
        text="the engine's host has no memory, or no processes, left: {line}",
        remedy="stop what uses most of it (`free -m`, `docker stats`), or start fewer apps at a time",
    ),
    Rule(
        kind="host",
        code="host.disk-errors",
        pattern=r"input/output error|/var/lib/(?:docker|containers)/\S+: read-only file system|structure needs cleaning",
        text="the engine's disk is read-only or returns errors: {line}",
        remedy="read the kernel's messages on the engine's host (`dmesg --level=err`), check the disk (`smartctl -a DEVICE`), and "
        "repair its "
        "file system before you start apps again",
    ),
    Rule(
        kind="host",
        code="host.busy",
        pattern=r"failed to remove root filesystem|removal of container .* in progress|device or resource busy",
        text="a process still uses the files of a container: {line}",
        remedy=f"run the same command again; if it stays, restart the engine (`systemctl restart docker`), {AGAIN}",
    ),
    Rule(
        kind="space",
        pattern=r"no space left on device|ENOSPC|disk quota exceeded",
        text="the engine's disk is full",
        remedy=f"free space on it (`docker system df` shows what uses it), {AGAIN}",
    ),
    Rule(
        kind="port",
        code="host.privileged-port",
        pattern=r"cannot expose privileged port|ip_unprivileged_port_start|listen (?:tcp|udp)\d? \S+:\d+: bind: permission denied",
        text="a rootless engine may not publish {port}",
        remedy="publish a port of 1024 or above in `exposure`, or allow it on the host: `sysctl -w "
        "net.ipv4.ip_unprivileged_port_start=PORT`",
    ),
    Rule(
        kind="port",
        code="host.address",
        pattern=r"cannot assign requested address|EADDRNOTAVAIL",
        text="an app would be published on an address that the engine's host does not have: {line}",
        remedy="correct `address` in `exposure` of the profile (`ip -brief address` lists those of the host)",
    ),
    Rule(
        kind="network",
        code="network.address-used",
        pattern=r"daemon: (?:failed to set up container networking: )?address already in use",
        text="another container has the fixed address of an app in its network",
        remedy="find it with `docker network inspect NETWORK`, and remove or restart that container",
    ),
    Rule(
        kind="port",
        pattern=r"port is already allocated|address already in use|failed to bind (?:host )?port|ports are not available",
        text="{port} is already in use",
        remedy="find its owner with `ss -tulpn` and stop it, or give the app another port in the stack",
    ),
)
"""The configuration of the engine's host. These come first: some of their texts contain words of the rules below."""
