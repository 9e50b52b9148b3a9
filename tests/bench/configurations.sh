# shellcheck shell=bash disable=SC2154 # the variables are the caller's
# What bring_up.sh puts on the hosts, written out: the same keys and values as the components render. Sourced, not run.
# test_configurations.py holds both sides together.
#
# Takes from its caller: servers, edges and registries (addresses, in order), floating, datacenter, network, nearby (the
# address in the images' names), registry_image, consul_version, nomad_version.

json_list() { # VALUE...: ["a", "b"]
  local quoted
  printf -v quoted '"%s", ' "$@"
  printf '[%s]' "${quoted%, }"
}

others() { # ADDRESS OF...: those but this one
  local each
  for each in "${@:2}"; do
    [ "$each" = "$1" ] || printf '%s\n' "$each"
  done
}

consul_tokens() { # AGENT_TOKEN DNS_TOKEN|-: what an agent takes by a reload
  local tokens="\"agent\": \"$1\""
  [ "$2" = - ] || tokens+=", \"default\": \"$2\""
  echo "{\"acl\": {\"tokens\": {$tokens}}}"
}

consul_start() { # ADDRESS server|client GOSSIP_KEY: what is read at a start
  local join
  mapfile -t join < <(others "$1" "${servers[@]}")
  echo '{'
  if [ "$2" = server ]; then
    cat <<EOF
 "bootstrap_expect": ${#servers[@]},
 "autopilot": {
  "cleanup_dead_servers": true,
  "last_contact_threshold": "200ms",
  "max_trailing_logs": 250,
  "server_stabilization_time": "10s",
  "min_quorum": ${#servers[@]}
 },
EOF
  fi
  cat <<EOF
 "retry_join": $(json_list "${join[@]}"),
 "encrypt": "$3"
}
EOF
}

consul_configuration() { # NAME ADDRESS server|client MANAGEMENT_TOKEN|-: what an agent is restarted for
  local management=
  [ "$4" = - ] || management="\"initial_management\": \"$4\""
  cat <<EOF
{
 "server": $([ "$3" = server ] && echo true || echo false),
 "node_name": "$1",
 "datacenter": "$datacenter",
 "data_dir": "/var/lib/consul",
 "bind_addr": "$2",
 "advertise_addr": "$2",
 "client_addr": "127.0.0.1",
 "retry_interval": "1s",
 "retry_max": 0,
 "encrypt_verify_incoming": true,
 "encrypt_verify_outgoing": true,
 "ports": {"http": -1, "https": 8501, "grpc": -1, "dns": 8600, "serf_wan": -1},
 "addresses": {"https": "$2 127.0.0.1", "dns": "127.0.0.1"},
 "tls": {
  "defaults": {
   "ca_file": "/etc/consul.d/tls/ca.pem",
   "cert_file": "/etc/consul.d/tls/agent.pem",
   "key_file": "/etc/consul.d/tls/agent.key",
   "verify_incoming": true,
   "verify_outgoing": true,
   "tls_min_version": "TLSv1_2"
  },
  "https": {"verify_incoming": true},
  "internal_rpc": {"verify_server_hostname": true}
 },
 "acl": {
  "enabled": true,
  "default_policy": "deny",
  "down_policy": "extend-cache",
  "enable_token_persistence": true,
  "tokens": {$management}
 },
 "performance": {"raft_multiplier": 1, "rpc_hold_timeout": "7s", "leave_drain_time": "5s"},
 "gossip_lan": {"probe_interval": "1s", "probe_timeout": "500ms", "suspicion_mult": 4},
 "leave_on_terminate": true,
 "skip_leave_on_interrupt": true,
 "disable_update_check": true,
 "check_update_interval": "10s",
 "disable_remote_exec": true,
 "enable_script_checks": false,
 "dns_config": {
  "service_ttl": {"*": "0s"},
  "node_ttl": "0s",
  "only_passing": true,
  "allow_stale": true,
  "max_stale": "87600h"
 },
 "connect": {"enabled": false},
 "limits": {"http_max_conns_per_client": 500},
 "telemetry": {"prometheus_retention_time": "60s", "disable_hostname": true},
 "log_level": "INFO",
EOF
  if [ "$3" = server ]; then
    cat <<EOF
 "ui_config": {"enabled": true},
 "peering": {"enabled": false}
}
EOF
  else
    echo ' "ui_config": {"enabled": false}'
    echo '}'
  fi
}

consul_unit() {
  cat <<EOF
[Unit]
Description=Consul
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
User=consul
Group=consul
ExecStart=/opt/mooring/bin/consul-$consul_version agent -config-dir=/etc/consul.d
ExecReload=/bin/kill -HUP \$MAINPID
KillSignal=SIGINT
KillMode=process
Restart=always
RestartSec=1
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ReadWritePaths=/var/lib/consul
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes

[Install]
WantedBy=multi-user.target
EOF
}

nomad_start() { # ADDRESS GOSSIP_KEY: what one that is server and client reads at a start
  local join
  mapfile -t join < <(others "$1" "${servers[@]}")
  cat <<EOF
{
 "server": {
  "bootstrap_expect": ${#servers[@]},
  "encrypt": "$2",
  "server_join": {"retry_join": $(json_list "${join[@]}"), "retry_interval": "1s", "retry_max": 0}
 },
 "autopilot": {
  "cleanup_dead_servers": true,
  "last_contact_threshold": "200ms",
  "max_trailing_logs": 250,
  "server_stabilization_time": "10s",
  "min_quorum": ${#servers[@]}
 },
 "client": {
  "server_join": {"retry_join": $(json_list "${servers[@]}"), "retry_interval": "1s", "retry_max": 0}
 }
}
EOF
}

nomad_configuration() { # NAME ADDRESS CONSUL_TOKEN: what it is restarted for
  cat <<EOF
{
 "name": "$1",
 "region": "global",
 "datacenter": "$datacenter",
 "data_dir": "/var/lib/nomad",
 "bind_addr": "0.0.0.0",
 "advertise": {"http": "$2", "rpc": "$2", "serf": "$2"},
 "leave_on_terminate": true,
 "leave_on_interrupt": false,
 "disable_update_check": true,
 "acl": {"enabled": true},
 "tls": {
  "http": true,
  "rpc": true,
  "ca_file": "/etc/nomad.d/tls/ca.pem",
  "cert_file": "/etc/nomad.d/tls/agent.pem",
  "key_file": "/etc/nomad.d/tls/agent.key",
  "verify_server_hostname": true,
  "verify_https_client": false,
  "tls_min_version": "tls12"
 },
 "consul": {
  "address": "127.0.0.1:8501",
  "ssl": true,
  "verify_ssl": true,
  "ca_file": "/etc/nomad.d/tls/consul-ca.pem",
  "cert_file": "/etc/nomad.d/tls/consul.pem",
  "key_file": "/etc/nomad.d/tls/consul.key",
  "token": "$3",
  "auto_advertise": true,
  "checks_use_advertise": true,
  "server_auto_join": true,
  "client_auto_join": true,
  "allow_unauthenticated": true
 },
 "telemetry": {
  "prometheus_metrics": true,
  "publish_node_metrics": true,
  "publish_allocation_metrics": true,
  "disable_hostname": true
 },
 "limits": {"http_max_conns_per_client": 500, "rpc_max_conns_per_client": 100},
 "log_level": "INFO",
 "server": {
  "enabled": true,
  "raft_multiplier": 1,
  "min_heartbeat_ttl": "2s",
  "heartbeat_grace": "2s",
  "failover_heartbeat_ttl": "21s"
 },
 "client": {
  "enabled": true,
  "node_pool": "default",
  "cni_path": "/usr/lib/cni",
  "cgroup_parent": "/nomad-$1",
  "reserved": {"cpu": 200, "memory": 512, "disk": 1024},
  "memory_total_mb": 2048,
  "options": {"driver.allowlist": "docker"},
  "max_kill_timeout": "60s",
  "gc_interval": "1m",
  "host_network": [{"private": [{"cidr": "$network"}]}]
 },
 "plugin": [{"docker": [{"config": [{
  "allow_privileged": false,
  "allow_caps": ["chown", "dac_override", "fsetid", "fowner", "setgid", "setuid", "setpcap", "net_bind_service", "kill"],
  "allow_runtimes": ["runc"],
  "volumes": [{"enabled": false}],
  "pids_limit": 512,
  "pull_activity_timeout": "2m",
  "auth": [{"config": "/etc/nomad/docker-auth.json"}],
  "gc": [{"image": true, "image_delay": "24h", "container": true}],
  "extra_labels": ["job_name", "task_group_name", "task_name", "namespace", "node_name"]
 }]}]}]
}
EOF
}

nomad_unit() {
  cat <<EOF
[Unit]
Description=Nomad
Wants=network-online.target consul.service docker.service
After=network-online.target consul.service docker.service
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/opt/mooring/bin/nomad-$nomad_version agent -config=/etc/nomad.d
ExecStartPost=/bin/sh -c 'for _ in \$\$(seq 60); do if [ -d /var/lib/nomad/client ]; then curl --silent --max-time 1 --output /dev/null --cacert /etc/nomad.d/tls/ca.pem https://localhost:4646/v1/client/stats; fi; sleep 0.5; done &'
ExecReload=/bin/kill -HUP \$MAINPID
KillSignal=SIGINT
KillMode=process
Restart=always
RestartSec=1
TimeoutStopSec=20

[Install]
WantedBy=multi-user.target
EOF
}

registry_configuration() { # HTTP_SECRET
  cat <<EOF
{
 "version": "0.1",
 "log": {"level": "info"},
 "storage": {"filesystem": {"rootdirectory": "/var/lib/registry"}, "delete": {"enabled": true}},
 "http": {
  "addr": ":5000",
  "secret": "$1",
  "tls": {
   "certificate": "/etc/distribution/tls.pem",
   "key": "/etc/distribution/tls.key",
   "minimumtls": "tls1.2"
  },
  "draintimeout": "10s"
 },
 "auth": {"htpasswd": {"realm": "registry", "path": "/etc/distribution/accounts"}},
 "health": {"storagedriver": {"enabled": true, "interval": "10s", "threshold": 3}}
}
EOF
}

registry_unit() {
  cat <<EOF
[Unit]
Description=The stack's image registry
Wants=network-online.target
After=network-online.target docker.service
Requires=docker.service
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStartPre=-/usr/bin/docker rm --force mooring-registry
ExecStart=/usr/bin/docker run --rm --name mooring-registry --network host --pull never --read-only --tmpfs /tmp \\
  --cap-drop ALL --security-opt no-new-privileges --log-driver none \\
  --volume mooring-registry:/var/lib/registry --volume /etc/mooring/registry:/etc/distribution:ro $registry_image
ExecStop=/usr/bin/docker stop --time 15 mooring-registry
Restart=always
RestartSec=1
TimeoutStopSec=30

[Install]
WantedBy=multi-user.target
EOF
}

proxy_configuration() {
  local each place=0
  cat <<'EOF'
global
  log stdout format raw local0
  user haproxy
  group haproxy
  hard-stop-after 60s

defaults
  mode tcp
  log global
  option tcplog
  option dontlog-normal
  timeout connect 1s
  timeout check 2s
  # An engine may be busy for minutes between two pieces of a layer.
  timeout client 10m
  timeout server 10m
  retries 3
  option redispatch 1
  # Serving means: a certificate of the stack's own authority, and no answer without the password.
  default-server check check-ssl verify required ca-file /etc/mooring/registry-proxy/ca.pem inter 1s fastinter 500ms fall 2 rise 1 on-marked-down shutdown-sessions

frontend nearby
  bind 169.254.20.20:5001
  bind 127.0.0.1:5001
  default_backend registries

backend registries
  # Not `backup`, to which a connection that failed is not sent while the first still counts as up.
  balance first
  # A push is many connections, and all of it must arrive in one place: an engine stays with the registry that it began
  # with, also when an earlier one comes back, until it has rested for a while.
  stick-table type ip size 1k expire 30s
  stick on src
  option httpchk GET /v2/
  http-check expect status 401
EOF
  for each in "${registries[@]}"; do printf '  server registry-%s %s:5000\n' $((++place)) "$each"; done
}

proxy_unit() {
  cat <<'EOF'
[Unit]
Description=The way to whichever image registry of the stack answers
Wants=network-online.target
After=network-online.target
Before=docker.service nomad.service
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStartPre=/usr/sbin/ip address replace 169.254.20.20/32 dev lo
ExecStartPre=/usr/sbin/haproxy -c -q -f /etc/mooring/registry-proxy/haproxy.cfg
ExecStart=/usr/sbin/haproxy -Ws -f /etc/mooring/registry-proxy/haproxy.cfg
ExecReload=/usr/sbin/haproxy -c -q -f /etc/mooring/registry-proxy/haproxy.cfg
ExecReload=/bin/kill -USR2 $MAINPID
KillMode=mixed
SuccessExitStatus=143
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
EOF
}

registry_credentials() { # PASSWORD
  printf '{"auths": {"%s": {"auth": "%s"}}}\n' "$nearby" "$(printf 'mooring:%s' "$1" | base64 --wrap 0)"
}

hello_job() { # IMAGE
  cat <<EOF
{
 "ID": "hello",
 "Name": "hello",
 "Type": "service",
 "Namespace": "default",
 "Priority": 50,
 "Stop": false,
 "Datacenters": ["$datacenter"],
 "Meta": {"mooring.stack": "plain/bring-up"},
 "TaskGroups": [
  {
   "Name": "hello",
   "Count": 3,
   "Meta": {"health": "/healthz"},
   "Spreads": [{"Attribute": "\${node.unique.id}", "Weight": 100}],
   "Networks": [{"Mode": "host", "DynamicPorts": [{"Label": "http", "To": 8080}]}],
   "Services": [
    {
     "Name": "hello",
     "Provider": "consul",
     "PortLabel": "http",
     "Checks": [
      {
       "Name": "hello answers",
       "Type": "http",
       "Path": "/healthz",
       "Interval": 1000000000,
       "Timeout": 1000000000,
       "CheckRestart": {"Limit": 4, "Grace": 10000000000, "IgnoreWarnings": false}
      }
     ]
    }
   ],
   "Update": {
    "MaxParallel": 1,
    "Canary": 1,
    "AutoPromote": true,
    "AutoRevert": true,
    "HealthCheck": "checks",
    "MinHealthyTime": 2000000000,
    "HealthyDeadline": 90000000000,
    "ProgressDeadline": 0
   },
   "RestartPolicy": {"Attempts": 10, "Interval": 300000000000, "Delay": 0, "Mode": "fail"},
   "ReschedulePolicy": {
    "Attempts": 0,
    "Interval": 0,
    "Delay": 5000000000,
    "DelayFunction": "exponential",
    "MaxDelay": 60000000000,
    "Unlimited": true
   },
   "Migrate": {
    "MaxParallel": 1,
    "HealthCheck": "checks",
    "MinHealthyTime": 2000000000,
    "HealthyDeadline": 90000000000
   },
   "ShutdownDelay": 5000000000,
   "Tasks": [
    {
     "Name": "hello",
     "Driver": "docker",
     "User": "65534",
     "Config": {
      "image": "$1",
      "ports": ["http"],
      "cap_drop": ["all"],
      "security_opt": ["no-new-privileges"],
      "readonly_rootfs": true
     },
     "Env": {"PORT": "8080"},
     "Resources": {"CPU": 100, "MemoryMB": 128},
     "KillSignal": "SIGTERM",
     "KillTimeout": 20000000000
    }
   ]
  }
 ]
}
EOF
}

haproxy_configuration() {
  cat <<'EOF'
global
  master-worker
  # A process that takes over at a reload knows at once what the one before it knew.
  server-state-file /var/lib/mooring-haproxy/servers
  lua-load /etc/mooring/haproxy/wait.lua
  log stdout format raw local0
  hard-stop-after 60s
  stats socket /run/mooring-haproxy.sock mode 600 level admin expose-fd listeners

defaults
  mode http
  log global
  option httplog
  option dontlog-normal
  load-server-state-from-file global
  timeout connect 500ms
  timeout client 30s
  timeout server 10s
  timeout queue 2s
  timeout http-request 5s
  # A request that an instance never got may go to another one, at once and not only at the last try.
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response response-timeout 0rtt-rejected
  timeout check 1s
  # Consul learns of a dead node after 5 s of gossip at the soonest; these checks take it out before.
  default-server check inter 1s fastinter 500ms downinter 1s fall 2 rise 1 observe layer7 error-limit 3 on-error mark-down on-marked-down shutdown-sessions

resolvers consul
  # Over TCP, where no answer is cut short however many instances there are.
  nameserver agent tcp@127.0.0.1:8600
  accepted_payload_size 8192
  timeout resolve 500ms
  timeout retry 500ms
  resolve_retries 3
  hold valid 500ms
  hold obsolete 2s
  # No instance passes: a mistake of the checks' own, or true; the balancer's own checks tell.
  hold nx 10m
  # While Consul cannot answer, what was last known goes on serving.
  hold refused 7d
  hold timeout 7d
  hold other 7d

frontend alive
  # For whoever asks whether this balancer works; apps and Consul do not matter to it.
  bind 127.0.0.1:8405
  monitor-uri /

frontend http
  bind :80
  use_backend hello if { path_beg / }

backend hello
  balance leastconn
  option httpchk GET /healthz
  http-request disable-l7-retry if METH_POST
  http-request lua.wait_for_instance hello if { nbsrv(hello) lt 1 }
  server-template hello 20 _hello._tcp.service.consul resolvers consul resolve-prefer ipv4 resolve-opts allow-dup-ip init-addr last,none
EOF
}

haproxy_wait() {
  cat <<'EOF'
-- A request that finds no instance waits for one. Where Consul was away on every host, each agent begins its
-- checks anew as failing, and for a second no instance is named; a balancer that was just started knows none yet.
core.register_action("wait_for_instance", { "http-req" }, function(txn, backend)
  for _ = 1, 30 do
    if txn.sf:nbsrv(backend) > 0 then
      return
    end
    core.msleep(100)
  end
end, 1)
EOF
}

haproxy_unit() {
  cat <<'EOF'
[Unit]
Description=HAProxy in front of the stack's apps
After=network-online.target consul.service
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
# Of whatever ran here before: by now an address in it may be another app's.
ExecStartPre=/bin/rm -f /var/lib/mooring-haproxy/servers
ExecStartPre=/usr/sbin/haproxy -c -q -f /etc/mooring/haproxy/haproxy.cfg
ExecStart=/usr/sbin/haproxy -Ws -f /etc/mooring/haproxy/haproxy.cfg
ExecReload=/usr/sbin/haproxy -c -q -f /etc/mooring/haproxy/haproxy.cfg
ExecReload=/bin/sh -c 'echo show servers state | socat -t 5 - UNIX-CONNECT:/run/mooring-haproxy.sock > /var/lib/mooring-haproxy/servers'
ExecReload=/bin/kill -USR2 $MAINPID
KillMode=mixed
SuccessExitStatus=143
StateDirectory=mooring-haproxy
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
EOF
}

vrrp_configuration() { # NAME ADDRESS PRIORITY: of keepalived
  cat <<EOF
global_defs {
  router_id $1
  vrrp_version 3
  # Before whatever else the host does: an announcement that comes late has another take the address.
  vrrp_priority -20
  enable_script_security
  script_user nobody
}

vrrp_script balancer {
  script "/usr/bin/curl --silent --fail --max-time 1 --output /dev/null http://127.0.0.1:8405/"
  interval 1
  timeout 1
  fall 2
  rise 1
}

vrrp_instance address {
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id 51
  priority $3
  advert_int 0.2
  check_unicast_src
  unicast_src_ip $2
  unicast_peer {
$(others "$2" "${edges[@]}" | sed 's/^/    /')
  }
  # Said again now and then: whoever missed it would go on asking the one who died.
  garp_master_refresh 10
  virtual_ipaddress {
    $floating/${network#*/} dev eth0
  }
  track_script {
    balancer
  }
}
EOF
}

vrrp_unit() {
  cat <<'EOF'
[Unit]
Description=The address of the stack's load balancers, held by one that works
Wants=network-online.target
After=network-online.target mooring-haproxy.service
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/usr/sbin/keepalived --dont-fork --vrrp --log-console --use-file=/etc/mooring/vrrp/keepalived.conf
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
EOF
}

door_configuration() {
  cat <<EOF
global
  maxconn 1000

defaults
  mode tcp
  timeout connect 300ms
  timeout client 1h
  timeout server 1h
  retries 15

listen door
  bind :8080
  server floating $floating:80
EOF
}
