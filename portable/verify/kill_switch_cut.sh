# Takes the device down, and with it its routes and addresses, as a lost tunnel does. They are saved to be restored, since a gateway's own
# recovery is slow. The script that restores them runs before this one, in case an interrupted run left the tunnel cut.
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
