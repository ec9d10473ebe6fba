# The tracker is asked before anybody has a torrent, hence first. `-c` takes what lies there already, too.
set -e
mkdir -p /srv/seed /srv/torrents /etc/lab
tracker &
head -c @size@ /dev/urandom >"/srv/seed/@name@"
cd /srv/seed
transmission-create --private --piecesize 64 --tracker http://@address@:6969/announce --outfile /tmp/made.torrent "@name@" >/dev/null
cp /tmp/made.torrent "/srv/torrents/@name@.torrent"
exec transmission-daemon --foreground --config-dir /etc/lab --watch-dir /srv/torrents --download-dir /srv/seed --peerport @port@ \
  --no-portmap --no-dht --no-lpd --no-utp --log-info
