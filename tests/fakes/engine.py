"""Pulumi's engine, as far as a program sees it: it takes declarations down and answers with outputs.

Every output that is secret from birth has a text of its own, so that wherever that text turns up in the open somebody
has told a secret.
"""

import asyncio
import base64
import contextlib
import contextvars
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast
from zlib import crc32

import pulumi
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import config, settings, stack
from pulumi.runtime.proto import engine_pb2, resource_pb2

from mooring.kinds.kind import REGISTERED
from mooring.plugin.wire import is_list, is_mapping, is_secret, marked, secret, with_secrets

T = TypeVar("T")

STACK: Final = "pulumi:pulumi:Stack"
DOCKER: Final = "pulumi:providers:docker"

OUTPUTS: Final[Mapping[str, tuple[str, ...]]] = {
    "aws:ec2/eip:Eip": ("allocationId", "publicIp"),
    "aws:ec2/eipAssociation:EipAssociation": (),
    "aws:ec2/instance:Instance": ("publicIp",),
    "aws:ec2/internetGateway:InternetGateway": (),
    "aws:ec2/placementGroup:PlacementGroup": (),
    "aws:ec2/routeTable:RouteTable": (),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": (),
    "aws:ec2/securityGroup:SecurityGroup": (),
    "aws:ec2/subnet:Subnet": (),
    "aws:ec2/vpc:Vpc": (),
    "aws:lb/listener:Listener": (),
    "aws:lb/loadBalancer:LoadBalancer": ("arn", "dnsName"),
    "aws:lb/targetGroup:TargetGroup": ("arn",),
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": (),
    "digitalocean:index/droplet:Droplet": ("ipv4Address", "ipv4AddressPrivate"),
    "digitalocean:index/firewall:Firewall": (),
    "digitalocean:index/loadBalancer:LoadBalancer": ("ip",),
    "digitalocean:index/reservedIp:ReservedIp": ("ipAddress",),
    "digitalocean:index/reservedIpAssignment:ReservedIpAssignment": (),
    "digitalocean:index/sshKey:SshKey": (),
    "digitalocean:index/tag:Tag": (),
    "digitalocean:index/vpc:Vpc": (),
    "docker:index/container:Container": (),
    "docker:index/image:Image": ("repoDigest",),
    "docker:index/network:Network": (),
    "docker:index/volume:Volume": (),
    "hcloud:index/firewall:Firewall": (),
    "hcloud:index/floatingIp:FloatingIp": ("ipAddress",),
    "hcloud:index/floatingIpAssignment:FloatingIpAssignment": (),
    "hcloud:index/loadBalancer:LoadBalancer": ("ipv4",),
    "hcloud:index/loadBalancerNetwork:LoadBalancerNetwork": (),
    "hcloud:index/loadBalancerService:LoadBalancerService": (),
    "hcloud:index/loadBalancerTarget:LoadBalancerTarget": (),
    "hcloud:index/network:Network": (),
    "hcloud:index/networkSubnet:NetworkSubnet": (),
    "hcloud:index/placementGroup:PlacementGroup": (),
    "hcloud:index/server:Server": ("ipv4Address",),
    "hcloud:index/sshKey:SshKey": (),
    "mooring:consul:AclPolicy": ("policy_id",),
    "mooring:consul:AclToken": (),
    "mooring:consul:Cluster": (),
    "mooring:consul:Credentials": ("management", "successors"),
    "mooring:host:Agent": (),
    "mooring:host:Files": (),
    "mooring:host:Host": ("state", "machine_id", "distribution", "architecture", "cpus", "memory_mib"),
    "mooring:host:Image": ("image_id",),
    "mooring:host:Release": (),
    "mooring:host:Units": (),
    "mooring:http:Page": (),
    "mooring:local:ControlGroup": (),
    "mooring:nomad:AclPolicy": (),
    "mooring:nomad:AclToken": ("secret_id",),
    "mooring:nomad:Cluster": (),
    "mooring:nomad:Credentials": ("management",),
    "mooring:nomad:Job": ("modify_index", "version"),
    "mooring:nomad:Run": ("version", "completed"),
    "mooring:nomad:Variable": ("modify_index",),
    "mooring:pki:Authority": ("certificate_pem", "private_key_pem", "not_after"),
    "mooring:pki:Certificate": ("certificate_pem", "private_key_pem", "not_after"),
    "mooring:random:Bytes": ("value",),
    "mooring:random:Password": ("value", "bcrypt"),
    "mooring:random:Uuid": ("value",),
    "mooring:registry:Account": (),
    "mooring:registry:Copies": (),
    "mooring:ssh:Identity": ("key_file", "known_hosts_file"),
    "mooring:ssh:KeyPair": ("private_key", "public_key"),
    "mooring:vm:File": ("path", "format"),
    "mooring:vm:Machine": ("uuid", "mac", "console"),
    "mooring:vm:Network": (),
    "mooring:vm:Pool": (),
    DOCKER: (),
}
"""What each type adds to its inputs once it exists. A type that is not here was never heard of."""

