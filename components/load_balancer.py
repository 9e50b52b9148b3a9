"""The load balancers: one address, held by whichever serves, in front of every healthy instance that Consul knows."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import pulumi

from components.access import ConsulAccess
from components.hosts import Host, HostNetwork
from components.timings import Timings, text
from mooring.kinds.agent import Agent
from mooring.kinds.page import Page

HTTP_PORT = 80
ADMIN_SOCKET = "/run/mooring-haproxy.sock"
CONFIGURATION = "/etc/mooring/haproxy/haproxy.cfg"
WAITING = "/etc/mooring/haproxy/wait.lua"
STATE = "/var/lib/mooring-haproxy"
SERVERS = f"{STATE}/servers"
ALIVE_PORT = 8405
VRRP_CONFIGURATION = "/etc/mooring/vrrp/keepalived.conf"
HIGHEST_PRIORITY = 150
"""VRRP's are 1 to 254; among equals the higher one wins."""

DEVICE = "eth0"
"""Of local nodes and virtual machines alike."""

CONSUL_DNS = "127.0.0.1:8600"
MOST_INSTANCES = 20
"""Places kept for the instances of one app; Consul's answer fills as many as there are."""


class Service(Protocol):
    """An app, as far as a balancer cares."""

    @property
    def name(self) -> str:
        """In Consul."""
        ...

    @property
    def health(self) -> str:
        """The path that answers 200 while an instance may be sent requests."""
        ...

    @property
    def job(self) -> pulumi.Resource:
        """There once the app is healthy."""
        ...


class LoadBalancer(pulumi.ComponentResource):
    """Runs on every edge host; `url` exists once the first route's page answers.

    Where the network has a floating address, a host whose balancer works holds it, and another takes it when that one
    dies.
    """

    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        hosts: Sequence[Host],
        network: HostNetwork,
        consul: ConsulAccess,
        routes: Mapping[str, Service],
        timings: Timings,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:load_balancer:LoadBalancer", name, None, opts)
        if problems := list(route_problems(routes)):
            raise ValueError(f"LoadBalancer {name}: {'; '.join(problems)}")
        said = configuration({path: (service.name, service.health) for path, service in routes.items()}, timings)
        # Not before Consul knows the token by which it answers for names: an agent keeps its refusals for a while.
        rendered = pulumi.Output.all(said, consul.status["addresses"]).apply(lambda known: str(known[0]))
        agents = [
            Agent(
                f"{name}-{host.name}",
                connection=host.connection,
                service="mooring-haproxy",
                files={CONFIGURATION: {"content": rendered}, WAITING: {"content": WAIT}},
                unit=UNIT,
                reload_on=(CONFIGURATION, WAITING),
                listens=HTTP_PORT,
                leftovers=() if host.goes_with else (f"rm -rf -- {ADMIN_SOCKET} {STATE}",),
                opts=pulumi.ResourceOptions(parent=self, deleted_with=host.machine or host.goes_with),
            )
            for host in hosts
        ]
        first = hosts[0]
        address = first.address if first.front is None else first.front
        if network.floating is not None:
            agents += [
                self._holder(name, host, hosts, network, timings, after=balancer)
                for host, balancer in zip(hosts, agents, strict=True)
            ]
            address = pulumi.Output.from_input(network.floating)
        if network.door is not None:
            address = network.door
        page = Page(
            f"{name}-page",
            url=address.apply(lambda place: f"http://{place}{next(iter(routes))}"),
            # The balancer comes up beside the apps; its page is asked for when they are there.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*agents, *(s.job for s in routes.values())]),
        )
        self.url = page.url
        self.register_outputs({"url": self.url})

    def _holder(
        self, name: str, host: Host, hosts: Sequence[Host], network: HostNetwork, timings: Timings, *, after: Agent
    ) -> Agent:
        """What holds the floating address on `host`, or stands by to take it."""
        known = pulumi.Output.all(host.address, *(other.address for other in hosts if other is not host))
        told = known.apply(
            lambda addresses: vrrp_configuration(
                name=host.name,
                address=addresses[0],
                others=addresses[1:],
                floating=f"{network.floating}/{network.cidr.prefixlen}",
                priority=HIGHEST_PRIORITY - list(hosts).index(host),
                timings=timings,
            )
        )
        return Agent(
            f"{name}-address-{host.name}",
            connection=host.connection,
            service="mooring-address",
            files={VRRP_CONFIGURATION: {"content": told}},
            unit=VRRP_UNIT,
            reload_on=(VRRP_CONFIGURATION,),
            # It has no port of its own; and an address with no balancer behind it is worth nothing.
            listens=HTTP_PORT,
            # It is up with the balancer's port, and to ask for that from the start keeps a slow host busy for minutes.
            opts=pulumi.ResourceOptions(parent=self, deleted_with=host.goes_with, depends_on=[after]),
        )


def route_problems(routes: Mapping[str, Service]) -> Iterator[str]:
    if not routes:
        yield "routes must name at least one path"
    for path in routes:
        if not re.fullmatch(r"/[A-Za-z0-9._~/-]*", path):
            yield f"route {path!r} must be a path that starts with a slash"


def configuration(routes: Mapping[str, tuple[str, str]], timings: Timings) -> str:
    """HAProxy's configuration for path prefixes that lead to (service, health path); the longest prefix wins."""
    lines = [_global(timings), _frontend(routes)]
    lines += [_backend(service, health) for service, health in sorted(set(routes.values()))]
    return "\n".join(lines)


