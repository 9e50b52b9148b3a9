"""`docker:index/container:Container`: created whole or not at all, replaced for nearly every change."""

import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, ClassVar, Final

from docker.errors import APIError, NotFound
from typing_extensions import override

from mooring.toolchain.standins.docker_plugin import container_body
from mooring.toolchain.standins.docker_plugin.kind import Failed, Kind, Made, NotHealthy, Props, Seen, Work, items
from mooring.toolchain.standins.docker_plugin.known import Shape, leaves
from mooring.toolchain.standins.docker_plugin.reach import words
from mooring.waiting import Cancelled, SystemClock, TimedOut, wait_for

_REMOVED_WITHIN: Final = 60
"""Seconds for a removal that is under way already, as after a `docker rm -f` by hand."""

_LIMITS: Final = frozenset({
    "restart", "maxRetryCount", "memory", "memoryReservation", "memorySwap", "cpuShares", "cpuSet",
})  # fmt: skip
"""What the engine can change in a container that exists."""


class Container(Kind):
    token: ClassVar[str] = "docker:index/container:Container"  # noqa: S105 -- a type token, not a secret
    word: ClassVar[str] = "Container"
    shape: ClassVar[Shape] = {
        **leaves(
            "name", "image", "command", "entrypoints", "envs", "hostname", "domainname", "user", "workingDir", "tty",
            "stdinOpen", "tmpfs", "networkMode", "dns", "dnsOpts", "dnsSearches", "securityOpts", "privileged",
            "cgroupnsMode", "cgroupParent", "pidMode", "ipcMode", "usernsMode", "groupAdds", "init", "readOnly",
            "restart", "maxRetryCount", "memory", "memoryReservation", "memorySwap", "shmSize", "cpuShares", "cpuSet",
            "cpuPeriod", "cpuQuota", "cpus", "sysctls", "logDriver", "logOpts", "stopSignal", "stopTimeout",
            "mustRun", "start", "wait", "waitTimeout", "removeVolumes", "destroyGraceSeconds",
            "containerReadRefreshTimeoutMilliseconds",
        ),
        "labels": leaves("label", "value"),
        "ports": leaves("internal", "external", "ip", "protocol"),
        "volumes": leaves("containerPath", "hostPath", "volumeName", "readOnly"),
        "networksAdvanced": leaves("name", "aliases", "ipv4Address", "ipv6Address", "macAddress"),
        "hosts": leaves("host", "ip"),
        "capabilities": leaves("adds", "drops"),
        "ulimits": leaves("name", "soft", "hard"),
        "devices": leaves("hostPath", "containerPath", "permissions"),
        "healthcheck": leaves("tests", "interval", "timeout", "startPeriod", "retries"),
        "uploads": leaves("file", "content", "contentBase64", "executable", "permissions", "owner", "group"),
    }  # fmt: skip
    # The official plugin also accepts tmpfs, init and healthcheck as updates, and applies them nowhere; a
    # replacement is what makes them true.
    in_place: ClassVar[frozenset[str]] = _LIMITS | {
        "mustRun", "start", "wait", "waitTimeout", "removeVolumes", "destroyGraceSeconds",
        "containerReadRefreshTimeoutMilliseconds",
    }  # fmt: skip
    defaults: ClassVar[Mapping[str, Any]] = {
        "attach": False,
        "containerReadRefreshTimeoutMilliseconds": 15000,
        "destroyGraceSeconds": 0,
        "init": False,
        "logs": False,
        "maxRetryCount": 0,
        "memoryReservation": 0,
        "mustRun": True,
        "networkMode": "bridge",
        "privileged": False,
        "publishAllPorts": False,
        "readOnly": False,
        "removeVolumes": True,
        "restart": "no",
        "rm": False,
        "start": True,
        "stdinOpen": False,
        "tty": False,
        "wait": False,
        "waitTimeout": 60,
    }
    drifting: ClassVar[frozenset[str]] = frozenset({"mustRun", "restart"})
    unordered: ClassVar[frozenset[str]] = frozenset({
        "envs", "labels", "volumes", "networksAdvanced", "hosts", "capabilities", "ulimits", "devices", "uploads",
        "securityOpts", "dns", "dnsOpts", "dnsSearches", "groupAdds",
    })  # fmt: skip

    @override
    def problems(self, inputs: Props) -> Iterable[str]:
        return container_body.problems(inputs)

    @override
    def create(self, props: Props, work: Work) -> Made:
        with _doing(f"unable to create container {props['name']!r}"):
            body = container_body.container_body(props)
            id_ = work.api.create_container_from_config(body, name=props["name"])["Id"]
        try:
            self._furnish(id_, props, work)
        except BaseException:
            # Otherwise the next run would stumble over the name of a container that never ran. Without its own
            # volumes it is worth nothing to anybody.
            with suppress(NotFound):
                work.api.remove_container(id_, v=True, force=True)
            raise
        self._await_health(id_, props, work)
        return Made(id=id_, outputs=container_body.outputs(props, work.api.inspect_container(id_)))

    def _furnish(self, id_: str, props: Props, work: Work) -> None:
        """Networks, files, and off it goes: what the engine wants to be told one by one."""
        networks = items(props, "networksAdvanced")
        if networks:
            with _doing("unable to leave the default network"):
                work.api.disconnect_container_from_network(id_, "bridge")
        for network in networks:
            with _doing(f"unable to connect to network {network['name']!r}"):
                work.api.connect_container_to_network(id_, **container_body.endpoint(network))
        if props.get("uploads"):
            with _doing("unable to upload files"):
                work.api.put_archive(id_, "/", container_body.archive(props["uploads"], now=time.time()))
        if props.get("start", True):
            with _doing(f"unable to start container {props['name']!r}"):
                work.api.start(id_)

    def _await_health(self, id_: str, props: Props, work: Work) -> None:
        """With `wait`, until the engine calls it healthy; one that does not get there is kept, to be looked at."""
        if not (props.get("wait") and props.get("start", True)):
            return

        def healthy() -> bool | None:
            state = work.api.inspect_container(id_)["State"]
            if "Health" not in state:
                raise NotHealthy(id_, f"container {props['name']!r} is to be waited for and has no healthcheck")
            work.say(f"waiting to be healthy: {state['Health']['Status']}")
            return True if state["Health"]["Status"] == "healthy" else None

        within = props.get("waitTimeout", 60)
        try:
            wait_for(healthy, "healthy", within=within, every=0.5, clock=SystemClock(work.cancelled))
        except TimedOut as late:
            raise NotHealthy(id_, f"container {props['name']!r} was not healthy within {within} s") from late
        except Cancelled as stopped:
            raise NotHealthy(id_, f"stopped while waiting for container {props['name']!r}") from stopped

    @override
    def read(self, id_: str, props: Props, outputs: Props, work: Work) -> Seen | None:
        try:
            found = work.api.inspect_container(id_)
        except NotFound:
            return None
        return Seen(inputs=container_body.observed(props, found), outputs=container_body.outputs(props, found))

    @override
    def update(self, id_: str, old: Props, new: Props, outputs: Props, work: Work) -> Props:
        if self.changed(old, new) & _LIMITS:
            with _doing(f"unable to update container {new['name']!r}"):
                work.api.update_container(
                    id_,
                    restart_policy=container_body.restart_policy(new),
                    mem_limit=container_body.bytes_of(new.get("memory")),
                    mem_reservation=container_body.bytes_of(new.get("memoryReservation")),
                    memswap_limit=container_body.bytes_of(new.get("memorySwap")),
                    cpu_shares=new.get("cpuShares"),
                    cpuset_cpus=new.get("cpuSet"),
                )
        if new.get("mustRun", True) and new.get("start", True):
            with _doing(f"unable to start container {new['name']!r}"):
                work.api.start(id_)  # of one that runs the engine says that it does
        self._await_health(id_, new, work)
        return container_body.outputs(new, work.api.inspect_container(id_))

    @override
    def delete(self, id_: str, props: Props, work: Work) -> None:
        grace = props.get("destroyGraceSeconds") or 0
        try:
            if grace > 0:
                work.api.stop(id_, timeout=grace)
            work.api.remove_container(id_, v=props.get("removeVolumes", True), force=True)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise
            # Somebody is removing it already; until they are done its name is taken.
            wait_for(lambda: _gone(id_, work), f"removal of {props['name']!r}", within=_REMOVED_WITHIN)


def _gone(id_: str, work: Work) -> bool | None:
    try:
        work.api.inspect_container(id_)
    except NotFound:
        return True
    return None


@contextmanager
def _doing(what: str) -> Generator[None]:
    """Put the step that was refused before the engine's words."""
    try:
        yield
    except APIError as error:
        raise Failed(f"{what}: {words(error)}") from error
