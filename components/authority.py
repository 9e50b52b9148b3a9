"""Who signs what: one authority for each thing that trusts, so that a certificate of one opens no other."""

import pulumi

from mooring.kinds import pki


class Authority(pulumi.ComponentResource):
    """Three private authorities. Whatever an RPC authority signs is trusted as an agent, so none is shared."""

    def __init__(self, name: str, *, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("platform:authority:Authority", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        stack = f"{pulumi.get_project()} {pulumi.get_stack()}"
        self.consul = pki.Authority(f"{name}-consul", common_name=f"{stack} Consul authority", opts=child)
        self.nomad = pki.Authority(f"{name}-nomad", common_name=f"{stack} Nomad authority", opts=child)
        self.registry = pki.Authority(f"{name}-registry", common_name=f"{stack} registry authority", opts=child)
        self.register_outputs({})
