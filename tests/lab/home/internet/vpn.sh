#!/bin/sh
# vpn: a provider of tunnels. WireGuard on UDP 51820 and OpenVPN on UDP 1194; who comes through them leaves with this machine's address.
#
# Keys and certificates are made at its first start in /var/lib/vpn, the client's beside the server's: as a provider hands them out.
# The tunnels have a name server at 10.64.0.1, which asks RESOLVER. PUBLIC says who
# answers for public resolvers (1.1.1.1=198.18.7.61). One port of ADDRESS is forwarded to the customer who asks for it.
# `vpn customer NAME NUMBER` makes another customer, with the address 10.64.0.NUMBER, and prints their private key.
set -eu
keys=/var/lib/vpn
mkdir -p $keys
if [ "${1:-}" = customer ]; then
  (umask 077 && wg genkey >"$keys/$2.key")
  wg set wg0 peer "$(wg pubkey <"$keys/$2.key")" allowed-ips "10.64.0.$3/32"
  exec cat "$keys/$2.key"
fi
if [ ! -e $keys/ready ]; then
  cd $keys
  for who in server client; do
    (umask 077 && wg genkey >$who.key)
    wg pubkey <$who.key >$who.pub
  done
  new() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
  new ca-key.pem
  openssl req -x509 -new -key ca-key.pem -subj /CN=provider -days 30 -out ca.pem 2>/dev/null \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
  for who in server client; do
    new $who-key.pem
    openssl req -new -key $who-key.pem -subj /CN=$who -out $who.csr
    printf 'extendedKeyUsage=%sAuth\nkeyUsage=digitalSignature\n' $who >$who.cnf
    openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 30 -extfile $who.cnf -out $who.pem 2>/dev/null
  done
  touch ready
fi
[ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod -m 666 /dev/net/tun c 10 200; }
for pair in $PUBLIC; do iptables -t nat -A PREROUTING -d "${pair%=*}" -j DNAT --to-destination "${pair#*=}"; done
iptables -t nat -A POSTROUTING -s 10.64.0.0/15 -o eth0 -j MASQUERADE

# wireguard-go may hang for good where it is told all at once, and in its first moment.
wireguard-go wg0
until timeout 1 wg show wg0 >/dev/null; do sleep 0.2; done
wg set wg0 private-key $keys/server.key
wg set wg0 listen-port 51820
wg set wg0 peer "$(cat $keys/client.pub)" allowed-ips 10.64.0.2/32
ip address add 10.64.0.1/24 dev wg0
ip link set wg0 up

openvpn --dev tun1 --server 10.65.0.0 255.255.255.0 --topology subnet --proto udp --port 1194 --dh none --ca $keys/ca.pem \
  --cert $keys/server.pem --key $keys/server-key.pem --duplicate-cn --keepalive 5 20 --push 'redirect-gateway def1' \
  --push 'dhcp-option DNS 10.65.0.1' --verb 1 &
until ip -4 address show dev tun1 2>/dev/null | grep -q 10.65.0.1; do sleep 0.1; done
echo 40001 >/run/forwarded-port
python3 -u /usr/local/bin/natpmp 10.64.0.1 "$ADDRESS" &
python3 -u /usr/local/bin/natpmp 10.65.0.1 "$ADDRESS" &
exec dnsmasq --keep-in-foreground --no-hosts --no-resolv --server "$RESOLVER" --listen-address 10.64.0.1 --listen-address 10.65.0.1 \
  --bind-interfaces --log-queries --log-facility=-
