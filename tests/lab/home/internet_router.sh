set -e
ip address add @beacon@/24 dev eth0
ip address add @resolver@/24 dev eth0
for resolver in @public@; do ip address add $resolver/24 dev eth0; done
# Whatever is sent further ends here.
echo 0 >/proc/sys/net/ipv4/ip_forward 2>/dev/null || iptables -P FORWARD DROP
# What the internet offers stays: one of them that ends begins anew, and the log says how it ended.
for program in beacon secure; do
    while :; do
        python3 -u /usr/local/bin/$program || echo "$program ended with $?"
    done &
done
exec dnsmasq --keep-in-foreground --no-hosts --no-resolv --listen-address 127.0.0.1 --listen-address @resolver@ --bind-interfaces \
  @listening@ --log-queries --log-facility=- --local-ttl 1 --local=/#/ \
  --address=/@name@/@beacon@ @sites@
