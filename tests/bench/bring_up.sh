#!/usr/bin/env bash
# Brings up by hand what `pulumi up` brings up from a stack of three servers and two edges, says how long that took, and
# takes it away again: the measure that the platform is held against. Same nodes, agents, services, security and order,
# no Pulumi.
#
# It does less: it looks at nothing on a host before it writes there, it keeps no state, and of a service it waits only
# for the port.
#
# Needs what `make prepare` brings, and openssl, ssh, curl and perl.
#   -v  a line for each phase
#   -k  keep what was brought up until Enter is pressed
#   -c  only take away what a run that was killed has left
set -euo pipefail
export LC_ALL=C

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/bench/configurations.sh
source tests/bench/configurations.sh

readonly NAME=plain-bring-up
readonly LABEL=org.mooring.bench
readonly PORT=18990

network=198.18.250.0/24
datacenter=dc1
servers=(198.18.250.11 198.18.250.12 198.18.250.13)
edges=(198.18.250.61 198.18.250.62)
registries=("${servers[@]:0:2}")
builder=${servers[0]}
floating=198.18.250.10
door=198.18.250.9
nearby=169.254.20.20:5001
declare -A node=(
  [${servers[0]}]=plain-server-1 [${servers[1]}]=plain-server-2 [${servers[2]}]=plain-server-3
  [${edges[0]}]=plain-edge-1 [${edges[1]}]=plain-edge-2
)
declare -A priority=([${edges[0]}]=150 [${edges[1]}]=149)
every=("${servers[@]}" "${edges[@]}")

verbose=false keep=false only_clean=false
while getopts vkc option; do
  case $option in
    v) verbose=true ;;
    k) keep=true ;;
    c) only_clean=true ;;
    *) exit 2 ;;
  esac
done

elapsed() { # since START, in seconds; bash counts in whole numbers, so in microseconds
  local now=${EPOCHREALTIME/./}
  printf '%d.%02d' $(((now - started) / 1000000)) $(((now - started) / 10000 % 100))
}

phase() { # WHAT: a line for what has just been done
  if $verbose; then printf '%7s  %s\n' "$(elapsed)" "$1"; fi
}

fail() {
  printf 'bring_up.sh: %s\n' "$1" >&2
  exit 1
}

together() { # COMMAND...: all at once; fails when one of them does
  local each pids=() status=0
  for each in "$@"; do
    $each &
    pids+=($!)
  done
  for each in "${pids[@]}"; do wait "$each" || status=1; done
  return $status
}

on_each() { # COMMAND ADDRESS...: the command once for each address, all at once
  local command=$1
  shift
  together "${@/#/$command }"
}

within() { # SECONDS COMMAND...: until the command succeeds
  local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000)) last
  shift
  until last=$("$@" 2>&1); do
    [ "${EPOCHREALTIME/./}" -lt $deadline ] || fail "not within the time: $*: $last"
    sleep 0.1
  done
}

quietly() { # COMMAND...: what it says, only when it fails
  local said
  said=$("$@" 2>&1) || fail "$1: $said"
}

is_edge() { [[ " ${edges[*]} " = *" $1 "* ]]; } # ADDRESS

uuid() { echo "$(</proc/sys/kernel/random/uuid)"; }

on() { # ADDRESS SCRIPT [OPTION...]: runs it on the host, with this function's standard input
  ssh -F "$work/ssh_config" "${@:3}" "$1" "$2"
}

field() { # NAME: the first text under that name in the JSON on standard input
  grep -o "\"$1\": *\"[^\"]*\"" | sed -n '1s/.*"\([^"]*\)"$/\1/p'
}

consul_api() { # METHOD PATH [CURL OPTION...]
  curl --silent --show-error --fail-with-body --noproxy '*' --max-time 10 --cacert "$work/consul-ca.pem" \
    --cert "$work/consul-operator.pem" --key "$work/consul-operator.key" \
    --header "@$work/consul-token" --request "$1" "${@:3}" "https://${servers[0]}:8501$2"
}

