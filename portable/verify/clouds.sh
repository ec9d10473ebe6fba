# $1 the cloud as the app sees it, $2 what is always in it, $3 where it is mounted. Counting asks the cloud for all of a folder, so it
# has an end; a reader of a mount that hangs ignores less than KILL.
grep -q " $3 .* - fuse" /proc/self/mountinfo || { echo "nothing is mounted at $3"; exit 3; }
limit=; command -v timeout >/dev/null && limit="timeout -s KILL 8"
# What the kernel remembers of names hides a hang; this question goes to the mounter each time, and asks no cloud for a folder.
$limit df "$1/" >/dev/null 2>&1
[ $? -lt 124 ] || { echo "the mount at $3 does not answer within 8 s"; exit 5; }
$limit ls -d "$1/$2" >/dev/null
code=$?
[ $code -lt 124 ] || { echo "reading $1/$2 takes more than 8 s"; exit 5; }
[ $code = 0 ] || { echo "$1/$2 can't be seen"; exit 4; }
[ -d "$1/$2" ] || { echo 1; exit 0; }
found=$($limit ls -A "$1/$2")
code=$?
[ $code -lt 124 ] || { echo "more than can be listed in 8 s:"; exit 0; }
[ $code = 0 ] || exit 4
[ -n "$found" ] && echo "$found" | wc -l || echo 0
