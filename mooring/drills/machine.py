"""The outside of a local node: what is done to it is done to a machine whose plug somebody pulls."""

from collections.abc import Mapping, Sequence
from typing import Any

import docker
import docker.errors

from mooring.clients.errors import CommandFailed
from mooring.drills.stage import Host


class NoOutside(Exception):
    """The host is not a local node: nobody here can cut its power."""


def local_nodes(owner: str) -> Mapping[str, str]:
    """The containers of the stack `project/stack` on this machine, by the name of the host that each is.

    Empty where no engine answers: then no host of the stack can be one of its containers.
    """
    try:
        # Not every container of a stack is one of its hosts: the door before several balancers is none.
        labels = [f"org.mooring.stack={owner}", "org.mooring.host"]
        found = docker.from_env().containers.list(all=True, filters={"label": labels})
    except docker.errors.DockerException:
        return {}
    return {str(container.labels["org.mooring.host"]): str(container.name) for container in found}


def cut_power(host: Host) -> None:
    _container(host).kill()


def power_on(host: Host) -> None:
    _container(host).start()


def freeze(host: Host) -> None:
    """With the containers in it: their control groups lie beside the node's, and would go on."""
    inside(host, ["sh", "-c", "docker ps --quiet | xargs --no-run-if-empty docker pause"])
    _container(host).pause()


def thaw(host: Host) -> None:
    container = _container(host)
    if container.status == "paused":
        container.unpause()
    paused = "docker ps --quiet --filter status=paused"
    # One of them may go in the same moment: its agent has just heard that it was replaced.
    inside(host, ["sh", "-c", f"{paused} | xargs --no-run-if-empty docker unpause; true"])


def inside(host: Host, command: Sequence[str]) -> str:
    """Run a command in the node without its network; a failure raises `CommandFailed`."""
    status, output = _container(host).exec_run(list(command))
    if status != 0:
        raise CommandFailed(f"{host.name}: exit status {status}: {output.decode(errors='replace').strip()[-500:]}")
    said: str = output.decode(errors="replace")
    return said


def _container(host: Host) -> Any:
    if host.container is None:
        raise NoOutside(f"host {host.name} is no local node")
    return docker.from_env().containers.get(host.container)