def _frontend(routes: Mapping[str, tuple[str, str]]) -> str:
    longest_first = sorted(routes, key=len, reverse=True)
    rules = [f"  use_backend {routes[path][0]} if {{ path_beg {path} }}" for path in longest_first]
    return "\n".join(["frontend http", f"  bind :{HTTP_PORT}", *rules]) + "\n"


def _backend(service: str, health: str) -> str:
    return f"""backend {service}
  balance leastconn
  option httpchk GET {health}
  http-request disable-l7-retry if METH_POST
  http-request lua.wait_for_instance {service} if {{ nbsrv({service}) lt 1 }}
  server-template {service} {MOST_INSTANCES} _{service}._tcp.service.consul resolvers consul resolve-prefer ipv4 \
resolve-opts allow-dup-ip init-addr last,none
"""


def _global(timings: Timings) -> str:
    check, resolve = text(timings.balancer_check), text(timings.resolve)
    return f"""global
  master-worker
  # A process that takes over at a reload knows at once what the one before it knew.
  server-state-file {SERVERS}
  lua-load {WAITING}
  log stdout format raw local0
  hard-stop-after 60s
  stats socket {ADMIN_SOCKET} mode 600 level admin expose-fd listeners

defaults
  mode http
  log global
  option httplog
  option dontlog-normal
  load-server-state-from-file global
  timeout connect {text(timings.connect)}
  timeout client 30s
  timeout server 10s
  timeout queue 2s
  timeout http-request 5s
  # A request that an instance never got may go to another one, at once and not only at the last try.
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response response-timeout 0rtt-rejected
  timeout check {text(timings.check_timeout)}
  # Consul learns of a dead node after 5 s of gossip at the soonest; these checks take it out before.
  default-server check inter {check} fastinter {text(timings.balancer_check / 2)} downinter {check} \
fall {timings.balancer_failures} rise 1 observe layer7 error-limit 3 \
on-error mark-down on-marked-down shutdown-sessions

resolvers consul
  # Over TCP, where no answer is cut short however many instances there are.
  nameserver agent tcp@{CONSUL_DNS}
  accepted_payload_size 8192
  timeout resolve {resolve}
  timeout retry {resolve}
  resolve_retries 3
  hold valid {resolve}
  hold obsolete {text(timings.remembered)}
  # No instance passes: a mistake of the checks' own, or true; the balancer's own checks tell.
  hold nx 10m
  # While Consul cannot answer, what was last known goes on serving.
  hold refused 7d
  hold timeout 7d
  hold other 7d

frontend alive
  # For whoever asks whether this balancer works; apps and Consul do not matter to it.
  bind 127.0.0.1:{ALIVE_PORT}
  monitor-uri /
"""


WAIT = """-- A request that finds no instance waits for one. Where Consul was away on every host, each agent begins its
-- checks anew as failing, and for a second no instance is named; a balancer that was just started knows none yet.
core.register_action("wait_for_instance", { "http-req" }, function(txn, backend)
  for _ = 1, 30 do
    if txn.sf:nbsrv(backend) > 0 then
      return
    end
    core.msleep(100)
  end
end, 1)
"""
"""For up to 3 s. HAProxy's own language has no way to wait: a backend without a server refuses at once."""

UNIT = f"""[Unit]
Description=HAProxy in front of the stack's apps
After=network-online.target consul.service
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
# Of whatever ran here before: by now an address in it may be another app's.
ExecStartPre=/bin/rm -f {SERVERS}
ExecStartPre=/usr/sbin/haproxy -c -q -f {CONFIGURATION}
ExecStart=/usr/sbin/haproxy -Ws -f {CONFIGURATION}
ExecReload=/usr/sbin/haproxy -c -q -f {CONFIGURATION}
ExecReload=/bin/sh -c 'echo show servers state | socat -t 5 - UNIX-CONNECT:{ADMIN_SOCKET} > {SERVERS}'
ExecReload=/bin/kill -USR2 $MAINPID
KillMode=mixed
SuccessExitStatus=143
StateDirectory=mooring-haproxy
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


def vrrp_configuration(
    *, name: str, address: str, others: Sequence[str], floating: str, priority: int, timings: Timings
) -> str:
    """Keepalived's configuration of one host.

    Who has the address keeps it when another comes back (`nopreempt`): each change costs the connections that are open.
    Announcements go to the other hosts alone, and are taken from them alone.
    """
    peers = "".join(f"    {other}\n" for other in others)
    unicast = f"  unicast_peer {{\n{peers}  }}\n" if others else ""
    return f"""global_defs {{
  router_id {name}
  vrrp_version 3
  # Before whatever else the host does: an announcement that comes late has another take the address.
  vrrp_priority -20
  enable_script_security
  script_user nobody
}}

vrrp_script balancer {{
  script "/usr/bin/curl --silent --fail --max-time 1 --output /dev/null http://127.0.0.1:{ALIVE_PORT}/"
  interval {timings.check_interval}
  timeout {timings.check_timeout}
  fall 2
  rise 1
}}

vrrp_instance address {{
  state BACKUP
  nopreempt
  interface {DEVICE}
  virtual_router_id 51
  priority {priority}
  advert_int {timings.advertise:g}
  check_unicast_src
  unicast_src_ip {address}
{unicast}  # Said again now and then: whoever missed it would go on asking the one who died.
  garp_master_refresh 10
  virtual_ipaddress {{
    {floating} dev {DEVICE}
  }}
  track_script {{
    balancer
  }}
}}
"""


VRRP_UNIT = f"""[Unit]
Description=The address of the stack's load balancers, held by one that works
Wants=network-online.target
After=network-online.target mooring-haproxy.service
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/usr/sbin/keepalived --dont-fork --vrrp --log-console --use-file={VRRP_CONFIGURATION}
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""
