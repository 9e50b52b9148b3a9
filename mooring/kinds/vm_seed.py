"""What a virtual machine is told at its first boot: cloud-init's documents, for its NoCloud data source."""

import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key
from pydantic import BaseModel, Field

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
            "user-data": "#cloud-config\n" + _text(self._user_data()),
            "meta-data": _text(
                {"instance-id": f"{self.hostname}-{self.digest()[:12]}", "local-hostname": self.hostname}
            ),
            "network-config": _text(self._network(mac)),
        }

    def digest(self) -> str:
        """Of all of it; by itself it tells nothing, as a key is in it."""
        return hashlib.sha256(_text(self.model_dump(mode="json")).encode()).hexdigest()

    def _user_data(self) -> dict[str, Any]:
        address = self.address.partition("/")[0]
        found: dict[str, Any] = {
            "hostname": self.hostname,
            "fqdn": self.hostname,
            "manage_etc_hosts": False,
            "disable_root": False,
            "ssh_pwauth": False,
            "ssh_deletekeys": True,
            "ssh_keys": {"ed25519_private": self.host_key, "ed25519_public": self._public_key()},
            "users": [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": list(self.authorized_keys)}],
            "write_files": [
                # Or a machine without a name server cannot find itself.
                {"path": "/etc/hosts", "content": f"127.0.0.1 localhost\n{address} {self.hostname}\n"},
            ],
        }
        if self.nameserver is not None:
            # Where it is a link, it belongs to systemd-resolved, who is told through the network's configuration.
            line = f"[ -L /etc/resolv.conf ] || echo nameserver {self.nameserver} > /etc/resolv.conf"
            found["runcmd"] = [["sh", "-c", line]]
        if self.packages:
            found |= {"package_update": True, "packages": list(self.packages)}
        return found

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


def _text(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
