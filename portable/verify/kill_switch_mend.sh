# shellcheck disable=SC2086 # a route is several words
if [ -e /tmp/portable-tunnel ]; then
  device=$(cat /tmp/portable-tunnel)
  ip link set "$device" up
  while read -r family address; do ip "$family" address replace "$address" dev "$device"; done </tmp/portable-tunnel.addresses
  while read -r family route; do ip "$family" route replace $route dev "$device"; done </tmp/portable-tunnel.routes
  rm -f /tmp/portable-tunnel /tmp/portable-tunnel.addresses /tmp/portable-tunnel.routes
fi
