"""A stack's values, read once and checked all at once; what a value means to whoever gets it is documented there."""

import json
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, Self

import pulumi
from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from components.authority import Issue
from components.hosts import Group, Role
from components.hosts.addresses import BLOCK, capacity
from components.registry import ExternalRegistry
from components.timings import Profile
from infra.any_hosts import Values
from infra.cloud_hosts import together
from infra.host_groups import KINDS, HostGroup
from mooring.toolchain import pins

ODD = (1, 3, 5)
KINDS_OF_HOST = f"must be one of {', '.join(sorted(KINDS))}"


class Registry(Values):
    address: str
    username: str


class AuthorityKeys(Values):
    """Which keys of the authorities are in use, by number."""

    signs: Annotated[int, Field(ge=1)] = 1
    trusts: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (1,)


class Rotation(Values):
    """Numbers of what is exchanged now and then; another number is another one."""

    certificates: Annotated[int, Field(ge=1)] = 1
    gossip_keys: Annotated[int, Field(ge=1)] = 1
    tokens: Annotated[int, Field(ge=1)] = 1
    registry_password: Annotated[int, Field(ge=1)] = 1
    authority: AuthorityKeys | None = None


class Settings(Values):
    """Every key of a stack file, under `mooring:`."""

    network: IPv4Network
    """The hosts' own network; the default range of the shipped stacks is reserved for benchmarks, so nobody's LAN."""

    hosts: Annotated[tuple[HostGroup, ...], Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    """Of this machine's loopback, where the load balancer answers."""

    datacenter: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] = "dc1"
    base_image: str = "local:nodejs"
    """What `apps/hello` is built on: `local:nodejs`, made here from Debian's packages, or a public image."""

    registry: Registry | None = None
    """A registry that somebody else runs, in the place of our own; its password is the secret `registryPassword`."""

    registry_password: Annotated[str | None, Field(repr=False)] = None
    drillable: bool = False
    """Whether `mooring drill` may break things here to see them heal; nothing that matters to anybody may run here."""

    timings: Profile | None = None
    """How soon the silent count as dead, in the place of what the servers' processors say: `fast` or `careful`."""

    consul_version: str = pins.CONSUL.version
    nomad_version: str = pins.NOMAD.version
    rotation: Rotation | None = None
    """What is exchanged on demand: a number that is raised makes a new one."""

    @classmethod
    def from_stack(cls) -> Self:
        """The current stack's values; every problem is reported in one error, before anything is touched."""
        project = pulumi.get_project()
        found = {
            key.removeprefix(f"{project}:"): value
            for key, value in pulumi.runtime.config.CONFIG.get().items()
            if key.startswith(f"{project}:")
        }
        return cls.from_values(found, f"stacks/Pulumi.{pulumi.get_stack()}.yaml", project)

    @classmethod
    def from_values(cls, found: Mapping[str, str], file: str, project: str) -> Self:
        """The values as the engine hands them: text, with whatever is not plain text as JSON."""
        values = {key: _value(value) for key, value in found.items()}
        settings, problems = cls._tried(values)
        if settings is None:
            # What is fine by itself is still looked at: a person should have to run this once.
            wrong = {problem["loc"][0] for problem in problems}
            rest, _ = cls._tried({key: value for key, value in values.items() if key not in wrong})
            sentences = [*map(_sentence, problems), *(rest.problems() if rest else ())]
        else:
            sentences = settings.problems()
        if settings is None or sentences:
            raise pulumi.RunError(report(file, [f"{project}:{sentence}" for sentence in sentences]))
        return settings

    @classmethod
    def _tried(cls, values: Mapping[str, Any]) -> tuple[Self | None, list[ErrorDetails]]:
        try:
            return cls.model_validate(values), []
        except ValidationError as error:
            return None, _told(error.errors())

    @property
    def groups(self) -> list[Group]:
        return [h.group for h in self.hosts]

    @property
    def external_registry(self) -> ExternalRegistry | None:
        if self.registry is None or self.registry_password is None:
            return None
        return ExternalRegistry(
            address=self.registry.address,
            username=self.registry.username,
            password=pulumi.Output.secret(self.registry_password),
        )

    @property
    def issue(self) -> Issue:
        keys = self._authority
        certificates = self.rotation.certificates if self.rotation else 1
        return Issue(certificates=certificates, signs=keys.signs, trusts=keys.trusts)

    @property
    def gossip_keys(self) -> int:
        return self.rotation.gossip_keys if self.rotation else 1

    @property
    def tokens(self) -> int:
        return self.rotation.tokens if self.rotation else 1

    @property
    def password_number(self) -> int:
        return self.rotation.registry_password if self.rotation else 1

    @property
    def _authority(self) -> AuthorityKeys:
        return (self.rotation and self.rotation.authority) or AuthorityKeys()

    def problems(self) -> list[str]:
        """What is wrong with values that are each fine by themselves."""
        counts = {role: sum(h.number for h in self.hosts if role in h.roles) for role in Role}
        names = [h.name for h in self.hosts]
        needed = capacity(self.groups) if any(h.placed for h in self.hosts) else 0
        size = f"{self.network} has {self.network.num_addresses} addresses; these groups need {needed}, a /24 would do"
        half = "must be given together with registry, as a secret (`pulumi config set --secret registryPassword`)"
        checks = [
            (counts[Role.SERVER] in ODD, f"hosts: {counts[Role.SERVER]} have the role server; 1, 3 or 5 would do"),
            (counts[Role.CLIENT] > 0, "hosts: none has the role client; at least one must run apps"),
            (counts[Role.EDGE] > 0, "hosts: none has the role edge; at least one must carry a load balancer"),
            (
                counts[Role.REGISTRY] > 0 or self.registry is not None,
                "hosts: none has the role registry; one would do, or an external one under registry",
            ),
            (len(set(names)) == len(names), f"hosts: group names must differ, got {', '.join(names)}"),
            (
                all(h.number < BLOCK for h in self.hosts),
                f"hosts: a group has {BLOCK} addresses, so fewer hosts than that",
            ),
            (self.network.num_addresses >= needed, f"network: {size}"),
            (
                self._authority.signs in self._authority.trusts,
                f"rotation.authority.trusts: must name {self._authority.signs}, which signs",
            ),
            (self.network.is_private, f"network: {self.network} is public; a part of 198.18.0.0/15 would do"),
            ((self.registry is None) == (self.registry_password is None), f"registryPassword: {half}"),
            (
                self.registry is None or self.password_number == 1,
                "rotation.registryPassword: is for the stack's own registries; another's is given as registryPassword",
            ),
        ]
        found = [problem for fine, problem in checks if not fine]
        found += together(self.hosts, self.network)
        for place, group in enumerate(self.hosts):
            found += [f"hosts.{place}.{problem}" for problem in group.problems(self.network)]
        return found


