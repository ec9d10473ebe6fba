#!/bin/bash
# certify: makes the keys and certificates of the cluster in /var/lib/lab/keys, once, for all its nodes.
#
# CONTROL the address of the API server
# NODES   names of the nodes
set -eu
cd /var/lib/lab/keys
[ ! -e whole ] || exit 0

new() { # NAME SUBJECT [EXTENSIONS]: a key and a certificate of the cluster's authority
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  printf 'keyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n%s\n' "${3:-}" >"$1.cnf"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile "$1.cnf" -out "$1.crt" 2>/dev/null
  rm "$1.csr" "$1.cnf"
}

config() { # NAME: a kubeconfig for the certificate of that name
  cat >"$1.kubeconfig" <<T
apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "https://$CONTROL:6443", certificate-authority-data: $(base64 -w 0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w 0 "$1.crt"), client-key-data: $(base64 -w 0 "$1.key")}}]
contexts: [{name: lab, context: {cluster: lab, user: $1}}]
current-context: lab
T
}

openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -subj /CN=lab -days 30 -out ca.crt 2>/dev/null \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
openssl genrsa -out tokens.key 2048 2>/dev/null
new apiserver /CN=kube-apiserver "subjectAltName=IP:$CONTROL,IP:127.0.0.1,IP:10.96.0.1,DNS:kubernetes.default.svc"
new kubelet-client /O=system:masters/CN=apiserver
new admin /O=system:masters/CN=admin
new owner /CN=owner # rights in a namespace only, where a test gives some
new kube-controller-manager /CN=system:kube-controller-manager
new kube-scheduler /CN=system:kube-scheduler
new kube-proxy /CN=system:kube-proxy
for name in admin owner kube-controller-manager kube-scheduler kube-proxy; do config $name; done
for node in $NODES; do
  new "$node" "/O=system:nodes/CN=system:node:$node"
  config "$node"
done
touch whole
