#!/bin/bash
# start: what a node of the cluster does when it is switched on. Images, etcd and keys lie in volumes, which outlive the container.
#
# CONTROL  the address of the node with the API server
# ADDRESS  this node's own address
# NODES    names of all nodes; the first has the API server
# OTHERS   the other nodes' addresses with their pods' networks, as 198.18.7.7=10.244.2
# PODS     the first three numbers of this node's pods' addresses, as 10.244.1
# ROUTER   the address of the default route; nothing of this node knows another way out
# RESOLVER the name server of the node
# PUBLIC   who answers for public resolvers, as 1.1.1.1=198.18.7.61
# REGISTRY the registry of the lab, asked without TLS
# shellcheck disable=SC1091,SC2086,SC2153 # `machine` is in the image; parts of addresses are words; the engine sets the variables
set -eu
name=$(hostname)
lab=/var/lib/lab
export PATH=$PATH:/opt/kubernetes
mkdir -p $lab/keys /var/log/k /etc/cni/net.d /etc/containerd /run/containerd /var/lib/kubelet

# The engine puts the node into control groups of its own only for the controllers that it mounts. Those of all others would be the
# machine's, in which the kubelets of two nodes end one another's pods as orphans.
own=$(awk '{for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup") print $(i + 3)}' /proc/self/mountinfo | tr , '\n')
. /usr/local/sbin/machine
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
  for c in /sys/fs/cgroup/*; do
    grep -qx "${c##*/}" <<<"$own" || { umount "$c" && rmdir "$c"; }
  done
fi
[ -e /dev/kmsg ] || mknod -m 600 /dev/kmsg c 1 11 # the kubelet reads the kernel's words about memory from it, and does not start without
ip route replace default via "$ROUTER"
for pair in $PUBLIC; do
  for chain in PREROUTING OUTPUT; do iptables -t nat -A $chain -d "${pair%=*}" -j DNAT --to-destination "${pair#*=}"; done
done
echo "nameserver $RESOLVER" >/etc/resolv.conf
sysctl -qw net.ipv4.ip_forward=1

# Pods of one node reach those of another by VXLAN, as with flannel: the lab's network carries only its own addresses.
ip link add overlay type vxlan id 7 dstport 4789 local "$ADDRESS"
ip link set overlay address "$(printf '02:00:%02x:%02x:%02x:%02x' ${ADDRESS//./ })" mtu 1450 up
ip address add "$PODS.0/32" dev overlay
for other in $OTHERS; do
  address=${other%=*} pods=${other#*=}
  mac=$(printf '02:00:%02x:%02x:%02x:%02x' ${address//./ })
  bridge fdb append "$mac" dev overlay dst "$address"
  ip neighbour replace "$pods.0" lladdr "$mac" dev overlay nud permanent
  ip route replace "$pods.0/24" via "$pods.0" dev overlay onlink
done
iptables -t nat -A POSTROUTING -s "$PODS.0/24" ! -d 10.244.0.0/16 -j MASQUERADE
cat >/etc/cni/net.d/10-lab.conflist <<T
{"cniVersion": "1.0.0", "name": "lab", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "hairpinMode": true, "mtu": 1450,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$PODS.0/24"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
T

# containerd, with what it has of the machine: no CAP_SYS_RESOURCE
mkdir -p "/etc/containerd/certs.d/$REGISTRY"
printf 'server = "http://%s"\n[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n' "$REGISTRY" "$REGISTRY" \
  >"/etc/containerd/certs.d/$REGISTRY/hosts.toml"
# Every container finds /dev/net/tun, and may open it if it has NET_ADMIN. That stands in for a device plug-in, which the module proxy refuses.
ctr oci spec | sed -e '0,/"linux": {/s||"linux": {"devices": [{"path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200, "fileMode": 438}],|' \
  -e '/"access": "rwm"/{n;s|}|}, {"allow": true, "type": "c", "major": 10, "minor": 200, "access": "rwm"}|}' >/etc/containerd/base.json
cat >/etc/containerd/config.toml <<T
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "$REGISTRY/pause:1"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    base_runtime_spec = "/etc/containerd/base.json"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
T

run() { # NAME COMMAND...: start a program again whenever it ends, as its unit would; `stop NAME` in the node ends that
  local program=$1
  shift
  (
    while [ ! -e "/run/stopped-$program" ]; do
      "$@" >>"/var/log/k/$program.log" 2>&1 &
      echo $! >"/run/$program.pid"
      wait $! || true
      sleep 1
    done
  ) &
}

until_true() { until "$@" >/dev/null 2>&1; do sleep 0.2; done; }

run containerd containerd -c /etc/containerd/config.toml
until_true ctr version

keys=$lab/keys
if [ "$name" = "${NODES%% *}" ]; then
  certify
  run etcd etcd --data-dir $lab/etcd --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 --unsafe-no-fsync
  cat >/etc/audit.yaml <<T
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, users: [admin, owner], verbs: [create, update, patch, delete, deletecollection]}
  - {level: None}
T
  run apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 --advertise-address="$ADDRESS" --service-cluster-ip-range=10.96.0.0/16 \
    --tls-cert-file=$keys/apiserver.crt --tls-private-key-file=$keys/apiserver.key --client-ca-file=$keys/ca.crt \
    --kubelet-client-certificate=$keys/kubelet-client.crt --kubelet-client-key=$keys/kubelet-client.key \
    --kubelet-preferred-address-types=InternalIP --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=$keys/tokens.key \
    --service-account-signing-key-file=$keys/tokens.key --anonymous-auth=false --allow-privileged=true --profiling=false \
    --audit-policy-file=/etc/audit.yaml --audit-log-path=/var/log/k/audit.log --event-ttl=1h
  until_true kubectl --kubeconfig=$keys/admin.kubeconfig get --raw /readyz
  run controller-manager kube-controller-manager --kubeconfig=$keys/kube-controller-manager.kubeconfig --root-ca-file=$keys/ca.crt \
    --service-account-private-key-file=$keys/tokens.key --use-service-account-credentials=true --leader-elect=false \
    --node-monitor-grace-period="${NODE_GRACE:-20s}"
  run scheduler kube-scheduler --kubeconfig=$keys/kube-scheduler.kubeconfig --leader-elect=false
else
  until_true test -e $keys/whole
  until_true kubectl --kubeconfig="$keys/$name.kubeconfig" get --raw /readyz
fi

cat >/etc/kubelet.yaml <<T
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
failSwapOn: false
failCgroupV1: false
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $keys/ca.crt}}
authorization: {mode: Webhook}
evictionHard: {memory.available: "100Mi", nodefs.available: "1%", imagefs.available: "1%"}
imageGCHighThresholdPercent: 100
maxPods: 250
serializeImagePulls: false
shutdownGracePeriod: 0s
T
run kubelet kubelet --config=/etc/kubelet.yaml --kubeconfig="$keys/$name.kubeconfig" --hostname-override="$name" --node-ip="$ADDRESS"
cat >/etc/proxy.yaml <<T
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clientConnection: {kubeconfig: $keys/kube-proxy.kubeconfig}
clusterCIDR: 10.244.0.0/16
hostnameOverride: $name
conntrack: {maxPerCore: 0}
T
run proxy kube-proxy --config=/etc/proxy.yaml
trap 'kill $(cat /run/*.pid) 2>/dev/null; exit 0' TERM
while :; do wait || true; sleep 1; done
