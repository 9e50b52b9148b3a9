"""The registries: where images come from, trusted by every engine, and reached as long as one of them answers."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker as docker

from components.access import IMAGE_CREDENTIALS, RegistryAccess, ways_in
from components.hosts import Host
from components.timings import text
from mooring.kinds import pki
from mooring.kinds.agent import Agent
from mooring.kinds.host_files import Files
from mooring.kinds.host_image import Image as HostImage
from mooring.kinds.host_pulled_images import PulledImages
from mooring.kinds.random import Password
from mooring.kinds.registry_account import Account
from mooring.kinds.ssh import Identity
from mooring.toolchain import images

PORT = 5000
USER = "mooring"
CONTAINER = "mooring-registry"
CONFIGURATION = "/etc/mooring/registry"
ACCOUNTS = f"{CONFIGURATION}/accounts"

COPIES = 2
"""Registries that a stack has at most, on the first hosts with that role: enough to lose any one host."""

NEARBY_ADDRESS = "169.254.20.20"
"""Every host's own: on its loopback device, from the range that is never routed. Not 127.0.0.0/8, where Docker takes
every registry for one that needs no TLS. Cloud providers use others of the range (169.254.169.x); Kubernetes has its
nodes' DNS in the same way at 169.254.20.10."""

NEARBY_PORT = 5001
NEARBY = f"{NEARBY_ADDRESS}:{NEARBY_PORT}"
PROXY_CONFIGURATION = "/etc/mooring/registry-proxy/haproxy.cfg"
PROXY_AUTHORITY = "/etc/mooring/registry-proxy/ca.pem"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExternalRegistry:
    """A registry that somebody else runs."""

    address: str
    """As in an image's name: `ghcr.io/team`, `registry.example.org:5000`."""

    username: str
    password: pulumi.Output[str]


