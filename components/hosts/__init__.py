"""Machines of every kind. Nothing outside this folder knows which kind a host is."""

from components.hosts.adopted import AdoptedGroup, Machine
from components.hosts.cloud import AwsGroup, CloudGroup, DigitalOceanGroup, Front, HetznerGroup
from components.hosts.host import USUAL_DRIVERS, Driver, Group, Host, HostNetwork, Role
from components.hosts.hosts import Hosts
from components.hosts.local import LocalGroup
from components.hosts.virtual import VirtualGroup
from components.hosts.virtual_site import CloudImage

__all__ = [
    "USUAL_DRIVERS",
    "AdoptedGroup",
    "AwsGroup",
    "CloudGroup",
    "CloudImage",
    "DigitalOceanGroup",
    "Driver",
    "Front",
    "Group",
    "HetznerGroup",
    "Host",
    "HostNetwork",
    "Hosts",
    "LocalGroup",
    "Machine",
    "Role",
    "VirtualGroup",
]
