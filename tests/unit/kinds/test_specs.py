"""What a program says survives the way to the server's words and back."""

from collections.abc import Mapping
from typing import Any, Protocol, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.clients.http import Endpoint
from mooring.kinds import consul_acl, nomad_acl
from mooring.kinds.consul_kv import KeySpec
from mooring.kinds.consul_query import QuerySpec
from mooring.kinds.nomad_namespace import NamespaceSpec
from mooring.kinds.nomad_node_pool import NodePoolSpec
from mooring.kinds.nomad_scheduler import Algorithm, SchedulerSpec
from mooring.kinds.nomad_variable import VariableSpec

ENDPOINT = Endpoint(addresses=("198.18.0.11",), port=1, authority="", certificate="", private_key="")

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NAME = st.from_regex(r"[A-Za-z0-9-]{1,20}", fullmatch=True)
NAMES = st.lists(NAME, unique=True, max_size=3).map(tuple)
TEXTS = st.dictionaries(TEXT, TEXT, max_size=3)


class Translated(Protocol):
    def to_api(self) -> dict[str, Any]: ...
    @classmethod
    def from_api(cls, body: Mapping[str, Any], endpoint: Endpoint) -> Self: ...


SPECS: dict[type[Translated], st.SearchStrategy[Translated]] = {
    KeySpec: st.builds(
        KeySpec,
        endpoint=st.just(ENDPOINT),
        key=NAME,
        value=TEXT,
        flags=st.integers(min_value=0, max_value=2**53 - 1),
    ),
    QuerySpec: st.builds(
        QuerySpec,
        endpoint=st.just(ENDPOINT),
        name=NAME,
        service=NAME,
        tags=NAMES,
        only_passing=st.booleans(),
        near=TEXT,
        nearest=st.integers(min_value=0),
        datacenters=NAMES,
        ttl=TEXT,
    ),
    SchedulerSpec: st.builds(
        SchedulerSpec,
        endpoint=st.just(ENDPOINT),
        algorithm=st.sampled_from(Algorithm),
        memory_oversubscription=st.booleans(),
        reject_jobs=st.booleans(),
        pause=st.booleans(),
        preempt_for_system=st.booleans(),
        preempt_for_sysbatch=st.booleans(),
        preempt_for_batch=st.booleans(),
        preempt_for_service=st.booleans(),
    ),
    consul_acl.RoleSpec: st.builds(
        consul_acl.RoleSpec,
        endpoint=st.just(ENDPOINT),
        name=NAME,
        description=TEXT,
        policies=NAMES,
        service_identities=st.lists(st.from_regex(r"[a-z-]{1,9}(:dc1(,dc2)?)?", fullmatch=True), max_size=3).map(tuple),
        node_identities=st.lists(NAME.map("{}:dc1".format), max_size=3).map(tuple),
    ),
    nomad_acl.RoleSpec: st.builds(
        nomad_acl.RoleSpec,
        endpoint=st.just(ENDPOINT),
        name=NAME,
        description=TEXT,
        policies=st.lists(NAME, unique=True, min_size=1, max_size=3).map(tuple),
    ),
    NamespaceSpec: st.builds(
        NamespaceSpec,
        endpoint=st.just(ENDPOINT),
        name=NAME,
        description=TEXT,
        meta=TEXTS,
        enabled_drivers=NAMES,
        disabled_drivers=NAMES,
    ),
    NodePoolSpec: st.builds(NodePoolSpec, endpoint=st.just(ENDPOINT), name=NAME, description=TEXT, meta=TEXTS),
    VariableSpec: st.builds(
        VariableSpec,
        endpoint=st.just(ENDPOINT),
        path=NAME,
        namespace=NAME,
        items=st.dictionaries(NAME, TEXT, min_size=1, max_size=3),
    ),
}


@pytest.mark.parametrize("kind", SPECS, ids=lambda kind: f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}")
@given(data=st.data())
def test_to_the_server_and_back_is_where_it_was(kind: type[Translated], data: st.DataObject) -> None:
    spec = data.draw(SPECS[kind])

    assert kind.from_api(spec.to_api(), ENDPOINT) == spec