nomad_api() { # METHOD PATH [CURL OPTION...]
  curl --silent --show-error --fail-with-body --noproxy '*' --max-time 70 --cacert "$work/nomad-ca.pem" \
    --cert "$work/nomad-operator.pem" --key "$work/nomad-operator.key" \
    --header "@${nomad_token:-$work/nomad-token}" --request "$1" "${@:3}" "https://${servers[0]}:4646$2"
}

clean_up() { # whatever happened
  local status=$? each
  trap - EXIT
  trap '' INT TERM
  set +e
  # shellcheck disable=SC2046 # a word for each
  kill $(below $$) 2>/dev/null
  wait
  for each in "${every[@]}"; do on "$each" '' -O exit 2>/dev/null; done
  # Twice: the engine may still be making what it was asked for last.
  take_away "$LABEL=$run" 2>/dev/null || { sleep 1 && take_away "$LABEL=$run"; } || status=1
  rm -rf "$work"
  exit $status
}

below() { # PROCESS: every process that it started, each before those that it started in turn
  local each
  for each in $(pgrep -P "$1"); do
    echo "$each"
    below "$each"
  done
}

take_away() { # LABEL: what has it, and nothing else
  local found
  found=$(docker ps --all --quiet --filter "label=$1")
  # shellcheck disable=SC2086 # a word for each
  [ -z "$found" ] || docker rm --force --volumes $found >/dev/null || return
  found=$(docker volume ls --quiet --filter "label=$1")
  # shellcheck disable=SC2086 # a word for each
  [ -z "$found" ] || docker volume rm $found >/dev/null || return
  found=$(docker network ls --quiet --filter "label=$1")
  # shellcheck disable=SC2086 # a word for each
  [ -z "$found" ] || docker network rm $found >/dev/null || return
  # The nodes share this machine's control groups, and Nomad leaves one of its own behind.
  find /sys/fs/cgroup -depth -type d -path '*/nomad-plain-*' -exec rmdir {} + 2>/dev/null || true
}

read_pins() {
  local python=.venv/bin/python archive
  [ -x $python ] || fail "there is no $python: \`make prepare\` makes it"
  read -r machine_image registry_image base_image registry_archive base_archive consul_version nomad_version < <(
    $python -c "
from mooring.toolchain import images, pins
print(*map(images.reference, ('machine', 'registry', 'nodejs')), *map(images.archive, ('registry', 'nodejs')),
      pins.CONSUL.version, pins.NOMAD.version)"
  )
  docker image inspect "$machine_image" >/dev/null 2>&1 ||
    fail "the engine has no $machine_image: \`make prepare\` makes it"
  for archive in "$registry_archive" "$base_archive"; do
    [ -f "$archive" ] || fail "there is no $archive: \`make prepare\` makes it"
  done
  [ -z "$(docker network ls --quiet --filter "name=^$NAME\$")" ] ||
    fail "the network $NAME is there: another run is under way, or one was killed, and then \`$0 -c\` takes it away"
}

make_authority() { # NAME
  quietly openssl req -config "$work/openssl.cnf" -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 \
    -subj "/CN=plain $1 authority" -keyout "$work/$1-ca.key" -out "$work/$1-ca.pem" \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
    -addext subjectKeyIdentifier=hash
}

make_certificate() { # AUTHORITY FILE COMMON-NAME USAGES [NAMES]
  quietly openssl req -config "$work/openssl.cnf" -x509 -CA "$work/$1-ca.pem" -CAkey "$work/$1-ca.key" \
    -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 365 -subj "/CN=$3" \
    -keyout "$work/$2.key" -out "$work/$2.pem" \
    -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
    -addext "extendedKeyUsage=$4" -addext subjectKeyIdentifier=hash -addext authorityKeyIdentifier=keyid \
    ${5:+-addext "subjectAltName=$5"}
}

make_consul_keys() {
  local address name names
  make_authority consul
  make_certificate consul consul-operator operator clientAuth
  make_certificate consul consul-nomad nomad clientAuth
  for address in "${every[@]}"; do
    name=${node[$address]} names=DNS:localhost
    is_edge "$address" || names+=",DNS:server.$datacenter.consul,DNS:$name.server.$datacenter.consul"
    make_certificate consul "consul-$name" "$name" serverAuth,clientAuth "$names,IP:$address,IP:127.0.0.1"
  done
}

