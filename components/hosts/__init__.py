"""Machines of every kind. Nothing outside this folder knows which kind a host is."""

from components.hosts.host import Group, Host, HostNetwork, Role
from components.hosts.hosts import Hosts
from components.hosts.local import LocalGroup

__all__ = ["Group", "Host", "HostNetwork", "Hosts", "LocalGroup", "Role"]
