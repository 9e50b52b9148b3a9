"""The platform, in the order it comes up."""

import pulumi

from components.app import App
from components.authority import Authority
from components.consul import ConsulCluster
from components.hosts import Hosts, Role
from components.image import Image
from components.load_balancer import LoadBalancer
from components.network import Network
from components.nomad import NomadCluster
from components.overview import overview
from components.registry import Registry
from components.timings import timings
from infra.preflight import preflight
from infra.settings import Settings

settings = Settings.from_stack()
preflight(settings)

network = Network("platform", cidr=settings.network, groups=settings.groups, port=settings.port)
hosts = Hosts("hosts", groups=settings.groups, network=network.access)
authority = Authority("authority", issue=settings.issue)
pace = timings(hosts.having(Role.SERVER), clients=len(hosts.having(Role.CLIENT)), profile=settings.timings)

consul = ConsulCluster(
    "consul",
    hosts=hosts.every,
    authority=authority.consul,
    datacenter=settings.datacenter,
    version=settings.consul_version,
    gossip_keys=settings.gossip_keys,
    tokens=settings.tokens,
    timings=pace,
    goes_with=hosts.goes_with,
    drillable=settings.drillable,
)
nomad = NomadCluster(
    "nomad",
    hosts=hosts.every,
    authority=authority.nomad,
    datacenter=settings.datacenter,
    version=settings.nomad_version,
    gossip_keys=settings.gossip_keys,
    tokens=settings.tokens,
    timings=pace,
    network=settings.network,
    consul=consul.access,
    goes_with=hosts.goes_with,
    drillable=settings.drillable,
)
registry = Registry(
    "registry",
    on=hosts.having(Role.REGISTRY),
    builder=hosts.builder,
    hosts=hosts.every,
    authority=authority.registry,
    identity=hosts.identity,
    external=settings.external_registry,
    password_number=settings.password_number,
)

hello = Image("hello", context="../apps/hello", base=settings.base_image, registry=registry.access)
web = App("hello", image=hello.reference, on=nomad.access, port=8080, health="/healthz")
edge = LoadBalancer(
    "edge",
    hosts=hosts.having(Role.EDGE),
    network=network.access,
    consul=consul.access,
    routes={"/": web.service},
    timings=pace,
)

pulumi.export("url", edge.url)
pulumi.export(
    "overview", overview(hosts=hosts.every, consul=consul.access, nomad=nomad.access, registry=registry.access)
)