class Registry(pulumi.ComponentResource):
    """Our own registries on `on`, or an external one; either way every engine may pull from it.

    Images are named by an address that every host has for itself, behind which a proxy leads to a registry that
    answers: so the loss of one changes neither an image's name nor whether it can be pulled (docs/adr/0014).
    """

    def __init__(
        self,
        name: str,
        *,
        on: Sequence[Host],
        builder: Host,
        hosts: Sequence[Host],
        authority: pki.Authority,
        identity: Identity,
        external: ExternalRegistry | None = None,
        password_number: int = 1,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:registry:Registry", name, None, opts)
        # The options are ssh's own: only the stack's key, only the pinned hosts, and nothing of the user's own setup.
        engine = docker.Provider(
            f"{name}-engine",
            host=pulumi.Output.from_input(builder.connection["address"]).apply(
                lambda up: f"ssh://{builder.connection.get('user', 'root')}@{up}:{builder.connection.get('port', 22)}"
            ),
            ssh_opts=pulumi.Output.all(identity.key_file, identity.known_hosts_file).apply(
                lambda files: [
                    "-F", "none",
                    "-i", files[0],
                    "-o", "IdentitiesOnly=yes",
                    "-o", f"UserKnownHostsFile={files[1]}",
                    "-o", "StrictHostKeyChecking=yes",
                    "-o", "ConnectTimeout=4",
                ]
            ),
            # Or a preview fails as long as that host is down, though nothing on it is read through its engine.
            disable_docker_daemon_check=True,
            opts=pulumi.ResourceOptions(parent=self),
        )  # fmt: skip
        if external is not None:
            trust = [
                _trust(
                    f"{name}-trust-{host.name}",
                    host,
                    self,
                    address=external.address,
                    username=external.username,
                    password=external.password,
                )
                for host in hosts
            ]
            self.access = RegistryAccess(
                address=pulumi.Output.from_input(external.address),
                registries=(),
                through=(),
                patience=1,
                username=external.username,
                password=external.password,
                authority=None,
                builder=engine,
                builder_host=builder,
                ready=(engine, *trust),
            )
        else:
            self.access = self._own(
                name,
                authority,
                on=on[:COPIES],
                hosts=hosts,
                engine=engine,
                builder=builder,
                password_number=password_number,
            )
        self.register_outputs({"address": self.access.address})

    def _own(
        self,
        name: str,
        authority: pki.Authority,
        *,
        on: Sequence[Host],
        hosts: Sequence[Host],
        engine: docker.Provider,
        builder: Host,
        password_number: int,
    ) -> RegistryAccess:
        child = pulumi.ResourceOptions(parent=self)
        # The first has no keeper: a password that is there must not become another one because numbers came into use.
        keepers = None if password_number == 1 else {"number": str(password_number)}
        password = Password(f"{name}-password", length=32, keepers=keepers, opts=child)
        user = user_name(password_number)
        # One for all: an upload that was begun at one registry must not be refused by itself after a restart.
        http_secret = Password(f"{name}-http-secret", length=32, opts=child)
        accounts = [
            Account(
                f"{name}-account-{host.name}",
                connection=host.connection,
                path=ACCOUNTS,
                user=user,
                bcrypt=password.bcrypt,
                opts=pulumi.ResourceOptions(parent=self, deleted_with=host.machine or host.goes_with),
            )
            for host in on
        ]
        # Known when every registry takes it.
        taken = pulumi.Output.all(password.value, *(account.id for account in accounts)).apply(
            lambda known: str(known[0])
        )
        serving = [
            self._serving(name, host, authority, http_secret, account)
            for host, account in zip(on, accounts, strict=True)
        ]
        places = pulumi.Output.all(*(host.address for host in on), *(agent.id for agent in serving)).apply(
            lambda known: [f"{address}:{PORT}" for address in known[: len(on)]]
        )
        patience = max(host.patience for host in hosts)
        ready: list[pulumi.Resource] = [engine, *serving]
        for host in hosts:
            there = pulumi.ResourceOptions(parent=self, deleted_with=host.machine or host.goes_with)
            ready += [
                _trust(
                    f"{name}-trust-{host.name}",
                    host,
                    self,
                    address=NEARBY,
                    username=user,
                    password=taken,
                    authority=authority,
                ),
                Agent(
                    f"{name}-proxy-{host.name}",
                    connection=host.connection,
                    service="mooring-registry-proxy",
                    files={
                        PROXY_CONFIGURATION: pulumi.Output.all(*(each.address for each in on)).apply(
                            lambda addresses: {"content": proxy_configuration(addresses, patience)}
                        ),
                        PROXY_AUTHORITY: {"content": authority.certificate_pem},
                    },
                    unit=PROXY_UNIT,
                    reload_on=(PROXY_CONFIGURATION, PROXY_AUTHORITY),
                    listens=NEARBY_PORT,
                    leftovers=() if host.goes_with else (f"ip address del {NEARBY_ADDRESS}/32 dev lo || true",),
                    opts=there,
                ),
            ]
        # What engines pull by themselves is nobody's resource, and a machine that stays must not keep it.
        ready += [
            PulledImages(
                f"{name}-images-{host.name}",
                connection=host.connection,
                registry=NEARBY,
                opts=pulumi.ResourceOptions(parent=self),
            )
            for host in hosts
            if host.goes_with is None
        ]
        return RegistryAccess(
            address=places.apply(lambda _: NEARBY),
            registries=places,
            through=ways_in(on),
            patience=patience,
            username=user,
            password=taken,
            authority=authority.certificate_pem,
            builder=engine,
            builder_host=builder,
            ready=tuple(ready),
        )

    def _serving(
        self, name: str, host: Host, authority: pki.Authority, http_secret: Password, account: Account
    ) -> Agent:
        there = pulumi.ResourceOptions(parent=self, deleted_with=host.machine or host.goes_with)
        certificate = pki.Certificate(
            f"{name}-{host.name}-certificate",
            authority=authority,
            common_name="registry",
            ip_addresses=[host.address, NEARBY_ADDRESS],
            usages=["server"],
            opts=pulumi.ResourceOptions(parent=self),
        )
        image = HostImage(
            f"{name}-{host.name}-image",
            connection=host.connection,
            reference=images.reference("registry"),
            archive=str(images.archive("registry")),
            opts=there,
        )
        return Agent(
            f"{name}-{host.name}",
            connection=host.connection,
            service="mooring-registry",
            files={
                f"{CONFIGURATION}/config.yml": _closed(http_secret.value.apply(registry_configuration)),
                f"{CONFIGURATION}/tls.pem": _closed(certificate.certificate_pem),
                f"{CONFIGURATION}/tls.key": _closed(certificate.private_key_pem),
            },
            directories={CONFIGURATION: {"mode": "0700"}},
            unit=image.reference.apply(unit),
            listens=PORT,
            leftovers=() if host.goes_with else (f"docker volume rm --force {CONTAINER} >/dev/null",),
            opts=pulumi.ResourceOptions.merge(there, pulumi.ResourceOptions(depends_on=[account])),
        )


def user_name(number: int) -> str:
    """Who logs in with the password of that number: the old one and the new one are let in side by side."""
    return USER if number == 1 else f"{USER}-{number}"


def unit(image: str) -> str:
    """The systemd unit of a registry: a container, whose data outlive it in a volume of the host's engine.

    As a service, and not as a container of Pulumi's Docker provider: that one reads through the host's engine, and
    fails the whole preview while the host is down. Root without capabilities owns what it reads and writes.
    """
    return f"""[Unit]
Description=The stack's image registry
Wants=network-online.target
After=network-online.target docker.service
Requires=docker.service
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStartPre=-/usr/bin/docker rm --force {CONTAINER}
ExecStart=/usr/bin/docker run --rm --name {CONTAINER} --network host --pull never --read-only --tmpfs /tmp \\
  --cap-drop ALL --security-opt no-new-privileges --log-driver none \\
  --volume {CONTAINER}:/var/lib/registry --volume {CONFIGURATION}:/etc/distribution:ro {image}
ExecStop=/usr/bin/docker stop --time 15 {CONTAINER}
Restart=always
RestartSec=1
TimeoutStopSec=30

[Install]
WantedBy=multi-user.target
"""


def proxy_configuration(registries: Sequence[str], patience: float = 1) -> str:
    """What leads from a host's own address to a registry that answers: the first, or else the next.

    All hosts ask the same one as long as it answers. TLS and the password go through untouched: the proxy sees neither.

    `patience` is how many times as long as usual everything on these hosts takes: each check is a handshake for both.
    """
    lines = [f"  server registry-{place} {address}:{PORT}\n" for place, address in enumerate(registries, start=1)]
    return proxy_head(patience) + "".join(lines)


def proxy_head(patience: float) -> str:
    return f"""global
  log stdout format raw local0
  user haproxy
  group haproxy
  hard-stop-after 60s

defaults
  mode tcp
  log global
  option tcplog
  option dontlog-normal
  timeout connect {text(patience)}
  timeout check {text(2 * patience)}
  # An engine may be busy for minutes between two pieces of a layer.
  timeout client 10m
  timeout server 10m
  retries 3
  option redispatch 1
  # Serving means: a certificate of the stack's own authority, and no answer without the password.
  default-server check check-ssl verify required ca-file {PROXY_AUTHORITY} inter {text(patience)} \
fastinter {text(patience / 2)} fall 2 rise 1 on-marked-down shutdown-sessions

frontend nearby
  bind {NEARBY}
  bind 127.0.0.1:{NEARBY_PORT}
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
"""


PROXY_UNIT = f"""[Unit]
Description=The way to whichever image registry of the stack answers
Wants=network-online.target
After=network-online.target
Before=docker.service nomad.service
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStartPre=/usr/sbin/ip address replace {NEARBY_ADDRESS}/32 dev lo
ExecStartPre=/usr/sbin/haproxy -c -q -f {PROXY_CONFIGURATION}
ExecStart=/usr/sbin/haproxy -Ws -f {PROXY_CONFIGURATION}
ExecReload=/usr/sbin/haproxy -c -q -f {PROXY_CONFIGURATION}
ExecReload=/bin/kill -USR2 $MAINPID
KillMode=mixed
SuccessExitStatus=143
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


def registry_configuration(http_secret: str) -> str:
    """The registry's configuration file; JSON is YAML. Clients without the password are told nothing."""
    return json.dumps(
        {
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": "/var/lib/registry"}, "delete": {"enabled": True}},
            "http": {
                "addr": f":{PORT}",
                "secret": http_secret,
                "tls": {
                    "certificate": "/etc/distribution/tls.pem",
                    "key": "/etc/distribution/tls.key",
                    "minimumtls": "tls1.2",
                },
                "draintimeout": "10s",
            },
            "auth": {"htpasswd": {"realm": "registry", "path": "/etc/distribution/accounts"}},
            "health": {"storagedriver": {"enabled": True, "interval": "10s", "threshold": 3}},
        },
        indent=1,
    )


def credentials(address: str, username: str, password: str) -> str:
    """What the docker driver reads before it pulls."""
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    return json.dumps({"auths": {address.partition("/")[0]: {"auth": pair}}})


def _trust(
    resource_name: str,
    host: Host,
    parent: pulumi.Resource,
    *,
    address: str,
    username: str,
    password: pulumi.Output[str],
    authority: pki.Authority | None = None,
) -> Files:
    """What makes a host's engine trust the registry at `address`, and Nomad's driver log in there."""
    login = password.apply(lambda known: {"content": credentials(address, username, known), "mode": "0600"})
    files: dict[str, Any] = {IMAGE_CREDENTIALS: login}
    if authority is not None:
        # Where Docker looks for the authority of exactly this registry; nothing else is trusted by it.
        files[f"/etc/docker/certs.d/{address}/ca.crt"] = {"content": authority.certificate_pem}
    return Files(
        resource_name,
        connection=host.connection,
        files=files,
        directories={"/etc/nomad": {"mode": "0700"}},
        opts=pulumi.ResourceOptions(parent=parent, deleted_with=host.machine or host.goes_with),
    )


def _closed(content: pulumi.Input[str]) -> dict[str, Any]:
    """For root alone."""
    return {"content": pulumi.Output.secret(content), "mode": "0600"}
