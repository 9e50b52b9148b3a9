"""What a Container's properties mean to the engine: the body of its create call, its files, and what can drift.

Pure, so that every property can be tested as a value; `container` does the talking.
"""

import base64
import binascii
import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from mooring.plugin.wire import UNKNOWN, has_unknown
from mooring.toolchain.standins.docker_plugin.kind import Props, block, items, labels, said, texts, unsaid

_MEBIBYTE: Final = 1024 * 1024

UNCONFINED_PATHS: Final = "systempaths=unconfined"
"""The one security option that is the client's to carry out: the engine is told to mask nothing."""

_CAPABILITY: Final = re.compile(r"ALL|CAP_[A-Z0-9_]+")

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_NANOSECONDS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


def nanoseconds(duration: str) -> int:
    """A duration as Go writes it (`1m30s`) in nanoseconds; raises `ValueError` for anything else."""
    parts = _DURATION.findall(duration)
    if "".join(f"{number}{unit}" for number, unit in parts) != duration or not parts:
        raise ValueError(f"{duration!r} is no duration such as 10s or 1m30s")
    return int(sum(Decimal(number) * _NANOSECONDS[unit] for number, unit in parts))


def bytes_of(mebibytes: int | None) -> int | None:
    """Mebibytes as bytes; -1, "no limit", stays what it is."""
    return mebibytes * _MEBIBYTE if mebibytes and mebibytes > 0 else mebibytes


def mebibytes_of(size: int) -> int:
    return size // _MEBIBYTE if size > 0 else size


def port_key(port: Mapping[str, Any]) -> str:
    return f"{port['internal']}/{port.get('protocol') or 'tcp'}"


