# iptables for nftables, and the legacy one: a packet passes the tables of both. Gluetun holds their lock while it writes rules.
for family in iptables ip6tables; do
  for program in $family $family-nft $family-legacy; do
    $program -w 5 -S OUTPUT 2>/dev/null | sed "s/^/$family $program /"
    $program -w 5 -t mangle -S 2>/dev/null | sed "s/^/$family $program mangle /"
  done
done
awk '$NF != "lo" {print "ipv6"; exit}' /proc/net/if_inet6 2>/dev/null
for version in 4 6; do ip -$version -o address show 2>/dev/null | awk '{print "own " $2 " " $4}'; done
true
