set -e
mkdir -p /srv/cloud/torrents /srv/cloud/usenet
cd /srv/cloud/torrents
for n in $(seq -w @entries@); do
  mkdir "Film.$n.2020.1080p" && echo "film $n" >"Film.$n.2020.1080p/film.$n.mkv"
done
exec rclone serve webdav /srv/cloud --addr @address@:80 --user @user@ --pass @password@ --read-only --dir-cache-time 1s --log-level INFO