def _value(text: str) -> Any:
    """Objects and lists arrive as JSON; everything else as it was written."""
    return json.loads(text) if text[:1] in ("[", "{") else text


def _told(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without what only follows from others: a list of which every entry is wrong is called too short as well."""
    return [
        error
        for error in errors
        if error["type"] != "too_short"
        or not any(other["loc"][: len(error["loc"])] == error["loc"] for other in errors if other is not error)
    ]


def _sentence(error: ErrorDetails) -> str:
    path = ".".join(str(step) for step in _said(error["loc"]))
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"{path}.kind: {KINDS_OF_HOST}, got {error['input'].get('kind')!r}"
    if error["type"] == "extra_forbidden":
        known = ", ".join(sorted(TypeAdapter(Settings).json_schema()["properties"]))
        return f"{path} is no setting" + (f"; these are: {known}" if "." not in path else "")
    # What was given is told only where it is a plain value and no secret: a group may hold a key.
    telling = isinstance(error["input"], str | int | float) and not path.endswith(("assword", "key"))
    got = f", got {error['input']!r}" if telling and error["type"] != "missing" else ""
    return f"{path}: {error['msg'][:1].lower()}{error['msg'][1:]}{got}"


def _said(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The place as the file has it: the library puts a group's kind between its number and its keys."""
    return loc[:2] + loc[3:] if loc[0] == "hosts" else loc


def report(what: str, problems: Iterable[str]) -> str:
    """What a person reads: what cannot be used, and every problem on a line of its own."""
    return "\n".join([f"{what} cannot be used:", *(f"  {problem}" for problem in problems)])
