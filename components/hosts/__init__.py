"""Machines of every kind. Nothing outside this folder knows which kind a host is."""

from components.hosts.host import Group, Host, HostNetwork, Role
from components.hosts.hosts import Hosts

__all__ = ["Group", "Host", "HostNetwork", "Hosts", "Role"]
