# Gluetun prefers a file with a setting's name to the variable, and adds the rules of post-rules.txt to its own firewall
# (v3.41.3: internal/configuration/sources, internal/firewall/firewall.go).
for folder in /gluetun /run/secrets; do
  for file in "$folder"/* "$folder"/.[!.]*; do [ -f "$file" ] && echo "$file"; done
done
for file in /iptables/post-rules.txt /gluetun/wireguard/wg0.conf; do [ -e "$file" ] && echo "$file"; done
true