NONE_YET: Final = frozenset({("mooring:consul:Credentials", "successors")})
"""Outputs that are an empty table until something is exchanged."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One resource, as the program declared it."""

    urn: str
    type: str
    name: str
    custom: bool
    parent: str
    inputs: dict[str, Any]
    """With secrets still wrapped."""

    depends_on: frozenset[str]
    """Everything that must exist first, whether the program said so or an input tells."""

    deleted_with: str
    provider: str
    ignore_changes: tuple[str, ...]
    import_id: str
    secret_outputs: tuple[str, ...] = ()
    """What the program says is secret although its kind does not."""

    deleted_before_replaced: bool = False


@dataclass
class Engine:
    """Runs a program to its end. What it was not taught raises, inside the program."""

    project: str = "mooring"
    stack: str = "dev"
    config: Mapping[str, str] = field(default_factory=dict[str, str])
    preview: bool = False
    """Whether nothing is made, and so nothing is known but what the program itself says."""

    declared: dict[str, Declared] = field(default_factory=dict[str, Declared])
    twice: list[str] = field(default_factory=list[str])
    """URNs that were declared more than once."""

    outputs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """What components and the stack handed out, by URN, with secrets still wrapped."""

    counted: dict[str, str] = field(default_factory=dict[str, str])
    """The ids of what a provider counts, by URN."""

    secrets: set[str] = field(default_factory=set[str])
    """The texts that must never be told in the open."""

    def __post_init__(self) -> None:
        # Pulumi keeps its settings in context variables: in a context of its own a run leaves nothing behind.
        self._context = contextvars.copy_context()
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        self._loop.close()

    def run(self, program: Callable[[], T]) -> T:
        """Run `program` until everything that it set off has ended, and return what it returned."""
        return self._context.run(self._run, program)

    def _run(self, program: Callable[[], T]) -> T:
        settings.configure(
            settings.Settings(self.project, self.stack, monitor=_Monitor(self), engine=_Log(), dry_run=self.preview)
        )
        settings.ROOT.set(None)
        config.set_all_config(dict(self.config), [])
        returned: list[T] = []

        def run() -> None:
            returned.append(program())

        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(stack.run_in_stack(run))
        finally:
            asyncio.set_event_loop(None)
        return returned[0]

    def names(self, type_: str) -> list[str]:
        return sorted(found.name for found in self.of(type_))

    def of(self, type_: str) -> list[Declared]:
        return [found for found in self.declared.values() if found.type == type_]

    def one(self, type_: str, name: str) -> Declared:
        (found,) = (found for found in self.of(type_) if found.name == name)
        return found

    def behind(self, output: pulumi.Output[Any]) -> set[str]:
        """The names of everything that must exist before `output` does."""
        resources = self._waited(output.resources())
        urns = {self._waited(resource.urn.future()) for resource in resources}
        return {found.name for urn in urns for found in [self.declared[str(urn)], *self.before(str(urn))]}

    def value(self, output: pulumi.Output[T]) -> T:
        return cast("T", self._waited(output.future()))

    def is_secret(self, output: pulumi.Output[Any]) -> bool:
        return bool(self._waited(output.is_secret()))

    def _waited(self, wanted: Any) -> Any:
        async def wait() -> Any:
            return await wanted

        return self._context.run(self._loop.run_until_complete, wait())

    def before(self, urn: str) -> list[Declared]:
        """Everything that must exist before the resource may."""
        found: dict[str, Declared] = {}
        waiting = [urn]
        while waiting:
            new = self.declared[waiting.pop()].depends_on - found.keys()
            found |= {each: self.declared[each] for each in new}
            waiting += new
        return list(found.values())

    def told(self) -> Iterator[tuple[str, str]]:
        """Every secret that stands in the open in an input or an output, and where."""
        for urn, found in self.declared.items():
            yield from ((urn, told) for told in self._told(found.inputs))
        for urn, outputs in self.outputs.items():
            yield from ((urn, told) for told in self._told(outputs))

    def _told(self, value: Any) -> Iterator[str]:
        for text in open_texts(value):
            yield from (told for told in self.secrets if told in _readable(text))

    def kept(self) -> set[str]:
        """The secrets that stand somewhere at all: proof that there was something to look for."""
        values = [*(found.inputs for found in self.declared.values()), *self.outputs.values()]
        texts = [_readable(text) for value in values for text in open_texts(_unwrapped(value))]
        return {told for told in self.secrets if any(told in text for text in texts)}

    def id_of(self, urn: str, request: resource_pb2.RegisterResourceRequest) -> str:
        if self.preview:
            return ""
        if request.type.startswith(COUNTED):
            return self.counted.setdefault(urn, str(FIRST_COUNTED + crc32(urn.encode())))
        return f"{_said(request)}-id" if request.custom else ""

    def made(self, request: resource_pb2.RegisterResourceRequest) -> dict[str, Any]:
        """What exists once this is declared: its inputs as its kind keeps them, and what the kind adds."""
        if not request.custom or self.preview:
            return {}
        if request.type not in OUTPUTS:
            raise NotImplementedError(f"{request.type} {request.name}")
        handler = REGISTERED.get(request.type)
        inputs = with_secrets(marked(request.object), handler.secret_inputs if handler else ())
        added = {name: f"{_said(request)}.{name}" for name in OUTPUTS[request.type]}
        for name in handler.secret_outputs if handler else ():
            if (request.type, name) in NONE_YET:
                added[name] = secret(dict[str, Any]())
                continue
            # A token's accessor is its public name, drawn like a secret only for want of another dice.
            if not request.name.endswith("-accessor"):
                self.secrets.add(f"the secret {request.name}.{name}")
            added[name] = secret(f"the secret {request.name}.{name}")
        return {**inputs, **added}


