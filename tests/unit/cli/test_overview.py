"""What commands know of a host: where it is in the clusters, and how it is reached."""

from mooring.cli.overview import HostOverview
from mooring.clients.ssh import Connection

CONNECTION = Connection(address="203.0.113.7", private_key="k", host_key="h")


def test_a_host_is_known_in_the_clusters_by_the_address_that_other_hosts_use() -> None:
    host = HostOverview(name="a", roles=("server",), connection=CONNECTION, address="10.0.0.7")

    assert host.inside == "10.0.0.7"


def test_what_an_earlier_version_exported_has_one_address() -> None:
    assert HostOverview(name="a", roles=("server",), connection=CONNECTION).inside == "203.0.113.7"
