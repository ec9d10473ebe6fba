# Its uplink is a bridge without ports: what is sent ends there, and is counted. It has no IPv6, whose own packets would be counted too.
set -eu
ip link set lo up
ip link add eth0 type bridge mcast_snooping 0
echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
ip address add 172.20.0.2/16 dev eth0
ip link set eth0 up
ip route add default via 172.20.0.1
ip neighbour add 172.20.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
ip neighbour add 172.20.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent
mount --bind @folder@/resolv.conf /etc/resolv.conf
sent() { ip -s link show eth0 | awk '/TX:/ {getline; print $2}'; }
try() { # try ADDRESS PORT [MARK [USER]]: packets that left by the uplink
    before=$(sent)
    python3 -c '
import os, socket, sys
if len(sys.argv) > 4: os.setuid(int(sys.argv[4]))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if len(sys.argv) > 3 and int(sys.argv[3]): s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(sys.argv[3]))
for _ in range(10):
    try: s.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
    except OSError: pass
' "$@"
    echo $(($(sent) - before))
}
