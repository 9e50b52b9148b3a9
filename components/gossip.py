"""The key with which the agents of a cluster talk among themselves."""

import pulumi

from mooring.kinds.random import Bytes


def gossip_key(name: str, number: int, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """32 bytes as base64; another `number` is another key."""
    # The first has no keeper: a key that is there must not become another one because numbers came into use.
    keepers = None if number == 1 else {"number": str(number)}
    return Bytes(f"{name}-gossip-key", length=32, keepers=keepers, opts=opts).value