def port_bindings(ports: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """Where each inner port is to be found outside; without an external number the engine picks one."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        external = port.get("external")
        bindings.setdefault(port_key(port), []).append(
            {"HostIp": port.get("ip") or "0.0.0.0", "HostPort": str(external or "")}  # noqa: S104 - the plugin's default
        )
    return bindings


def binds(volumes: Iterable[Mapping[str, Any]]) -> list[str]:
    """The volumes that come from somewhere: a folder of the engine's machine or a named volume."""
    return [
        f"{source}:{volume['containerPath']}:{'ro' if volume.get('readOnly') else 'rw'}"
        for volume in volumes
        if (source := volume.get("hostPath") or volume.get("volumeName"))
    ]


def anonymous_volumes(volumes: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    return {
        volume["containerPath"]: {} for volume in volumes if not volume.get("hostPath") and not volume.get("volumeName")
    }


def healthcheck(check: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if check is None:
        return None
    return said(
        Test=check.get("tests"),
        Interval=nanoseconds(check.get("interval", "0s")),
        Timeout=nanoseconds(check.get("timeout", "0s")),
        StartPeriod=nanoseconds(check.get("startPeriod", "0s")),
        Retries=check.get("retries", 0),
    )


def security(options: Sequence[str]) -> dict[str, Any]:
    """The engine's words for the security options."""
    masks: dict[str, Any] = {"MaskedPaths": [], "ReadonlyPaths": []} if UNCONFINED_PATHS in options else {}
    return {"SecurityOpt": [option for option in options if option != UNCONFINED_PATHS], **masks}


def restart_policy(props: Props) -> dict[str, Any]:
    return {"Name": props.get("restart", "no"), "MaximumRetryCount": props.get("maxRetryCount", 0)}


def nano_cpus(cpus: str | None) -> int | None:
    return None if cpus is None else int(Decimal(cpus) * 10**9)


def container_body(props: Props) -> dict[str, Any]:
    """The body of the engine's create call; networks and files come after it."""
    ports, volumes = items(props, "ports"), items(props, "volumes")
    capabilities = block(props, "capabilities")
    return said(
        Image=props["image"],
        Cmd=props.get("command"),
        Entrypoint=props.get("entrypoints"),
        Env=props.get("envs"),
        Hostname=props.get("hostname"),
        Domainname=props.get("domainname"),
        User=props.get("user"),
        WorkingDir=props.get("workingDir"),
        Labels=labels(props),
        ExposedPorts={port_key(port): {} for port in ports},
        Volumes=anonymous_volumes(volumes),
        StopSignal=props.get("stopSignal"),
        StopTimeout=props.get("stopTimeout"),
        Tty=props.get("tty"),
        OpenStdin=props.get("stdinOpen"),
        Healthcheck=healthcheck(props.get("healthcheck")),
        HostConfig=said(
            PortBindings=port_bindings(ports),
            Binds=binds(volumes),
            Tmpfs=props.get("tmpfs"),
            NetworkMode=props.get("networkMode", "bridge"),
            ExtraHosts=[f"{entry['host']}:{entry['ip']}" for entry in items(props, "hosts")],
            Dns=props.get("dns"),
            DnsOptions=props.get("dnsOpts"),
            DnsSearch=props.get("dnsSearches"),
            CapAdd=capabilities.get("adds"),
            CapDrop=capabilities.get("drops"),
            **security(texts(props, "securityOpts")),
            Privileged=props.get("privileged"),
            CgroupnsMode=props.get("cgroupnsMode"),
            CgroupParent=props.get("cgroupParent"),
            PidMode=props.get("pidMode"),
            IpcMode=props.get("ipcMode"),
            UsernsMode=props.get("usernsMode"),
            GroupAdd=props.get("groupAdds"),
            Init=props.get("init", False),
            ReadonlyRootfs=props.get("readOnly"),
            RestartPolicy=restart_policy(props),
            Memory=bytes_of(props.get("memory")),
            MemoryReservation=bytes_of(props.get("memoryReservation")),
            MemorySwap=bytes_of(props.get("memorySwap")),
            ShmSize=bytes_of(props.get("shmSize")),
            CpuShares=props.get("cpuShares"),
            CpusetCpus=props.get("cpuSet"),
            CpuPeriod=props.get("cpuPeriod"),
            CpuQuota=props.get("cpuQuota"),
            NanoCpus=nano_cpus(props.get("cpus")),
            Ulimits=[
                {"Name": limit["name"], "Soft": limit["soft"], "Hard": limit["hard"]}
                for limit in items(props, "ulimits")
            ],
            Devices=[
                {
                    "PathOnHost": device["hostPath"],
                    "PathInContainer": device.get("containerPath") or device["hostPath"],
                    "CgroupPermissions": device.get("permissions") or "rwm",
                }
                for device in items(props, "devices")
            ],
            Sysctls=props.get("sysctls"),
            LogConfig={"Type": props.get("logDriver", ""), "Config": props.get("logOpts") or {}},
        ),
    )


def endpoint(network: Mapping[str, Any]) -> dict[str, Any]:
    """One attachment to a network, as arguments of docker's `connect_container_to_network`."""
    return said(
        net_id=network["name"],
        aliases=network.get("aliases"),
        ipv4_address=network.get("ipv4Address"),
        ipv6_address=network.get("ipv6Address"),
        mac_address=network.get("macAddress"),
    )


def content(upload: Mapping[str, Any]) -> bytes:
    if upload.get("contentBase64"):
        return base64.b64decode(upload["contentBase64"])
    return str(upload.get("content") or "").encode()


def mode(upload: Mapping[str, Any]) -> int:
    """What the official plugin gives: the permissions said, else readable by all and perhaps executable."""
    if upload.get("permissions"):
        return int(upload["permissions"], 8)
    return 0o744 if upload.get("executable") else 0o644


def archive(uploads: Iterable[Mapping[str, Any]], *, now: float) -> bytes:
    """The files as the archive that is laid over the container's root; `now` is their time of change."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for upload in uploads:
            data = content(upload)
            entry = tarfile.TarInfo(upload["file"].lstrip("/"))
            entry.size, entry.mode, entry.mtime = len(data), mode(upload), int(now)
            entry.uid, entry.gid = int(upload.get("owner") or 0), int(upload.get("group") or 0)
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def problems(props: Props) -> Iterator[str]:
    """What the engine would accept and mean otherwise, or refuse only when the old container is gone."""
    capabilities = block(props, "capabilities")
    asked = [*texts(capabilities, "adds"), *texts(capabilities, "drops")]
    if short := [name for name in asked if not _CAPABILITY.fullmatch(name)]:
        # The engine records CAP_NET_ADMIN, and the official plugin would replace the container on every run.
        yield f"capabilities must be written as the engine keeps them, such as 'CAP_{short[0].upper()}': {short}"
    for upload in items(props, "uploads"):
        if not has_unknown(upload):
            yield from _upload_problems(upload)
    for name, value in block(props, "healthcheck").items():
        if name in ("interval", "timeout", "startPeriod") and value != UNKNOWN:
            try:
                nanoseconds(str(value))
            except ValueError as error:
                yield f"healthcheck.{name}: {error}"
    for volume in items(props, "volumes"):
        if not volume.get("containerPath"):
            yield "every volume needs a containerPath"


def _upload_problems(upload: Mapping[str, Any]) -> Iterator[str]:
    file = upload.get("file")
    if bool(upload.get("content")) == bool(upload.get("contentBase64")):
        yield f"upload {file!r} needs one of content and contentBase64, and not both"
    for who in ("owner", "group"):
        if not str(upload.get(who) or 0).isdecimal():
            yield f"upload {file!r}: docker stand-in: {who} {upload[who]!r} must be a number, not a name"
    try:
        mode(upload)
    except ValueError:
        yield f"upload {file!r}: permissions {upload['permissions']!r} are no octal number such as 0600"
    try:
        content(upload)
    except binascii.Error:
        yield f"upload {file!r}: contentBase64 is not base64"


def observed(props: Props, found: Mapping[str, Any]) -> Props:
    """`props` with what can change behind our back while the container stays the same one.

    All the rest the engine fixes when it creates the container.
    """
    config, state = found["HostConfig"], found["State"]
    seen: Props = {
        "name": found["Name"].lstrip("/"),
        "restart": config["RestartPolicy"]["Name"] or "no",
        "maxRetryCount": config["RestartPolicy"]["MaximumRetryCount"],
        "memory": mebibytes_of(config["Memory"]),
        "memoryReservation": mebibytes_of(config["MemoryReservation"]),
        "memorySwap": _swap(props, config["MemorySwap"]),
        "cpuShares": config["CpuShares"],
        "cpuSet": config["CpusetCpus"],
    }
    # Nobody said it and it is not set: then it is not an input. What somebody set by hand is one, to be undone;
    # so is the swap limit that the engine derives from a memory limit alone, as in the official plugin.
    declared = {name: value for name, value in seen.items() if name in props or value}
    wanted = props.get("mustRun", True) and props.get("start", True)
    stopped = {"mustRun": False} if wanted and not state["Running"] else {}
    return {**props, **declared, **stopped}


def _swap(props: Props, size: int) -> int:
    """The swap limit; an engine whose kernel keeps none says -1, which is no drift."""
    return props.get("memorySwap", size) if size < 0 else mebibytes_of(size)


def outputs(props: Props, found: Mapping[str, Any]) -> Props:
    """What is known only of a container that exists; never its environment, which may hold secrets."""
    config, host, networks = found["Config"], found["HostConfig"], found["NetworkSettings"]
    ports = items(props, "ports")
    computed: Props = {
        "bridge": networks.get("Bridge") or "",
        "networkDatas": [
            {
                "networkName": name,
                "ipAddress": data["IPAddress"],
                "ipPrefixLength": data["IPPrefixLen"],
                "gateway": data["Gateway"],
                "globalIpv6Address": data["GlobalIPv6Address"],
                "globalIpv6PrefixLength": data["GlobalIPv6PrefixLen"],
                "ipv6Gateway": data["IPv6Gateway"],
                "macAddress": data["MacAddress"],
            }
            for name, data in sorted(networks["Networks"].items())
        ],
        "command": config["Cmd"] or [],
        "entrypoints": config["Entrypoint"] or [],
        "hostname": config["Hostname"],
        "ipcMode": host["IpcMode"],
        "logDriver": host["LogConfig"]["Type"],
        "runtime": host["Runtime"],
        "shmSize": mebibytes_of(host["ShmSize"]),
        "stopSignal": config.get("StopSignal") or "",
    }
    if not found["State"]["Running"]:
        computed["exitCode"] = found["State"]["ExitCode"]
    published = {"ports": [_published(port, block(networks, "Ports")) for port in ports]} if ports else {}
    return {**unsaid(computed, props), **published}


def _published(port: Mapping[str, Any], published: Mapping[str, Any]) -> Props:
    """`port` with the external number the engine picked, when it was left to it."""
    places = items(published, port_key(port))
    picked = {"external": int(places[0]["HostPort"])} if places and not port.get("external") else {}
    return {**port, **picked}