make_nomad_keys() {
  local address name names=DNS:server.global.nomad,DNS:client.global.nomad,DNS:localhost
  make_authority nomad
  make_certificate nomad nomad-operator operator clientAuth
  for address in "${servers[@]}"; do
    name=${node[$address]}
    make_certificate nomad "nomad-$name" "$name" serverAuth,clientAuth "$names,IP:$address,IP:127.0.0.1"
  done
}

make_registry_keys() {
  local address
  make_authority registry
  for address in "${registries[@]}"; do
    make_certificate registry "registry-${node[$address]}" registry serverAuth "IP:$address,IP:${nearby%:*}"
  done
}

make_ssh_keys() {
  local address name
  ssh-keygen -q -t ed25519 -N '' -C plain -f "$work/id"
  for address in "${every[@]}"; do
    name=${node[$address]}
    mkdir "$work/$name"
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$work/$name/ssh_host_ed25519_key"
    cp "$work/id.pub" "$work/$name/authorized_keys"
    echo "$address $(cut -d ' ' -f 1,2 "$work/$name/ssh_host_ed25519_key.pub")" >>"$work/known_hosts"
  done
}

choose_secrets() { # into shell variables, which every background job inherits
  local address
  declare -gA consul_agent_token
  for address in "${every[@]}"; do consul_agent_token[$address]=$(uuid); done
  consul_management=$(uuid) consul_dns_token=$(uuid) consul_nomad_token=$(uuid) consul_status_token=$(uuid)
  consul_drill_token=$(uuid)
  nomad_management=$(uuid)
  consul_gossip_key=$(openssl rand -base64 32) nomad_gossip_key=$(openssl rand -base64 32)
  registry_password=$(openssl rand -hex 16) registry_http_secret=$(openssl rand -hex 16)
  echo "X-Consul-Token: $consul_management" >"$work/consul-token"
  echo "X-Nomad-Token: $nomad_management" >"$work/nomad-token"
  printf 'Authorization: Basic %s\n' "$(printf 'mooring:%s' "$registry_password" | base64 --wrap 0)" >"$work/registry-login"
}

prepare_keys() {
  printf '[req]\ndistinguished_name = name\n[name]\n' >"$work/openssl.cnf"
  cat >"$work/ssh_config" <<EOF
Host *
  User root
  IdentityFile $work/id
  IdentitiesOnly yes
  UserKnownHostsFile $work/known_hosts
  StrictHostKeyChecking yes
  ConnectTimeout 4
  LogLevel ERROR
  ControlMaster auto
  ControlPath $work/%h.sock
  ControlPersist yes
EOF
}

make_network() {
  docker network create --driver bridge --subnet $network --gateway 198.18.250.1 \
    --label "$LABEL=$run" $NAME >/dev/null
}

readonly CAPABILITIES=(
  AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK
  IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW
  SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_TIME
  SYS_TTY_CONFIG WAKE_ALARM
)

make_door() { # the port of this machine, which belongs to no node
  docker create --name "$NAME-door" --label "$LABEL=$run" --cap-drop ALL --security-opt no-new-privileges \
    --user haproxy --memory 64m --memory-swap 64m --restart unless-stopped --network $NAME --ip "$door" \
    --publish "127.0.0.1:$PORT:8080" --entrypoint /usr/sbin/haproxy "$machine_image" -db -f /etc/mooring-door.cfg \
    >/dev/null
  mkdir -p "$work/door/etc"
  door_configuration >"$work/door/etc/mooring-door.cfg"
  tar --create --directory "$work/door" --owner 0 --group 0 --mode 0644 etc/mooring-door.cfg |
    docker cp - "$NAME-door:/"
  docker start "$NAME-door" >/dev/null
}

