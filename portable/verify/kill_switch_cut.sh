# The device goes down, and its routes and addresses with it: what a lost tunnel leaves. They are kept to be put back, since a gateway's own
# healing is slow. The script that puts them back runs before this one, for what a run that was ended left cut.
device=$(ip route get 192.0.2.1 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
case "$device" in "$1") ;; *) echo "no tunnel: ${device:-no route}"; exit 3 ;; esac
for family in -4 -6; do
  ip $family route show table all dev "$device" | grep -Ev 'table local|^(ff|fe80)' | sed "s/^/$family /"
done >/tmp/portable-tunnel.routes
for family in -4 -6; do
  ip $family -o address show dev "$device" scope global | awk -v family=$family '{print family, $4}'
done >/tmp/portable-tunnel.addresses
echo "$device" >/tmp/portable-tunnel
ip link set "$device" down && echo "$device"
