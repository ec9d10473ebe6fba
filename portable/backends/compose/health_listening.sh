for table in /proc/net/@protocol@ /proc/net/@protocol@6; do
  [ -r "$table" ] || continue
  while read -r _ here _ state _; do
    case "$here $state" in *":@port@ @state@") exit 0 ;; esac
  done <"$table"
done
exit 1
