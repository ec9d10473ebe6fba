# shellcheck disable=SC2046,SC2086,SC2183 # an address is four words, and ports are words
forwarded=$(cat /tmp/gluetun/forwarded_port 2>/dev/null)
echo "now $(date +%s)"
echo "forwarded $forwarded"
for folder in /sys/class/net/*; do
    [ "$(cat "$folder/type" 2>/dev/null)" = 65534 ] || continue
    device=${folder##*/}
    echo "device $device $(cat "$folder/ifindex")"
    for version in 4 6; do
        ip -$version -o address show dev "$device" scope global 2>/dev/null |
            awk -v device="$device" '{sub("/.*", "", $4); print "tunnel", device, $4}'
    done
    for address in $(ip -4 -o address show dev "$device" scope global 2>/dev/null | awk '{sub("/.*", "", $4); print $4}'); do
        listed=$(awk -v at="$(printf '%02X%02X%02X%02X' $(echo "$address" | tr . '\n' | tac))" '
            $4 == "0A" && index($2, at ":") == 1 {print substr($2, 10)}' /proc/net/tcp |
            head -n 5 | while read -r hex; do echo "$((0x$hex))"; done)
        for port in $(printf '%s\n' "$@" $forwarded $listed | sort -nu); do
            said=$(LC_ALL=C timeout 1 wget -Y off -T 1 -O /dev/null "http://$address:$port/" 2>&1)
            case $said in
            *refused*) echo "call $port refused" ;;
            *failed:* | *"can't connect"* | *unreachable*) echo "call $port unknown" ;;
            *onnecting*) echo "call $port accepted" ;;
            esac
        done
    done
done
for table in tcp tcp6 udp udp6; do
    awk -v of="$table" 'NR > 1 && ($4 == "0A" || of ~ /udp/) {print "listens", of, $2}' "/proc/net/$table" 2>/dev/null
done
true
