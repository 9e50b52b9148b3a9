"""What the tests of all providers ask: everything that a provider was told, as values."""

import json
from ipaddress import IPv4Network
from typing import Any

import pytest
from fakes.engine import Declared, Engine

from components.hosts import CloudGroup, Host, HostNetwork, Hosts, Role
from components.hosts.needed import NEEDED
from mooring.plugin.wire import is_secret

SERVER = frozenset({Role.SERVER, Role.CLIENT, Role.REGISTRY})
EDGE = frozenset({Role.EDGE})
OFFICE = (IPv4Network("203.0.113.0/24"),)
VISITORS = (IPv4Network("198.51.100.0/24"), IPv4Network("192.0.2.0/24"))
NETWORK = IPv4Network("10.40.0.0/16")

Made = dict[tuple[str, str], dict[str, Any]]


def declared(engine: Engine, *groups: CloudGroup) -> list[Host]:
    """Run a program that has nothing but these hosts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOORING_STATE", "/state")
        network = HostNetwork(cidr=NETWORK, bridge=None, floating=None)
        return engine.run(lambda: Hosts("hosts", groups=groups, network=network)).every


def told(engine: Engine, package: str) -> Made:
    """Every property of everything that the provider is to make, by its type there and its name.

    Ids are given in the order of declarations, so they are said by the name of what they belong to; with a # before
    it where they are sent as numbers.
    """
    ours = [found for found in engine.declared.values() if found.type.startswith(f"{package}:")]
    return {(_type(found), found.name): _plain(found, engine) for found in ours}


def each(engine: Engine, type_: str) -> list[Declared]:
    return [found for found in engine.declared.values() if found.type.endswith(f":{type_}")]


def first_boot(name: str, address: str) -> dict[str, Any]:
    """The user-data of a host, as cloud-init reads it."""
    return {
        "hostname": name,
        "fqdn": name,
        "manage_etc_hosts": False,
        "disable_root": False,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "ssh_keys": {
            "ed25519_private": f"the secret {name}-host-key.private_key",
            "ed25519_public": f"{name}-host-key.public_key",
        },
        "users": [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": ["hosts-key.public_key"]}],
        "write_files": [{"path": "/etc/hosts", "content": f"127.0.0.1 localhost\n{address} {name}\n"}],
        "package_update": True,
        "packages": list(NEEDED),
    }


def _plain(found: Declared, engine: Engine) -> dict[str, Any]:
    said = dict(found.inputs)
    for name in ("userData",):
        if name in said:
            assert is_secret(said[name]), found.urn
            head, _, document = said[name]["value"].partition("\n")
            assert head == "#cloud-config"
            said[name] = json.loads(document)
    names = {id_: f"{_type(engine.declared[urn])} {engine.declared[urn].name}" for urn, id_ in engine.counted.items()}
    return {key: _named(value, names) for key, value in said.items()}


def _named(value: Any, names: dict[str, str]) -> Any:
    match value:
        case dict():
            return {key: _named(inner, names) for key, inner in value.items()}
        case list():
            return [_named(inner, names) for inner in value]
        case bool():
            return value
        case int() | float():
            name = names.get(str(int(value)))
            return value if name is None else f"#{name}"
        case _:
            return names.get(value, value)


def _type(found: Declared) -> str:
    return found.type.rpartition(":")[2]
