# Arguments: curl or wget, then `page` and an address, or `parts` and addresses. Prints the page, the addresses to which it was
# redirected in lines with "Location:"; or for each address one line: status, number of bytes, type. Unknown values are 0 and a dash.
tool=$1 what=$2
shift 2
if [ "$what" = page ]; then
    case $tool in
    curl) curl -s -L --max-redirs 3 --insecure --noproxy '*' --max-time 5 -w '\nLocation: %{url_effective}\n' "$1" ;;
    wget) wget -q -S -T 5 -Y off -O - "$1" 2>&1 ;;
    esac
    exit 0
fi
for url in "$@"; do
    case $tool in
    curl) curl -s -o /dev/null --insecure --noproxy '*' --max-time 5 -w '%{http_code} %{size_download} %{content_type}\n' "$url" || true ;;
    wget)
        said=$(LC_ALL=C wget -q -S -T 5 -Y off -O /dev/null "$url" 2>&1) && status=200 || status=0
        [ "$status" = 200 ] || status=$(echo "$said" | sed -n 's|.*HTTP/[0-9.]* \([0-9][0-9][0-9]\).*|\1|p' | tail -n 1)
        type=$(echo "$said" | tr -d '\r' | sed -n 's|^ *[Cc]ontent-[Tt]ype: *\([^ ;]*\).*|\1|p' | tail -n 1)
        echo "${status:-0} $(wget -q -T 5 -Y off -O - "$url" 2>/dev/null | wc -c) ${type:--}"
        ;;
    esac
done
true
