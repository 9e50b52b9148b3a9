"""What a virtual machine is told at its first boot: cloud-init's documents, for its NoCloud data source."""

import hashlib
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key
from pydantic import BaseModel, Field

from mooring.kinds.cloud_init import FirstBoot, text

LABEL = "cidata"
"""By which cloud-init knows the disc."""


class Seed(BaseModel, extra="forbid", frozen=True):
    hostname: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    address: str = Field(pattern=r"^[0-9.]+/[0-9]+$")
    """IPv4 with the length of its network: `198.18.0.11/24`. It is static: nothing hands addresses out."""

    gateway: str | None = None
    nameserver: str | None = None
    authorized_keys: tuple[str, ...] = Field(min_length=1)
    """Of root, who has no password."""

    host_key: str = Field(repr=False)
    """OpenSSH PEM: made before the machine, so that the very first connection is to no stranger."""

    packages: tuple[str, ...] = ()
    """Installed at the first boot, from where the machine's image gets them."""

    def documents(self, mac: str) -> dict[str, str]:
        """By file name. JSON is YAML."""
        return {
            "user-data": self._first_boot().document(),
            "meta-data": text(
                {"instance-id": f"{self.hostname}-{self.digest()[:12]}", "local-hostname": self.hostname}
            ),
            "network-config": text(self._network(mac)),
        }

    def digest(self) -> str:
        """Of all of it; by itself it tells nothing, as a key is in it."""
        return hashlib.sha256(text(self.model_dump(mode="json")).encode()).hexdigest()

    def _first_boot(self) -> FirstBoot:
        return FirstBoot(
            hostname=self.hostname,
            address=self.address.partition("/")[0],
            nameserver=self.nameserver,
            authorized_keys=self.authorized_keys,
            host_key=self.host_key,
            public_host_key=self._public_key(),
            packages=self.packages,
        )

    def _network(self, mac: str) -> dict[str, Any]:
        interface: dict[str, Any] = {
            "match": {"macaddress": mac},
            "set-name": "eth0",
            "dhcp4": False,
            "dhcp6": False,
            "accept-ra": False,
            "link-local": [],
            "addresses": [self.address],
        }
        if self.gateway is not None:
            interface["routes"] = [{"to": "default", "via": self.gateway}]
        if self.nameserver is not None:
            interface["nameservers"] = {"addresses": [self.nameserver]}
        return {"version": 2, "ethernets": {"nic0": interface}}

    def _public_key(self) -> str:
        key = load_ssh_private_key(self.host_key.encode(), password=None).public_key()
        return f"{key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()} {self.hostname}"
