#!/bin/sh
# seal [run | health]: the firewall of a network namespace that may only talk to the local networks.
#
# Local networks are the subnets of this namespace's own interfaces and those in LOCAL_NETWORKS (CIDRs of IPv4 and IPv6, separated
# by commas). Loopback and answers are allowed, everything else is dropped, in both directions: also what comes in through a
# published port from an address that is not local. Only the table `filter` is touched, since the engine's resolver lives in `nat`.
#
# What its service must set:
#   cap_drop: [ALL], cap_add: [NET_ADMIN]; nothing else is needed, `read_only` and no-new-privileges included.
#   dns: [127.0.0.1]   The engine's resolver (127.0.0.11) passes foreign names on to this address, in this namespace, where nobody
#                      answers. Without it some engines pass them on from the host's own namespace, past any firewall here.
#
# Fails closed: the policies are DROP before anything is allowed, and remain so when a step fails and when this program ends.
set -u

# The programs for nftables and for the older interface are tried in turn; the first that can list the table is used.
choose() { # choose iptables|ip6tables
    for program in "$1-nft" "$1-legacy" "$1"; do
        if "$program" -w 5 -S >/dev/null 2>&1; then
            echo "$program"
            return 0
        fi
    done
    return 1
}

# IPv6 may be missing from the kernel; or be switched off in this namespace, and then the kernel may lack its firewall. A namespace
# where IPv6 works and can't be closed is refused.
has_ipv6() {
    [ -e /proc/net/if_inet6 ] || return 1
    choose ip6tables >/dev/null || [ -s /proc/net/if_inet6 ] || [ "$(cat /proc/sys/net/ipv6/conf/all/disable_ipv6)" != 1 ]
}

# local_networks 4|6: one CIDR a line, of the interfaces and of LOCAL_NETWORKS.
local_networks() {
    ip "-$1" -o address show scope global | while read -r _ device _ address _; do
        # `ip` knows the subnet of an address as the route that the kernel made for it.
        ip "-$1" route show dev "$device" proto kernel scope link 2>/dev/null | awk '$1 ~ /\// {print $1}'
        ip "-$1" route show dev "$device" proto kernel 2>/dev/null | awk '$1 ~ /\// && $1 !~ /^fe80:/ {print $1}'
        echo "$address" | awk '/\/(32|128)$/'
    done | sort -u
    printf '%s\n' "${LOCAL_NETWORKS:-}" | tr ',' '\n' | tr -d ' ' | while read -r network; do
        case "$1:$network" in
        ?:) ;;
        6:*:*) echo "$network" ;;
        4:*:*) ;;
        4:*) echo "$network" ;;
        esac
    done
}

# table 4|6: the whole filter table, as iptables-restore reads it: all or nothing.
table() {
    networks=$(local_networks "$1")
    printf '*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n'
    for rule in 'INPUT -i lo' 'OUTPUT -o lo' \
        'INPUT -m conntrack --ctstate RELATED,ESTABLISHED' 'OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED'; do
        printf -- '-A %s -j ACCEPT\n' "$rule"
    done
    if [ "$1" = 6 ] && [ -n "$networks" ]; then # finding a neighbour is ICMP in IPv6
        for type in 133 134 135 136; do
            printf -- '-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type %s -j ACCEPT\n' "$type"
            printf -- '-A OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type %s -j ACCEPT\n' "$type"
        done
    fi
    for network in $networks; do
        printf -- '-A INPUT -s %s -j ACCEPT\n-A OUTPUT -d %s -j ACCEPT\n' "$network" "$network"
    done
    printf 'COMMIT\n'
}

# tool 4|6: the name of the program for that family
tool() { if [ "$1" = 4 ]; then echo iptables; else echo ip6tables; fi; }

# close_family 4|6: the policies first, of both families, so that nothing is open while the rest is done, or when the rest fails.
close_family() {
    program=$(choose "$(tool "$1")") || {
        echo "seal: no way to set the firewall for IPv$1: $("$(tool "$1")" -S 2>&1 | tail -n 1)" >&2
        return 1
    }
    failed=0
    for chain in INPUT OUTPUT FORWARD; do
        "$program" -w 5 -P "$chain" DROP || failed=1
    done
    [ "$failed" = 0 ] || echo "seal: not every policy of $program could be set to DROP" >&2
    return "$failed"
}

# open_local 4|6: lets the local networks in and out.
open_local() {
    program=$(choose "$(tool "$1")") || return 1
    restore=$(echo "$program" | sed 's/^\(ip6*tables\)\(.*\)/\1\2-restore/')
    table "$1" | "$restore" -w 5 || {
        echo "seal: $restore refused the rules; everything remains dropped" >&2
        return 1
    }
    echo "seal: IPv$1 is closed by $program; allowed: loopback $(local_networks "$1" | tr '\n' ' ')"
}

# The rules in force are compared with the rules that belong to the networks of this moment.
in_force() { # in_force 4|6
    program=$(choose "$(tool "$1")") || return 1
    wanted=$(table "$1" | sed -n -e 's/^:\([A-Z]*\) DROP .*/-P \1 DROP/p' -e '/^-A/p' | sort)
    found=$("$program" -w 5 -S | sort)
    [ "$wanted" = "$found" ]
}

families=4
if has_ipv6; then families='4 6'; fi

run() {
    closed=yes
    for family in $families; do
        close_family "$family" || closed=no
    done
    [ "$closed" = yes ] || return 1
    for family in $families; do
        open_local "$family" || return 1
    done
    for family in $families; do
        in_force "$family" || {
            echo "seal: the rules for IPv$family are not in force after they were set" >&2
            return 1
        }
    done
}

case ${1:-run} in
health)
    for family in $families; do
        in_force "$family" || {
            echo "seal: the rules for IPv$family are not those that should be in force" >&2
            exit 1
        }
    done
    ;;
run)
    trap 'exit 0' TERM INT
    run || exit 1
    echo "seal: sealed"
    while :; do # a network that is attached later, or a rule that somebody removed
        sleep 5 &
        wait $!
        for family in $families; do
            in_force "$family" || {
                echo "seal: networks or rules of IPv$family changed, sealing again"
                run || exit 1
            }
        done
    done
    ;;
*)
    echo "usage: seal [run | health]" >&2
    exit 2
    ;;
esac
