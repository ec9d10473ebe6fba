status=$(http_proxy= https_proxy= wget -S -O /dev/null -T @timeout@ @tls@'@url@' 2>&1 |
  sed -n 's,^ *HTTP/[^ ]* \([0-9]*\).*,\1,p' | @which@ -n 1)
case "$status" in @ok@) ;; *) exit 1 ;; esac
