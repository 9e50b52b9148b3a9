"""Who signs what: one authority for each thing that trusts, so that a certificate of one opens no other."""

from dataclasses import dataclass

import pulumi

from mooring.kinds import pki


@dataclass(frozen=True, kw_only=True, slots=True)
class Issue:
    """Which keys and certificates are in use; another number is another one, whatever is left of the old."""

    certificates: int = 1
    signs: int = 1
    """The number of the key that every authority signs with."""

    trusts: tuple[int, ...] = (1,)
    """The numbers of the keys that are trusted."""


class Authority(pulumi.ComponentResource):
    """Three private authorities. Whatever an RPC authority signs is trusted as an agent, so none is shared."""

    def __init__(self, name: str, *, issue: Issue | None = None, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("platform:authority:Authority", name, None, opts)
        stack = f"{pulumi.get_project()} {pulumi.get_stack()}"
        asked = issue or Issue()

        def authority(use: str, title: str) -> pki.Authority:
            return pki.Authority(
                f"{name}-{use}",
                common_name=f"{stack} {title} authority",
                signs=asked.signs,
                trusts=asked.trusts,
                certificates=asked.certificates,
                opts=pulumi.ResourceOptions(parent=self),
            )

        self.consul = authority("consul", "Consul")
        self.nomad = authority("nomad", "Nomad")
        self.registry = authority("registry", "registry")
        self.register_outputs({})
