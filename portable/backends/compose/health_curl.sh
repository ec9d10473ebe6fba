status=$(curl -s -k @follow@--noproxy '*' -o /dev/null -m @timeout@ -w '%{http_code}' '@url@')
case "$status" in @ok@) ;; *) exit 1 ;; esac
