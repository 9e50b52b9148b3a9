"""The load balancer: one address in front of every healthy instance, found through Consul."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import pulumi

from components.hosts import Host
from components.timings import Timings, text
from mooring.kinds.agent import Agent
from mooring.kinds.page import Page

HTTP_PORT = 80
CONFIGURATION = "/etc/mooring/haproxy/haproxy.cfg"
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
    """Runs on every edge host; `url` exists once the first route's page answers."""

    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        hosts: Sequence[Host],
        routes: Mapping[str, Service],
        timings: Timings,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:load_balancer:LoadBalancer", name, None, opts)
        if problems := list(route_problems(routes)):
            raise ValueError(f"LoadBalancer {name}: {'; '.join(problems)}")
        rendered = configuration({path: (service.name, service.health) for path, service in routes.items()}, timings)
        agents = [
            Agent(
                f"{name}-{host.name}",
                connection=host.connection,
                service="mooring-haproxy",
                files={CONFIGURATION: {"content": rendered}},
                unit=UNIT,
                reload_on=(CONFIGURATION,),
                listens=HTTP_PORT,
                opts=pulumi.ResourceOptions(parent=self, deleted_with=host.goes_with),
            )
            for host in hosts
        ]
        address = hosts[0].published if hosts[0].published is not None else hosts[0].address
        page = Page(
            f"{name}-page",
            url=address.apply(lambda place: f"http://{place}{next(iter(routes))}"),
            # The balancer comes up beside the apps; its page is asked for when they are there.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*agents, *(s.job for s in routes.values())]),
        )
        self.url = page.url
        self.register_outputs({"url": self.url})


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
  server-template {service} {MOST_INSTANCES} _{service}._tcp.service.consul resolvers consul resolve-prefer ipv4 \
resolve-opts allow-dup-ip init-addr none
"""


def _global(timings: Timings) -> str:
    check, resolve = text(timings.balancer_check), text(timings.resolve)
    return f"""global
  master-worker
  log stdout format raw local0
  hard-stop-after 60s
  stats socket /run/mooring-haproxy.sock mode 600 level admin expose-fd listeners

defaults
  mode http
  log global
  option httplog
  option dontlog-normal
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
  # While Consul cannot answer, what was last known goes on serving.
  hold nx 10m
  hold refused 10m
  hold timeout 10m
  hold other 10m
"""


UNIT = f"""[Unit]
Description=HAProxy in front of the stack's apps
After=network-online.target consul.service
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStartPre=/usr/sbin/haproxy -c -q -f {CONFIGURATION}
ExecStart=/usr/sbin/haproxy -Ws -f {CONFIGURATION}
ExecReload=/usr/sbin/haproxy -c -q -f {CONFIGURATION}
ExecReload=/bin/kill -USR2 $MAINPID
KillMode=mixed
SuccessExitStatus=143
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""
