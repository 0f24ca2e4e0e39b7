#!/bin/bash
# The node's pod network: a bridge for its own pods, and routes to the pods of kind's other nodes. A bridge needs no daemon,
# and kind's own network daemon is in no Go module.
set -eu
export KUBECONFIG=/etc/kubernetes/kubelet.conf
self=$(hostname)
range=
# A pod that starts before kube-proxy has written its rules loses half a minute on its first call of a Service.
until [ -n "$range" ] && iptables-save --table nat | grep --quiet 'default/kubernetes:https cluster IP'; do
  sleep 0.3
  [ -n "$range" ] || range=$(kubectl get node "$self" --output='jsonpath={.spec.podCIDR}' 2>/dev/null) || range=
done
pods=$(sed -n 's/^ *podSubnet: *"\{0,1\}\([0-9./]*\).*/\1/p' /kind/kubeadm.conf | head -n 1)
leaving="POSTROUTING --source $range ! --destination ${pods:-$range} --jump MASQUERADE"
# shellcheck disable=SC2086
iptables --table nat --check $leaving 2>/dev/null || iptables --table nat --append $leaving
folder=/etc/cni/net.d
cat > $folder/10-node.conflist.new <<JSON
{ "cniVersion": "1.0.0", "name": "node", "plugins": [
  { "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipam": {
    "type": "host-local", "dataDir": "/run/pod-addresses", "ranges": [[{ "subnet": "$range" }]], "routes": [{ "dst": "0.0.0.0/0" }] } },
  { "type": "portmap", "capabilities": { "portMappings": true } } ] }
JSON
mv $folder/10-node.conflist.new $folder/10-node.conflist
# Machines of a cloud have no pod network, and are told apart by their provider.
each='{.metadata.name} {.spec.podCIDR} {.status.addresses[?(@.type=="InternalIP")].address} {.spec.providerID}{"\n"}'
kubectl get nodes --watch --output="jsonpath=$each" | while read -r name theirs address provider; do
  case $provider in kind://*) [ "$name" = "$self" ] || ip route replace "$theirs" via "$address" || true ;; esac
done
exit 1 # The watch has ended; systemd starts this again.