make_host() { # ADDRESS
  local name=${node[$1]} memory=2048m
  if is_edge "$1"; then memory=512m; fi
  docker volume create --label "$LABEL=$run" "$NAME-$name-engine" >/dev/null
  docker create --name "$NAME-$name" --hostname "$name" --label "$LABEL=$run" \
    --cap-drop ALL "${CAPABILITIES[@]/#/--cap-add=}" \
    --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined \
    --cgroupns host --volume /sys/fs/cgroup:/sys/fs/cgroup \
    --volume "$NAME-$name-engine:/var/lib/docker" --tmpfs /run --tmpfs /run/lock --tmpfs /tmp \
    --env container=docker --network $NAME --ip "$1" --memory $memory --memory-swap $memory \
    --stop-signal SIGRTMIN+3 --restart no "$machine_image" >/dev/null
  tar --create --directory "$work/$name" --owner 0 --group 0 ssh_host_ed25519_key authorized_keys |
    docker cp - "$NAME-$name:/etc/mooring/bootstrap"
  docker start "$NAME-$name" >/dev/null
  within 90 on "$1" true </dev/null
  on "$1" 'timeout 60 systemctl is-system-running --wait' </dev/null >/dev/null || fail "$name did not boot well"
}

# shellcheck disable=SC2016 # they expand on the host
readonly START='
systemctl daemon-reload
systemctl enable --quiet $service.service
systemctl start $service.service
for _ in $(seq 450); do
  if systemctl is-active --quiet $service.service && bash -c "</dev/tcp/127.0.0.1/$port" 2>/dev/null; then exit 0; fi
  sleep 0.1
done
journalctl -u $service -n 12 --no-pager -o cat >&2
exit 1'

