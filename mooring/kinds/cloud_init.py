"""What a machine is told at its first boot, whoever made it: the user-data of cloud-init."""

import json
from typing import Any

from pydantic import BaseModel, Field

HEAD = "#cloud-config\n"


class FirstBoot(BaseModel, extra="forbid", frozen=True):
    hostname: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    address: str = "127.0.1.1"
    """What the machine takes its own name for. Debian's own choice where its address is not known before it exists."""

    nameserver: str | None = None
    """None where its network tells."""

    authorized_keys: tuple[str, ...] = Field(min_length=1)
    """Of root, who has no password."""

    host_key: str = Field(repr=False)
    """OpenSSH PEM: made before the machine, so that the very first connection is to no stranger."""

    public_host_key: str
    packages: tuple[str, ...] = ()
    """Installed at the first boot, from where the machine's image gets them."""

    def document(self) -> str:
        """The same values give the same bytes. JSON is YAML."""
        return HEAD + text(self._user_data())

    def _user_data(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "hostname": self.hostname,
            "fqdn": self.hostname,
            "manage_etc_hosts": False,
            "disable_root": False,
            "ssh_pwauth": False,
            "ssh_deletekeys": True,
            "ssh_keys": {"ed25519_private": self.host_key, "ed25519_public": self.public_host_key},
            "users": [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": list(self.authorized_keys)}],
            "write_files": [
                # Or a machine without a name server cannot find itself.
                {"path": "/etc/hosts", "content": f"127.0.0.1 localhost\n{self.address} {self.hostname}\n"},
            ],
        }
        if self.nameserver is not None:
            # Where it is a link, it belongs to systemd-resolved, who is told through the network's configuration.
            line = f"[ -L /etc/resolv.conf ] || echo nameserver {self.nameserver} > /etc/resolv.conf"
            found["runcmd"] = [["sh", "-c", line]]
        if self.packages:
            found |= {"package_update": True, "packages": list(self.packages)}
        return found


def text(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
