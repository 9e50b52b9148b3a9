"""What virtual machines are declared as."""

from components.hosts.virtual import NEEDED
from mooring.toolchain import images, places

IN_EVERY_CLOUD_IMAGE = {
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "iproute2", "kmod", "procps"),
    # For people who look around.
    *("less", "iputils-ping"),
}


def test_a_disk_of_somebody_elses_is_given_what_our_own_has() -> None:
    """Or the balancer there cannot be reloaded, and nobody holds the address."""
    recipe = (places.RECIPES / images.MACHINE.name / "packages").read_text().splitlines()
    ours = {line for line in recipe if not line.startswith("#")}

    assert set(NEEDED) == ours - IN_EVERY_CLOUD_IMAGE
