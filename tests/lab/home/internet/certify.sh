#!/bin/sh
# certify: an authority of the lab's own, and a certificate of it for every site and public resolver of the lab, in /etc/lab.
set -eu
mkdir -p /etc/lab && cd /etc/lab
new() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
new ca-key.pem
openssl req -x509 -new -key ca-key.pem -subj /CN=lab -days 3650 -out ca.pem \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
new site-key.pem
openssl req -new -key site-key.pem -subj /CN=site -out site.csr
# shellcheck disable=SC2125 # `*` is for the certificate
names=DNS:cloudflare-dns.com,DNS:dns.google,DNS:cloudflare.com,DNS:github.com,DNS:*.example.com
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\n' "$names" >site.cnf
openssl x509 -req -in site.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 3650 -extfile site.cnf -out site.pem
