"""The registry: where images come from, trusted by every engine of the stack."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker as docker

from components.access import IMAGE_CREDENTIALS, RegistryAccess
from components.hosts import Host
from mooring.kinds import pki
from mooring.kinds.host_files import Files
from mooring.kinds.host_image import Image as HostImage
from mooring.kinds.random import Password
from mooring.kinds.ssh import Identity
from mooring.toolchain import images

PORT = 5000
USER = "mooring"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExternalRegistry:
    """A registry that somebody else runs."""

    address: str
    """As in an image's name: `ghcr.io/team`, `registry.example.org:5000`."""

    username: str
    password: pulumi.Output[str]


class Registry(pulumi.ComponentResource):
    """Our own registry on `host`, or an external one; either way every engine may pull from it."""

    def __init__(
        self,
        name: str,
        *,
        host: Host,
        hosts: Sequence[Host],
        authority: pki.Authority,
        identity: Identity,
        external: ExternalRegistry | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:registry:Registry", name, None, opts)
        # The options are ssh's own: only the stack's key, only the pinned hosts, and nothing of the user's own setup.
        engine = docker.Provider(
            f"{name}-engine",
            host=pulumi.Output.from_input(host.connection["address"]).apply(lambda booted: f"ssh://root@{booted}:22"),
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
            opts=pulumi.ResourceOptions(parent=self),
        )  # fmt: skip
        if external is None:
            password = Password(f"{name}-password", length=32, opts=pulumi.ResourceOptions(parent=self))
            container = self._own(name, host, authority, engine, password)
            address = pulumi.Output.all(host.address, container.name).apply(lambda known: f"{known[0]}:{PORT}")
            trusted, username, secret = authority.certificate_pem, USER, password.value
        else:
            address = pulumi.Output.from_input(external.address)
            trusted, username, secret = None, external.username, external.password
        trust = [
            Files(
                f"{name}-trust-{each.name}",
                connection=each.connection,
                files=_trust(host.address if trusted else address, trusted, username, secret),
                directories={"/etc/nomad": {"mode": "0700"}},
                opts=pulumi.ResourceOptions(parent=self, deleted_with=each.goes_with),
            )
            for each in hosts
        ]
        self.access = RegistryAccess(
            address=address,
            username=username,
            password=secret,
            authority=trusted,
            builder=engine,
            builder_host=host,
            ready=(engine, *trust),
        )
        self.register_outputs({"address": address})

    def _own(
        self, name: str, host: Host, authority: pki.Authority, engine: docker.Provider, password: Password
    ) -> docker.Container:
        there = pulumi.ResourceOptions(parent=self, deleted_with=host.goes_with)
        on_engine = pulumi.ResourceOptions(parent=self, provider=engine, deleted_with=host.goes_with)
        certificate = pki.Certificate(
            f"{name}-certificate",
            authority=authority,
            common_name="registry",
            ip_addresses=[host.address],
            usages=["server"],
            opts=pulumi.ResourceOptions(parent=self),
        )
        http_secret = Password(f"{name}-http-secret", length=32, opts=pulumi.ResourceOptions(parent=self))
        image = HostImage(
            f"{name}-image",
            connection=host.connection,
            reference=images.reference("registry"),
            archive=str(images.archive("registry")),
            opts=there,
        )
        # Labelled, so that what a killed run has left half made can be told from what somebody else put there.
        stack = f"{pulumi.get_project()}/{pulumi.get_stack()}"
        volume = docker.Volume(
            f"{name}-data",
            name="registry-data",
            labels=[docker.VolumeLabelArgs(label="org.mooring.stack", value=stack)],
            opts=on_engine,
        )
        return docker.Container(
            name,
            name="registry",
            image=image.reference,
            network_mode="host",
            restart="always",
            must_run=True,
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
            security_opts=["no-new-privileges"],
            volumes=[docker.ContainerVolumeArgs(volume_name=volume.name, container_path="/var/lib/registry")],
            uploads=[
                _upload("config.yml", http_secret.value.apply(registry_configuration)),
                _upload("htpasswd", password.bcrypt.apply(lambda hashed: f"{USER}:{hashed}\n")),
                _upload("tls.pem", certificate.certificate_pem),
                _upload("tls.key", certificate.private_key_pem),
            ],
            labels=[docker.ContainerLabelArgs(label="org.mooring.stack", value=stack)],
            opts=on_engine,
        )


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
            "auth": {"htpasswd": {"realm": "registry", "path": "/etc/distribution/htpasswd"}},
            "health": {"storagedriver": {"enabled": True, "interval": "10s", "threshold": 3}},
        },
        indent=1,
    )


def credentials(address: str, username: str, password: str) -> str:
    """What the docker driver reads before it pulls."""
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    return json.dumps({"auths": {address.partition("/")[0]: {"auth": pair}}})


def _trust(
    address: pulumi.Output[str],
    authority: pulumi.Output[str] | None,
    username: str,
    password: pulumi.Output[str],
) -> pulumi.Output[dict[str, Any]]:
    def files(known: dict[str, Any]) -> dict[str, Any]:
        name = f"{known['address']}:{PORT}" if known["authority"] else known["address"]
        login = {"content": credentials(name, username, known["password"]), "mode": "0600"}
        if not known["authority"]:
            return {IMAGE_CREDENTIALS: login}
        # Where Docker looks for the authority of exactly this registry; nothing else is trusted by it.
        return {
            IMAGE_CREDENTIALS: login,
            f"/etc/docker/certs.d/{name}/ca.crt": {"content": known["authority"]},
        }

    return pulumi.Output.all(address=address, authority=authority, password=password).apply(files)


def _upload(name: str, content: pulumi.Input[str]) -> docker.ContainerUploadArgs:
    return docker.ContainerUploadArgs(file=f"/etc/distribution/{name}", content=pulumi.Output.secret(content))
