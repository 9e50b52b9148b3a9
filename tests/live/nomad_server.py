"""One Nomad server, alone and open, on this machine's loopback: it reads, judges and plans jobs, and runs none."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from mooring.toolchain import binaries
from mooring.waiting import wait_for

Json = dict[str, Any]

LEADS_WITHIN = 30.0
"""Seconds until the one server has elected itself."""


class Scheduler:
    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}/v1"
        self._http = requests.Session()

    def ask(self, path: str, body: Any) -> Json:
        answer = self._http.post(f"{self._address}/{path}", json=body, timeout=15)
        if not answer.ok:
            raise Refused(answer.text)
        found: Json = answer.json()
        return found

    def parse(self, text: str, variables: str = "") -> Json:
        return self.ask("jobs/parse", {"JobHCL": text, "Variables": variables, "Canonicalize": False})

    def objections(self, job: Json) -> list[str]:
        """What it has against the job."""
        try:
            found = self.ask("validate/job", {"Job": job})
        except Refused as refused:
            return [str(refused)]
        return found["ValidationErrors"] or []

    def register(self, job: Json) -> None:
        self.ask("jobs", {"Job": job})

    def plan(self, job: Json) -> Json:
        return self.ask(f"job/{job['ID']}/plan", {"Job": job, "Diff": True})

    def job(self, id_: str, namespace: str) -> Json:
        found: Json = self._http.get(f"{self._address}/job/{id_}", params={"namespace": namespace}, timeout=15).json()
        return found

    def purge(self, id_: str, namespace: str) -> None:
        where = {"namespace": namespace, "purge": "true"}
        self._http.delete(f"{self._address}/job/{id_}", params=where, timeout=15).raise_for_status()

    def add_namespace(self, name: str) -> None:
        self._http.put(f"{self._address}/namespace", json={"Name": name}, timeout=15).raise_for_status()

    def leads(self) -> bool | None:
        try:
            return self._http.get(f"{self._address}/status/leader", timeout=1).json() != "" or None
        except (requests.RequestException, ValueError):
            return None


class Refused(Exception):
    """The server said no."""


@contextmanager
def scheduler(folder: Path) -> Iterator[Scheduler]:
    ports = dict(zip(("http", "rpc", "serf"), free_ports(3), strict=True))
    configuration = {
        "data_dir": str(folder / "data"),
        "bind_addr": "127.0.0.1",
        "advertise": dict.fromkeys(ports, "127.0.0.1"),
        "ports": ports,
        "server": {"enabled": True, "bootstrap_expect": 1},
        # Nothing answers there, so that no Consul of this machine is ever written to.
        "consul": {
            "address": "127.0.0.1:1",
            "auto_advertise": False,
            "server_auto_join": False,
            "client_auto_join": False,
        },
        "disable_update_check": True,
    }
    file = folder / "server.json"
    file.write_text(json.dumps(configuration))
    with (folder / "log").open("w") as log:
        agent = subprocess.Popen([binaries.locate("nomad"), "agent", f"-config={file}"], stdout=log, stderr=log)
        try:
            server = Scheduler(ports["http"])
            wait_for(server.leads, "a leader", within=LEADS_WITHIN, every=0.2)
            yield server
        finally:
            agent.kill()
            agent.wait()


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()
