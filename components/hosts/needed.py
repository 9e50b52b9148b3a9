"""What a host needs that a distribution's cloud image does not have."""

NEEDED = (
    *("ca-certificates", "containernetworking-plugins", "curl", "docker.io", "haproxy", "iptables", "keepalived"),
    *("socat", "zstd"),
)
"""Debian's names. The disk that is made here has them already."""
