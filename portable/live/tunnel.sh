counted() {
    for folder in /sys/class/net/*; do
        [ "$(cat "$folder/type" 2>/dev/null)" = 65534 ] || continue
        echo "$1 ${folder##*/} $(cat "$folder/statistics/rx_bytes") $(cat "$folder/statistics/tx_bytes")"
    done
}
echo "now $(date +%s)"
earlier=$(counted before)
sleep 0.2
later=$(counted before)
received() { echo "$1" | awk '{print $2, $3}'; }
# If traffic comes in anyway, no DNS query is needed.
if [ "$(received "$earlier")" != "$(received "$later")" ]; then
    echo "$earlier"
    counted after
    exit 0
fi
echo "$later"
# A random name that does not exist, so that no server has cached it. Only the DNS query goes through the tunnel; nothing is connected.
name=$(head -c 4096 /dev/urandom | LC_ALL=C tr -dc a-z0-9 | head -c 12)
echo "asked"
LC_ALL=C timeout 3 wget -Y off -T 10 -O /dev/null "http://$name.example.com/" >/dev/null 2>&1
case $? in 124 | 137 | 143) echo "waited" ;; esac
counted after
true
