# Runs a command whenever the clock shows one of its times: schedule.sh MINUTES HOURS DAYS MONTHS WEEKDAYS COMMAND...
# Each list has numbers of two digits (weekdays: one) between commas, or is * for all. Runs never overlap, and times that passed while
# the host was suspended are skipped.
set -u
minutes=$1 hours=$2 days=$3 months=$4 weekdays=$5
shift 5

# has LIST VALUE
has() {
    [ "$1" = '*' ] && return 0
    case ",$1," in *",$2,"*) return 0 ;; esac
    return 1
}

# wait_for COMMAND...: runs it, so that a signal to this shell ends both at once.
wait_for() {
    "$@" &
    child=$!
    wait "$child"
    code=$?
    child=
    return "$code"
}

child=
trap '[ -z "$child" ] || { kill "$child"; wait "$child"; }; exit 0' TERM INT

while :; do
    wait_for sleep $((60 - $(date +%s) % 60))
    read -r minute hour day month weekday time <<NOW
$(date '+%M %H %d %m %w %FT%T%z')
NOW
    has "$minutes" "$minute" && has "$hours" "$hour" && has "$days" "$day" && has "$months" "$month" && has "$weekdays" "$weekday" ||
        continue
    echo "schedule: $time: starts"
    wait_for "$@" && echo "schedule: ended successfully" || echo "schedule: failed with $?" >&2
done
