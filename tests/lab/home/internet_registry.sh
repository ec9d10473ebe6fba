set -e
mkdir -p /etc/lab
cat >/etc/lab/registry.yml <<'END'
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: /var/lib/registry}, delete: {enabled: true}}
http: {addr: "@address@:5000"}
END
exec docker-registry serve /etc/lab/registry.yml