COUNTED: Final = ("hcloud:", "digitalocean:index/droplet:")
"""Whose ids are numbers."""

FIRST_COUNTED: Final = 7_000_001
"""The ids follow from the names: things are declared side by side, and what comes first is not the program's doing."""


def _said(request: resource_pb2.RegisterResourceRequest) -> str:
    """How ids and outputs call what is made: by its name, and at Amazon, where everything has ids, by its type too."""
    return f"{request.type.rpartition(':')[2]} {request.name}" if request.type.startswith("aws:") else request.name


def open_texts(value: Any) -> Iterator[str]:
    """Every text that is not wrapped, keys included."""
    if isinstance(value, str):
        yield value
    elif is_secret(value):
        return
    elif is_mapping(value):
        for key, inner in value.items():
            yield key
            yield from open_texts(inner)
    elif is_list(value):
        for inner in value:
            yield from open_texts(inner)


def _readable(text: str) -> str:
    """The text, with what it says in base64 as well."""
    said = [text]
    for run in re.findall(r"[A-Za-z0-9+/]{16,}={0,2}", text):
        with contextlib.suppress(ValueError):
            said.append(base64.b64decode(run, validate=True).decode())
    return "\n".join(said)


def _unwrapped(value: Any) -> Any:
    if is_secret(value):
        return _unwrapped(value["value"])
    if is_mapping(value):
        return {key: _unwrapped(inner) for key, inner in value.items()}
    return [_unwrapped(inner) for inner in value] if is_list(value) else value


class _Monitor:
    """What the SDK asks while a program runs; anything else it does not find."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def GetDeploymentInfo(self, _: Any) -> resource_pb2.DeploymentInfo:  # noqa: N802 -- the protocol's name
        return resource_pb2.DeploymentInfo(
            supportedFeatures=[
                resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
                resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
                resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
                resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
            ]
        )

    def RegisterResource(  # noqa: N802 -- the protocol's name
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        engine = self._engine
        types = f"{request.parent.split('::')[2]}${request.type}" if request.parent else request.type
        urn = "::".join([f"urn:pulumi:{engine.stack}", engine.project, types, request.name])
        if urn in engine.declared:
            engine.twice.append(urn)
        outputs = engine.made(request)
        engine.declared[urn] = Declared(
            urn=urn,
            type=request.type,
            name=request.name,
            custom=request.custom,
            parent=request.parent,
            inputs=marked(request.object),
            depends_on=frozenset(request.dependencies),
            deleted_with=request.deletedWith,
            provider=request.provider,
            ignore_changes=tuple(request.ignoreChanges),
            import_id=request.importId,
            secret_outputs=tuple(request.additionalSecretOutputs),
            deleted_before_replaced=request.deleteBeforeReplace,
        )
        known = struct_pb2.Struct()
        known.update(outputs)
        id_ = engine.id_of(urn, request)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=id_, object=known)

    def RegisterResourceOutputs(  # noqa: N802 -- the protocol's name
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> empty_pb2.Empty:
        self._engine.outputs[request.urn] = marked(request.outputs)
        return empty_pb2.Empty()

    def RegisterPackage(self, _: Any) -> resource_pb2.RegisterPackageResponse:  # noqa: N802 -- the protocol's name
        return resource_pb2.RegisterPackageResponse(ref="")

    def SignalAndWaitForShutdown(self, _: Any) -> empty_pb2.Empty:  # noqa: N802 -- the protocol's name
        return empty_pb2.Empty()


class _Log:
    def Log(self, request: engine_pb2.LogRequest) -> empty_pb2.Empty:  # noqa: N802 -- the protocol's name
        assert request.severity < engine_pb2.WARNING, request.message
        return empty_pb2.Empty()
