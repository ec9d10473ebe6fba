#!/bin/bash
# start: what a machine does when it is switched on. Its disks, keys and certificates lie in /var/lib/lab, which outlives the container.
#
# ROUTER   the address of the default route; nothing of this host knows another way out
# RESOLVER the name server of the host
# PUBLIC   who answers for public resolvers, as 1.1.1.1=198.18.7.61
# ADDRESS  this host's own address, for its certificate
# DISKS    bytes of each of the two disks, as truncate takes them
# INSECURE a registry that is asked without TLS
# shellcheck disable=SC1091,SC2086 # `machine` lies in the image; names of disks and devices are plain
set -eu
lab=/var/lib/lab
mkdir -p $lab/ssh $lab/tls

. /usr/local/sbin/machine
. /usr/local/sbin/disks
# The graphics card is a stand-in: a node that opens, and no card behind it.
[ -e /dev/btrfs-control ] || mknod -m 600 /dev/btrfs-control c 10 234
[ -e /dev/dri/renderD128 ] || { mkdir -p /dev/dri && mknod -m 660 /dev/dri/renderD128 c 1 3 && chgrp 104 /dev/dri/renderD128; }

ip route replace default via "$ROUTER"
for pair in $PUBLIC; do
  for chain in PREROUTING OUTPUT; do iptables -t nat -A $chain -d "${pair%=*}" -j DNAT --to-destination "${pair#*=}"; done
done
echo "nameserver $RESOLVER" >/etc/resolv.conf

# The pool: RAID 1 of two disks, made once. A disk that the kernel still holds from before is taken as it is.
devices=()
for disk in 1 2; do
  file=$lab/disk$disk
  [ -e $file ] || truncate -s "$DISKS" $file
  device=$(disk_device $file)
  devices+=("$device")
done
if ! blkid -t TYPE=btrfs "${devices[0]}" >/dev/null; then
  mkfs.btrfs -q -L storage -d raid1 -m raid1 "${devices[@]}"
fi
btrfs device scan "${devices[@]}" >/dev/null
mkdir -p /mnt/storage /mnt/clouds
mountpoint -q /mnt/storage || mount -t btrfs -o "device=${devices[0]},device=${devices[1]}" "${devices[0]}" /mnt/storage

# Who may use the engine from afar: by ssh with the key, by TCP with a certificate.
if [ ! -e $lab/ssh/client ]; then
  ssh-keygen -q -t ed25519 -N '' -C lab -f $lab/ssh/host
  ssh-keygen -q -t ed25519 -N '' -C lab -f $lab/ssh/client
fi
mkdir -p /run/sshd /root/.ssh
install -m 600 $lab/ssh/client.pub /root/.ssh/authorized_keys
/usr/sbin/sshd -h $lab/ssh/host -o PasswordAuthentication=no -o MaxStartups=100 -o MaxSessions=100 -o UsePAM=no
if [ ! -e $lab/tls/server.pem ]; then
  cd $lab/tls
  new() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
  new ca-key.pem
  openssl req -x509 -new -key ca-key.pem -subj /CN=lab -days 30 -out ca.pem 2>/dev/null \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
  for who in server client; do
    new $who-key.pem
    openssl req -new -key $who-key.pem -subj /CN=$who -out $who.csr
    printf 'subjectAltName=IP:%s\nextendedKeyUsage=%sAuth\nkeyUsage=digitalSignature\n' "$ADDRESS" $who >$who.cnf
    openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 30 -extfile $who.cnf -out $who.pem 2>/dev/null
  done
  cd /
fi

# The engine, started again whenever it ends, as its unit would have it.
mkdir -p /etc/docker
printf '{"insecure-registries": ["%s"]}\n' "$INSECURE" >/etc/docker/daemon.json
touch /run/switched-on
trap 'kill -TERM "$engine" 2>/dev/null; wait "$engine"; umount /mnt/storage; exit 0' TERM
while :; do
  rm -f /run/docker.pid /run/docker/containerd/containerd.pid
  dockerd -H unix:///run/docker.sock -H tcp://0.0.0.0:2376 --tlsverify --tlscacert $lab/tls/ca.pem --tlscert $lab/tls/server.pem \
    --tlskey $lab/tls/server-key.pem >>/var/log/dockerd.log 2>&1 &
  engine=$!
  wait "$engine" || true
  sleep 0.5
done
