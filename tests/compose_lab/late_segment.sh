# Two gateways with one address, one after the other, and a peer outside: what does the second one answer to a connection of the first?
# This namespace is the peer. Prints "silence", or "reset" where the peer gets a reset; then the same without the guard's rule.
set -eu
trap 'jobs -p | xargs -r kill 2>/dev/null || true' EXIT
ip link set lo up
ip address add 203.0.113.9/32 dev lo
mount --bind @folder@/resolv.conf /etc/resolv.conf
gateway() { # gateway: a new namespace with the address 172.20.0.2; sets `holder`
    unshare --net sleep 100 &
    holder=$!
    until [ "$(readlink /proc/$holder/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
    ip link add peer type veth peer name eth0 netns $holder
    ip address add 172.20.0.1/16 dev peer
    ip link set peer up
    in_gateway sh -c 'ip link set lo up; ip address add 172.20.0.2/16 dev eth0; ip link set eth0 up; ip route add default via 172.20.0.1'
}
in_gateway() { nsenter --net=/proc/$holder/ns/net "$@"; }
ended() {
    ip link delete peer
    kill $holder
    wait $holder || true
}
late() { # late SCRIPT: what the peer hears after the first gateway was replaced by one in which SCRIPT ran
    gateway
    mkfifo @folder@/port @folder@/accepted @folder@/go # one for each message: a reader could meet the end of the one before
    python3 @folder@/late_peer.py @folder@ >@folder@/heard &
    peer=$!
    read -r port <@folder@/port
    nsenter --net=/proc/$holder/ns/net python3 -c "import socket, time; s = socket.create_connection(('203.0.113.9', $port)); time.sleep(100)" &
    first=$!
    read -r _ <@folder@/accepted
    # Its end must not reach the peer: the link goes first.
    ip link set peer down
    kill $first
    wait $first || true
    ended
    gateway
    in_gateway sh -c "$1"
    echo go >@folder@/go
    wait $peer
    cat @folder@/heard
    ended
    rm @folder@/port @folder@/accepted @folder@/go
}
late "sh @folder@/guard.sh"
late "sh @folder@/guard.sh; iptables -t mangle -D PORTABLE-IN ! -i lo -p tcp ! --syn -m conntrack --ctstate NEW -j DROP"
