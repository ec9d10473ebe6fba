# $1 the cloud's path in the app, $2 an entry that is always in it, $3 its mount point. Counting lists a whole folder of the cloud, so it
# has a timeout; a process that reads a hung mount ends by no signal but KILL.
grep -q " $3 .* - fuse" /proc/self/mountinfo || { echo "nothing is mounted at $3"; exit 3; }
limit=; command -v timeout >/dev/null && limit="timeout -s KILL 8"
# The kernel's cache of names hides a hang. `df` asks the FUSE process each time, and does not make it list a folder of the cloud.
$limit df "$1/" >/dev/null 2>&1
[ $? -lt 124 ] || { echo "the mount at $3 does not answer within 8 s"; exit 5; }
$limit ls -d "$1/$2" >/dev/null
code=$?
[ $code -lt 124 ] || { echo "reading $1/$2 takes more than 8 s"; exit 5; }
[ $code = 0 ] || { echo "$1/$2 is missing"; exit 4; }
[ -d "$1/$2" ] || { echo 1; exit 0; }
found=$($limit ls -A "$1/$2")
code=$?
[ $code -lt 124 ] || { echo "more than can be listed in 8 s:"; exit 0; }
[ $code = 0 ] || exit 4
[ -n "$found" ] && echo "$found" | wc -l || echo 0
