"""One Nomad server on this machine's loopback, told what the product tells its servers, but for Consul and places."""

import json
import secrets
import socket
import subprocess
import uuid
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from components.hosts import Role
from components.nomad.agent import CONFIGURATION, DATA, agent_configuration, certificate_names
from components.timings import Profile, timings
from mooring.clients.errors import ApiError, Unreachable
from mooring.clients.http import Endpoint
from mooring.clients.nomad import Nomad
from mooring.kinds import pki
from mooring.toolchain import binaries
from mooring.waiting import wait_for

ADDRESS = "127.0.0.1"
LEADS_WITHIN = 30.0
"""Seconds until the one server has elected itself."""


@contextmanager
def nomad_server(folder: Path) -> Iterator[Endpoint]:
    """A server with mutual TLS and ACLs, and how it is reached with the management token."""
    authority = pki.authority(pki.AuthoritySpec(common_name="bench"), pki.new_key(), datetime.now(UTC))
    tls = folder / "tls"
    tls.mkdir(parents=True)
    names = certificate_names(frozenset({Role.SERVER}))
    server = _certificate(
        authority, common_name="server", usages=("server",), dns_names=tuple(names), ip_addresses=(ADDRESS,)
    )
    operator = _certificate(authority, common_name="operator", usages=("client",))
    for name, content in (
        ("ca.pem", authority["certificate_pem"]),
        ("agent.pem", server["certificate_pem"]),
        ("agent.key", server["private_key_pem"]),
    ):
        (tls / name).write_text(content)
    ports = dict(zip(("http", "rpc", "serf"), _free_ports(3), strict=True))
    file = folder / "nomad.json"
    file.write_text(json.dumps(configuration(folder, ports)))
    endpoint = Endpoint(
        addresses=(ADDRESS,),
        port=ports["http"],
        authority=authority["certificate_pem"],
        certificate=operator["certificate_pem"],
        private_key=operator["private_key_pem"],
        token=str(uuid.uuid4()),
    )
    with (folder / "log").open("w") as log:
        agent = subprocess.Popen([binaries.locate("nomad"), "agent", f"-config={file}"], stdout=log, stderr=log)
        try:
            api = Nomad(endpoint)
            wait_for(lambda: _rules(api, endpoint.token), "nomad leads", within=LEADS_WITHIN, every=0.1)
            yield endpoint
        finally:
            agent.kill()
            agent.wait()


def configuration(folder: Path, ports: dict[str, int]) -> dict[str, Any]:
    """The product's own, with this folder and these ports in the place of a host's."""
    product = agent_configuration(
        name="bench",
        address=ADDRESS,
        servers=[ADDRESS],
        datacenter="dc1",
        network=IPv4Network("127.0.0.0/8"),
        roles=frozenset({Role.SERVER}),
        timings=timings([], clients=0, profile=Profile.FAST),
        memory_mib=None,
        control_group=None,
        drivers=frozenset(),
        secrets={"gossip_key": b64encode(secrets.token_bytes(32)).decode(), "consul_token": ""},
    )
    here = json.loads(json.dumps(product).replace(CONFIGURATION, str(folder)).replace(DATA, str(folder / "data")))
    return {
        **here,
        "bind_addr": ADDRESS,
        "ports": ports,
        # Nothing answers there, so that no Consul of this machine is ever written to.
        "consul": {
            "address": "127.0.0.1:1",
            "auto_advertise": False,
            "server_auto_join": False,
            "client_auto_join": False,
        },
    }


def _certificate(authority: dict[str, Any], **names: Any) -> dict[str, Any]:
    spec = pki.CertificateSpec(
        authority_certificate=authority["certificate_pem"],
        authority_private_key=authority["private_key_pem"],
        **names,
    )
    return pki.certificate(spec, datetime.now(UTC))


def _rules(api: Nomad, token: str) -> bool | None:
    """True once the token is the management token."""
    with suppress(ApiError, Unreachable):
        return (api.leader() is not None and (api.knows_us() or api.bootstrap_acl(token))) or None
    return None


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind((ADDRESS, 0))
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()
