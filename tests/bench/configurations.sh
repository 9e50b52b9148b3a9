# shellcheck shell=bash disable=SC2154 # the variables are the caller's
# What bring_up.sh puts on the hosts, written out: the same keys and values as the components render. Sourced, not run.
# test_configurations.py holds both sides together.
#
# Takes from its caller: servers (addresses, in order), datacenter, network, registry, consul_version, nomad_version.

json_list() { # VALUE...: ["a", "b"]
  local quoted
  printf -v quoted '"%s", ' "$@"
  printf '[%s]' "${quoted%, }"
}

others() { # ADDRESS: the servers but this one
  local each
  for each in "${servers[@]}"; do
    [ "$each" = "$1" ] || printf '%s\n' "$each"
  done
}

consul_configuration() { # NAME ADDRESS server|client GOSSIP_KEY AGENT_TOKEN MANAGEMENT_TOKEN|- DNS_TOKEN|-
  local join tokens="\"agent\": \"$5\""
  mapfile -t join < <(others "$2")
  [ "$6" = - ] || tokens+=", \"initial_management\": \"$6\""
  [ "$7" = - ] || tokens+=", \"default\": \"$7\""
  cat <<EOF
{
 "server": $([ "$3" = server ] && echo true || echo false),
 "node_name": "$1",
 "datacenter": "$datacenter",
 "data_dir": "/var/lib/consul",
 "bind_addr": "$2",
 "advertise_addr": "$2",
 "client_addr": "127.0.0.1",
 "retry_join": $(json_list "${join[@]}"),
 "retry_interval": "1s",
 "retry_max": 0,
 "encrypt": "$4",
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
  "tokens": {$tokens}
 },
 "performance": {"raft_multiplier": 1, "rpc_hold_timeout": "7s", "leave_drain_time": "5s"},
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
 "bootstrap_expect": ${#servers[@]},
 "autopilot": {
  "cleanup_dead_servers": true,
  "last_contact_threshold": "200ms",
  "max_trailing_logs": 250,
  "server_stabilization_time": "10s",
  "min_quorum": ${#servers[@]}
 },
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

nomad_configuration() { # NAME ADDRESS GOSSIP_KEY CONSUL_TOKEN: one that is server and client
  local join
  mapfile -t join < <(others "$2")
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
  "token": "$4",
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
  "bootstrap_expect": ${#servers[@]},
  "encrypt": "$3",
  "raft_multiplier": 1,
  "server_join": {"retry_join": $(json_list "${join[@]}"), "retry_interval": "1s", "retry_max": 0},
  "min_heartbeat_ttl": "2s",
  "heartbeat_grace": "2s",
  "failover_heartbeat_ttl": "21s"
 },
 "autopilot": {
  "cleanup_dead_servers": true,
  "last_contact_threshold": "200ms",
  "max_trailing_logs": 250,
  "server_stabilization_time": "10s",
  "min_quorum": ${#servers[@]}
 },
 "client": {
  "enabled": true,
  "node_pool": "default",
  "cni_path": "/usr/lib/cni",
  "cgroup_parent": "/nomad-$1",
  "server_join": {"retry_join": $(json_list "${servers[@]}"), "retry_interval": "1s", "retry_max": 0},
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
 "auth": {"htpasswd": {"realm": "registry", "path": "/etc/distribution/htpasswd"}},
 "health": {"storagedriver": {"enabled": true, "interval": "10s", "threshold": 3}}
}
EOF
}

registry_credentials() { # PASSWORD
  printf '{"auths": {"%s": {"auth": "%s"}}}\n' "$registry" "$(printf 'mooring:%s' "$1" | base64 --wrap 0)"
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