make_consul_agent() { # ADDRESS
  local name=${node[$1]} role=server management=$consul_management dns=- stage
  if is_edge "$1"; then role=client management=- dns=$consul_dns_token; fi
  stage=$work/$name/consul
  mkdir -p "$stage/etc/consul.d/tls" "$stage/etc/systemd/system"
  consul_configuration "$name" "$1" $role "$management" >"$stage/etc/consul.d/consul.json"
  consul_start "$1" $role "$consul_gossip_key" >"$stage/etc/consul.d/start.json"
  consul_tokens "${consul_agent_token[$1]}" "$dns" >"$stage/etc/consul.d/tokens.json"
  cp "$work/consul-ca.pem" "$stage/etc/consul.d/tls/ca.pem"
  cp "$work/consul-$name.pem" "$stage/etc/consul.d/tls/agent.pem"
  cp "$work/consul-$name.key" "$stage/etc/consul.d/tls/agent.key"
  consul_unit >"$stage/etc/systemd/system/consul.service"
  {
    tar -c -C "$stage" --owner root --group consul --mode 0640 \
      etc/consul.d/{consul,start,tokens}.json etc/consul.d/tls/{ca.pem,agent.pem,agent.key}
    tar -c -C "$stage" --owner root --group root --mode 0644 etc/systemd/system/consul.service
  } | on "$1" "set -eu
    id -u consul >/dev/null 2>&1 || useradd --system --user-group --no-create-home --shell /usr/sbin/nologin consul
    install -d -m 0750 -g consul /etc/consul.d /etc/consul.d/tls
    install -d -m 0750 -o consul -g consul /var/lib/consul
    tar -x -i -p --same-owner --no-overwrite-dir -C / -f -
    judged=\$(/opt/mooring/bin/consul-$consul_version validate /etc/consul.d 2>&1) || { echo \"\$judged\" >&2; exit 1; }
    service=consul port=8501 $START"
}

make_nomad_agent() { # ADDRESS
  local name=${node[$1]} stage
  stage=$work/$name/nomad
  mkdir -p "$stage/etc/nomad.d/tls" "$stage/etc/systemd/system"
  nomad_configuration "$name" "$1" "$consul_nomad_token" >"$stage/etc/nomad.d/nomad.json"
  nomad_start "$1" "$nomad_gossip_key" >"$stage/etc/nomad.d/start.json"
  cp "$work/nomad-ca.pem" "$stage/etc/nomad.d/tls/ca.pem"
  cp "$work/nomad-$name.pem" "$stage/etc/nomad.d/tls/agent.pem"
  cp "$work/nomad-$name.key" "$stage/etc/nomad.d/tls/agent.key"
  cp "$work/consul-ca.pem" "$stage/etc/nomad.d/tls/consul-ca.pem"
  cp "$work/consul-nomad.pem" "$stage/etc/nomad.d/tls/consul.pem"
  cp "$work/consul-nomad.key" "$stage/etc/nomad.d/tls/consul.key"
  nomad_unit >"$stage/etc/systemd/system/nomad.service"
  {
    tar -c -C "$stage" --owner root --group root --mode 0600 \
      etc/nomad.d/{nomad,start}.json etc/nomad.d/tls/{ca.pem,agent.pem,agent.key,consul-ca.pem,consul.pem,consul.key}
    tar -c -C "$stage" --owner root --group root --mode 0644 etc/systemd/system/nomad.service
  } | on "$1" "set -eu
    install -d -m 0700 /etc/nomad.d /etc/nomad.d/tls /var/lib/nomad
    tar -x -i -p --same-owner --no-overwrite-dir -C / -f -
    judged=\$(/opt/mooring/bin/nomad-$nomad_version config validate /etc/nomad.d 2>&1) || { echo \"\$judged\" >&2; exit 1; }
    service=nomad port=4646 $START"
}

make_load_balancer() { # ADDRESS: one, and what has it hold the floating address
  local stage=$work/${node[$1]}/balancer
  mkdir -p "$stage/etc/mooring/haproxy" "$stage/etc/mooring/vrrp" "$stage/etc/systemd/system"
  haproxy_configuration >"$stage/etc/mooring/haproxy/haproxy.cfg"
  haproxy_wait >"$stage/etc/mooring/haproxy/wait.lua"
  haproxy_unit >"$stage/etc/systemd/system/mooring-haproxy.service"
  vrrp_configuration "${node[$1]}" "$1" "${priority[$1]}" >"$stage/etc/mooring/vrrp/keepalived.conf"
  vrrp_unit >"$stage/etc/systemd/system/mooring-address.service"
  tar -c -C "$stage" --owner root --group root --mode 0644 \
    etc/mooring/haproxy/{haproxy.cfg,wait.lua} etc/mooring/vrrp/keepalived.conf \
    etc/systemd/system/mooring-{haproxy,address}.service |
    on "$1" "set -eu
      mkdir -p -m 0755 /etc/mooring/haproxy /etc/mooring/vrrp
      tar -x -p --same-owner --no-overwrite-dir -C / -f -
      (service=mooring-haproxy port=80 $START)
      (service=mooring-address port=80 $START)"
}

make_load_balancers() {
  on_each make_load_balancer "${edges[@]}"
  phase 'the load balancers listen'
}

consul_is_whole() { # a leader who knows our token, healthy voters, everybody alive
  local health members
  consul_api GET /v1/acl/token/self >/dev/null && health=$(consul_api GET /v1/operator/autopilot/health) || return
  [ "$(grep -o '"Voter": *true' <<<"$health" | wc -l)" = ${#servers[@]} ] || return
  members=$(consul_api GET /v1/agent/members) || return
  [ "$(grep -o '"Status": *1\b' <<<"$members" | wc -l)" = ${#every[@]} ]
}

put_consul_policy() { # NAME RULES, in JSON's words
  consul_api PUT /v1/acl/policy --data-binary @- <<<"{\"Name\": \"$1\", \"Rules\": \"$2\"}" >/dev/null
}

put_consul_token() { # NAME SECRET RIGHTS
  consul_api PUT /v1/acl/token --data-binary @- >/dev/null <<<"{
    \"AccessorID\": \"$(uuid)\", \"SecretID\": \"$2\", \"Description\": \"consul-$1\", $3}"
}

put_consul_dns_policy() {
  put_consul_policy dns 'node_prefix \"\" { policy = \"read\" }\nservice_prefix \"\" { policy = \"read\" }\n'
}

put_consul_nomad_policy() {
  put_consul_policy nomad 'agent_prefix \"\" { policy = \"read\" }\nnode_prefix \"\" { policy = \"read\" }\nservice_prefix \"\" { policy = \"write\" }\n'
}

put_consul_status_policy() {
  put_consul_policy status 'agent_prefix \"\" { policy = \"read\" }\nnode_prefix \"\" { policy = \"read\" }\nservice_prefix \"\" { policy = \"read\" }\noperator = \"read\"\n'
}

put_consul_drill_policy() {
  put_consul_policy drill 'agent_prefix \"\" { policy = \"read\" }\nnode_prefix \"\" { policy = \"read\" }\nservice_prefix \"\" { policy = \"read\" }\noperator = \"read\"\nkey_prefix \"mooring-drill/\" { policy = \"write\" }\n'
}

put_consul_agent_token() { # ADDRESS
  local identity="{\"NodeName\": \"${node[$1]}\", \"Datacenter\": \"$datacenter\"}"
  put_consul_token "${node[$1]}-agent" "${consul_agent_token[$1]}" "\"NodeIdentities\": [$identity]"
}

put_consul_dns_token() {
  put_consul_dns_policy
  put_consul_token dns-token "$consul_dns_token" '"Policies": [{"Name": "dns"}]'
}

put_consul_nomad_token() {
  put_consul_nomad_policy
  put_consul_token nomad-token "$consul_nomad_token" '"Policies": [{"Name": "nomad"}]'
}

put_consul_status_token() {
  put_consul_status_policy
  put_consul_token status-token "$consul_status_token" '"Policies": [{"Name": "status"}]'
}

put_consul_drill_token() {
  put_consul_drill_policy
  put_consul_token drill-token "$consul_drill_token" '"Policies": [{"Name": "drill"}]'
}

nomad_is_whole() { # our token rules, healthy voters, everybody ready
  local health nodes
  if ! nomad_api GET /v1/acl/token/self >/dev/null; then
    nomad_api POST /v1/acl/bootstrap --data-binary @- >/dev/null <<<"{\"BootstrapSecret\": \"$nomad_management\"}" || return
  fi
  health=$(nomad_api GET /v1/operator/autopilot/health) || return
  [ "$(grep -o '"Voter": *true' <<<"$health" | wc -l)" = ${#servers[@]} ] || return
  nodes=$(nomad_api GET /v1/nodes) || return
  [ "$(grep -o '"Status": *"ready"' <<<"$nodes" | wc -l)" = ${#servers[@]} ]
}

put_nomad_token() { # NAME RULES, in JSON's words
  nomad_api POST "/v1/acl/policy/$1" --data-binary @- <<<"{\"Name\": \"$1\", \"Rules\": \"$2\"}" >/dev/null
  nomad_api POST /v1/acl/token --data-binary @- <<<"{\"Name\": \"plain $1\", \"Type\": \"client\", \"Policies\": [\"$1\"]}" |
    field SecretID | sed 's/^/X-Nomad-Token: /' >"$work/nomad-$1-token"
}

put_nomad_deploy_token() {
  put_nomad_token deploy 'namespace \"default\" {\n  policy = \"write\"\n  variables { path \"*\" { capabilities = [\"list\", \"read\", \"write\", \"destroy\"] } }\n}\nnode { policy = \"read\" }\nagent { policy = \"read\" }\n'
}

put_nomad_status_token() {
  put_nomad_token status 'namespace \"default\" { policy = \"read\" }\nnode { policy = \"read\" }\nagent { policy = \"read\" }\noperator { policy = \"read\" }\n'
}

put_nomad_drill_token() {
  put_nomad_token drill 'namespace \"default\" {\n  policy = \"write\"\n  variables {\n    path \"mooring-drill/*\" {\n      capabilities = [\"write\", \"read\", \"list\", \"destroy\"]\n    }\n  }\n}\nnode { policy = \"write\" }\nagent { policy = \"read\" }\noperator { policy = \"read\" }\n'
}

make_consul() {
  on_each make_consul_agent "${every[@]}"
  phase 'Consul listens everywhere'
  within 120 consul_is_whole
  phase 'Consul is whole'
  together "${every[@]/#/put_consul_agent_token }" \
    put_consul_dns_token put_consul_nomad_token put_consul_status_token put_consul_drill_token
  phase "Consul's policies and tokens are there"
}

make_nomad() {
  on_each make_nomad_agent "${servers[@]}"
  phase 'Nomad listens everywhere'
  within 120 nomad_is_whole
  phase 'Nomad is whole'
  together put_nomad_deploy_token put_nomad_status_token put_nomad_drill_token
  phase "Nomad's policies and tokens are there"
}

make_clusters() {
  make_consul
  # Not before: an agent that is asked with a token that is not there yet may say no to it for many seconds.
  together make_nomad make_load_balancers
}

copy_image() { # ADDRESS ARCHIVE
  on "$1" 'zstd -dc | docker load --quiet' <"$2" >/dev/null
}

make_registry() { # ADDRESS
  local name=${node[$1]} stage
  stage=$work/$name/registry
  mkdir -p "$stage/etc/mooring/registry" "$stage/etc/systemd/system"
  registry_configuration "$registry_http_secret" >"$stage/etc/mooring/registry/config.yml"
  cp "$work/htpasswd" "$stage/etc/mooring/registry/accounts"
  cp "$work/registry-$name.pem" "$stage/etc/mooring/registry/tls.pem"
  cp "$work/registry-$name.key" "$stage/etc/mooring/registry/tls.key"
  registry_unit >"$stage/etc/systemd/system/mooring-registry.service"
  copy_image "$1" "$registry_archive"
  {
    tar -c -C "$stage" --owner root --group root --mode 0600 etc/mooring/registry/{config.yml,accounts,tls.pem,tls.key}
    tar -c -C "$stage" --owner root --group root --mode 0644 etc/systemd/system/mooring-registry.service
  } | on "$1" "set -eu
    install -d -m 0755 /etc/mooring
    install -d -m 0700 /etc/mooring/registry
    tar -x -i -p --same-owner --no-overwrite-dir -C / -f -
    service=mooring-registry port=5000 $START"
}

make_registries() {
  # bcrypt with few rounds: nobody guesses a random password, and it is checked at every request.
  perl -e '$_ = <STDIN>; chomp; ($p, $s) = split; print "mooring:", crypt($p, "\$2b\$05\$" . substr($s, 0, 22)), "\n"' \
    <<<"$registry_password $(openssl rand -hex 11)" >"$work/htpasswd"
  on_each make_registry "${registries[@]}"
  phase 'the registries listen'
}

make_proxy() { # ADDRESS: the way from a host to a registry that answers
  local stage=$work/${node[$1]}/proxy
  mkdir -p "$stage/etc/mooring/registry-proxy" "$stage/etc/systemd/system"
  proxy_configuration >"$stage/etc/mooring/registry-proxy/haproxy.cfg"
  cp "$work/registry-ca.pem" "$stage/etc/mooring/registry-proxy/ca.pem"
  proxy_unit >"$stage/etc/systemd/system/mooring-registry-proxy.service"
  tar -c -C "$stage" --owner root --group root --mode 0644 \
    etc/mooring/registry-proxy/{haproxy.cfg,ca.pem} etc/systemd/system/mooring-registry-proxy.service |
    on "$1" "set -eu
      mkdir -p -m 0755 /etc/mooring/registry-proxy
      tar -x -p --same-owner --no-overwrite-dir -C / -f -
      service=mooring-registry-proxy port=5001 $START"
}

make_proxies() { on_each make_proxy "${every[@]}"; }

trust_registry() { # ADDRESS
  local stage=$work/${node[$1]}/trust certificates=etc/docker/certs.d/$nearby
  mkdir -p "$stage/etc/nomad" "$stage/$certificates"
  registry_credentials "$registry_password" >"$stage/etc/nomad/docker-auth.json"
  cp "$work/registry-ca.pem" "$stage/$certificates/ca.crt"
  {
    tar -c -C "$stage" --owner root --group root --mode 0600 etc/nomad/docker-auth.json
    tar -c -C "$stage" --owner root --group root --mode 0644 "$certificates/ca.crt"
  } | on "$1" "set -eu
    install -d -m 0700 /etc/nomad
    mkdir -p -m 0755 /$certificates
    tar -x -i -p --same-owner --no-overwrite-dir -C / -f -"
}

trust_registry_everywhere() { on_each trust_registry "${every[@]}"; }

copy_base_image() {
  copy_image "$builder" "$base_archive"
  phase 'the base image is copied'
}

registry_api() { # METHOD URL [CURL OPTION...]
  curl --silent --show-error --fail --noproxy '*' --max-time 60 --cacert "$work/registry-ca.pem" \
    --header "@$work/registry-login" --request "$1" "${@:3}" "$2"
}

nearby_answers() { # whether the builder's proxy leads to a registry
  [ "$(on "$builder" "curl --silent --noproxy '*' --max-time 5 --cacert /etc/mooring/registry-proxy/ca.pem \
    --output /dev/null --write-out '%{http_code}' https://$nearby/v2/" </dev/null)" = 401 ]
}

copy_blob() { # DIGEST FROM TO
  local to
  to=$(registry_api POST "$3/blobs/uploads/" --dump-header - | tr -d '\r' | sed -n 's/^location: //Ip')
  registry_api GET "$2/blobs/$1" --output "$work/blob-$1"
  registry_api PUT "$to&digest=$1" --upload-file "$work/blob-$1" --header 'Content-Type: application/octet-stream'
  rm "$work/blob-$1"
}

copy_pushed() { # DIGEST: the image into the registry that it was not pushed to, its parts first
  local from=https://${registries[0]}:5000/v2/hello to=https://${registries[1]}:5000/v2/hello each
  local kind=application/vnd.docker.distribution.manifest.v2+json
  registry_api GET "$from/manifests/$1" --header "Accept: $kind" --output "$work/manifest"
  for each in $(grep -o 'sha256:[0-9a-f]*' "$work/manifest" | sort -u); do copy_blob "$each" "$from" "$to"; done
  registry_api PUT "$to/manifests/$1" --header "Content-Type: $kind" --data-binary "@$work/manifest"
}

make_image() { # writes the pushed image's digest to a file, as it runs in the background
  together make_registries make_proxies trust_registry_everywhere copy_base_image
  within 30 nearby_answers
  tar -c -C apps/hello . | on "$builder" "docker build --quiet --build-arg BASE=$base_image --tag $nearby/hello -" \
    >/dev/null
  # The engine pushes with the password that it is handed, and keeps none.
  registry_credentials "$registry_password" | on "$builder" "set -eu
    umask 077
    export DOCKER_CONFIG=\$(mktemp -d /run/push.XXXXXX)
    trap 'rm -r \"\$DOCKER_CONFIG\"' EXIT
    cat >\"\$DOCKER_CONFIG/config.json\"
    docker push $nearby/hello" | sed -n 's/.*digest: \(sha256:[0-9a-f]*\).*/\1/p' >"$work/digest"
  [ -s "$work/digest" ] || fail 'the image was not pushed'
  copy_pushed "$(<"$work/digest")"
  phase 'the image is built, pushed and copied'
}

run_job() {
  local nomad_token=$work/nomad-deploy-token evaluation deployment found status index=0
  evaluation=$(
    {
      printf '{"EnforceIndex": true, "JobModifyIndex": 0, "Job": '
      hello_job "$nearby/hello@$(<"$work/digest")"
      printf '}'
    } | nomad_api POST /v1/jobs --data-binary @- | field EvalID
  )
  job_is_evaluated() { [ "$(nomad_api GET "/v1/evaluation/$evaluation" | field Status)" = complete ]; }
  within 30 job_is_evaluated
  deployment=$(nomad_api GET "/v1/evaluation/$evaluation" | field DeploymentID)
  while :; do
    found=$(nomad_api GET "/v1/deployment/$deployment?index=$index&wait=60s")
    status=$(field Status <<<"$found")
    case $status in
      successful) return ;;
      running | pending | initializing) index=$(grep -o '"ModifyIndex": *[0-9]*' <<<"$found" | grep -o '[0-9]*$') ;;
      *) fail "the deployment is $status: $(field StatusDescription <<<"$found")" ;;
    esac
  done
}

page_answers() { curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "http://127.0.0.1:$PORT/"; }

if $only_clean; then
  take_away $LABEL
  exit
fi
read_pins
run=$$-$EPOCHSECONDS
umask 077
work=$(mktemp -d)
export TMPDIR=$work
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
started=${EPOCHREALTIME/./}

choose_secrets
prepare_keys
together make_network make_ssh_keys make_consul_keys make_nomad_keys make_registry_keys
phase 'the network, keys and certificates are made'
together make_door "${every[@]/#/make_host }"
phase 'the hosts are up'
together make_clusters make_image
run_job
phase 'the app is healthy'
within 60 page_answers
printf 'up in %s s\n' "$(elapsed)"
if $keep; then read -rp "http://127.0.0.1:$PORT/ answers until Enter is pressed "; fi
