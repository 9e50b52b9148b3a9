"""Local nodes: containers of this machine's engine that boot systemd, with a Docker engine and sshd of their own."""

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.hosts.host import Ground, Group, Host
from mooring.kinds import host as kind
from mooring.kinds.control_group import ControlGroup
from mooring.kinds.ssh import KeyPair
from mooring.toolchain import images

CAPABILITIES = (
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
)
"""All but SYS_RESOURCE, PERFMON, BPF, CHECKPOINT_RESTORE and SYS_MODULE: what systemd and an inner engine need, and
what a machine inside a sandbox can give. `--privileged` would ask for those five as well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalGroup(Group):
    kind: str = "local"
    memory_mib: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalHostArgs:
    group: LocalGroup
    index: int
    """From 1, within the group."""

    address: str
    network: pulumi.Input[str]
    image: str
    authorized_key: pulumi.Input[str]
    private_key: pulumi.Input[str]
    goes_with: pulumi.Resource


class LocalHost(pulumi.ComponentResource):
    """One local node, up and reachable."""

    def __init__(self, name: str, args: LocalHostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("platform:hosts:LocalHost", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        container_name = f"{pulumi.get_project()}-{name}"
        labels = {"org.mooring.stack": f"{pulumi.get_project()}/{pulumi.get_stack()}", "org.mooring.host": name}

        host_key = KeyPair(f"{name}-host-key", comment=name, opts=child)
        engine = docker.Volume(
            f"{name}-engine",
            name=f"{container_name}-engine",
            labels=[docker.VolumeLabelArgs(label=k, value=v) for k, v in labels.items()],
            opts=child,
        )
        # Gone only after the node.
        control_group = ControlGroup(f"{name}-control-group", name=f"nomad-{name}", opts=child)
        container = docker.Container(
            name,
            name=container_name,
            hostname=name,
            image=args.image,
            envs=["container=docker"],
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"], adds=[f"CAP_{name}" for name in CAPABILITIES]),
            security_opts=["seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"],
            cgroupns_mode="host",
            tmpfs={"/run": "", "/run/lock": "", "/tmp": ""},  # noqa: S108 -- inside the node
            volumes=[
                docker.ContainerVolumeArgs(host_path="/sys/fs/cgroup", container_path="/sys/fs/cgroup"),
                # overlay2 does not nest on overlay2: the inner engine needs a real filesystem under it.
                docker.ContainerVolumeArgs(volume_name=engine.name, container_path="/var/lib/docker"),
            ],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.network, ipv4_address=args.address)],
            # Both, or every preview shows a phantom change of the one that was left out.
            memory=args.group.memory_mib,
            memory_swap=args.group.memory_mib,
            stop_signal="SIGRTMIN+3",
            # A node that was killed stays down: whoever killed it, a person or a test, decides when it returns.
            restart="no",
            must_run=True,
            uploads=[
                _upload("ssh_host_ed25519_key", host_key.private_key),
                _upload("authorized_keys", args.authorized_key),
            ],
            labels=[docker.ContainerLabelArgs(label=k, value=v) for k, v in labels.items()],
            opts=pulumi.ResourceOptions(
                parent=self,
                # A host keeps the image it was born from, as machines do; what runs on it changes by its own kinds,
                # one host at a time. A new image would replace every server at once.
                # And the official plugin reads the security options back without `systempaths`.
                ignore_changes=["image", "security_opts"],
                depends_on=[control_group],
            ),
        )
        address = container.name.apply(lambda _: args.address)
        way_in = {"private_key": args.private_key, "host_key": host_key.public_key}
        ready = kind.Host(
            f"{name}-ready",
            name=name,
            connection={"address": address, **way_in},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[container], deleted_with=args.goes_with),
        )
        booted = pulumi.Output.all(address, ready.machine_id).apply(lambda known: known[0])
        self.host = Host(
            name=name,
            roles=args.group.roles,
            address=address,
            connection={"address": booted, **way_in},
            public_host_key=host_key.public_key,
            # The node's kernel is this machine's, and shows all of its memory.
            memory_mib=args.group.memory_mib,
            control_group=f"/nomad-{name}",
            goes_with=args.goes_with,
            machine=container,
            labels=args.group.labels,
            drivers=args.group.drivers,
        )
        self.register_outputs({"address": address})


def local_hosts(group: LocalGroup, ground: Ground) -> list[Host]:
    """Declare every host of the group."""
    if ground.network.bridge is None:
        raise ValueError(f"group {group.name}: local nodes need a network with a bridge")
    bridge = ground.network.bridge
    return [
        LocalHost(
            f"{pulumi.get_stack()}-{group.name}-{index}",
            LocalHostArgs(
                group=group,
                index=index,
                address=address,
                network=bridge.name,
                image=images.reference("machine"),
                authorized_key=ground.key.public_key,
                private_key=ground.key.private_key,
                goes_with=bridge,
            ),
            opts=pulumi.ResourceOptions(parent=ground.parent),
        ).host
        for index, address in enumerate(ground.addresses[group.name], start=1)
    ]


def _upload(name: str, content: pulumi.Input[str]) -> docker.ContainerUploadArgs:
    # Into a directory that only root can enter; a unit of the image moves it to its place before sshd starts.
    return docker.ContainerUploadArgs(file=f"/etc/mooring/bootstrap/{name}", content=pulumi.Output.secret(content))
