"""From the registry to the page: what stands on what."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pulumi
import pytest
from fakes.engine import Engine

from components.access import ConsulAccess, NomadAccess
from components.app import App
from components.hosts import Role
from components.image import Image
from components.load_balancer import LoadBalancer, Service
from components.registry import ExternalRegistry, Registry, proxy_configuration, user_name
from components.timings import timings
from mooring.plugin.wire import plain

PACE = timings([], clients=3)
AGENT = "mooring:host:Agent"
COPIES = "mooring:registry:Copies"
REGISTRIES = {"registry-dev-server-1", "registry-dev-server-2"}
PROXIES = {f"registry-proxy-dev-{host}" for host in ("server-1", "server-2", "server-3", "edge-1")}
FILES = "mooring:host:Files"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    registry: Registry
    image: Image
    app: App
    edge: LoadBalancer


@pytest.fixture
def deliver(engine: Engine, ground: Callable[[], Any]) -> Callable[..., Delivery]:
    def run(*, external: bool = False, base: str = "local:nodejs") -> Delivery:
        def program() -> Delivery:
            on = ground()
            registry = Registry(
                "registry",
                on=on.hosts.having(Role.REGISTRY),
                builder=on.hosts.builder,
                hosts=on.hosts.every,
                authority=on.authority.registry,
                identity=on.hosts.identity,
                external=elsewhere() if external else None,
            )
            image = Image("hello", context="../apps/hello", base=base, registry=registry.access)
            nomad = NomadAccess(
                deploy=endpoint(),
                status=endpoint(),
                catalogue=endpoint(),
                datacenter="dc1",
                timings=timings([], clients=3),
                goes_with=on.hosts.goes_with,
            )
            app = App("hello", image=image.reference, on=nomad, port=8080, health="/healthz")
            edge = LoadBalancer(
                "edge",
                hosts=[on.hosts.every[-1]],
                network=on.network,
                consul=known(),
                routes={"/": app.service},
                timings=PACE,
            )
            return Delivery(registry=registry, image=image, app=app, edge=edge)

        return engine.run(program)

    return run


def known() -> ConsulAccess:
    return ConsulAccess(status=endpoint(), nomad={}, agents={})


def elsewhere() -> ExternalRegistry:
    password = pulumi.Output.secret("the secret of somebody else")
    return ExternalRegistry(address="registry.example.org/team", username="us", password=password)


def endpoint() -> dict[str, Any]:
    return {"addresses": ["198.18.9.11"], "port": 4646, "authority": "a", "certificate": "c", "private_key": "k"}


def test_every_engine_trusts_the_registry_before_anything_is_pushed_there(
    engine: Engine, deliver: Callable[..., Delivery]
) -> None:
    made = deliver()

    assert engine.behind(made.image.reference) >= {*REGISTRIES, *PROXIES, *engine.names(FILES)}
    assert len(engine.names(FILES)) == 4


def test_what_the_registry_is_told_to_keep_is_secret(engine: Engine, deliver: Callable[..., Delivery]) -> None:
    deliver()

    assert list(engine.told()) == []
    assert {
        "the secret registry-dev-server-1-certificate.private_key_pem",
        "the secret registry-dev-server-2-certificate.private_key_pem",
        "the secret registry-http-secret.value",
        "the secret registry-password.bcrypt",
        "the secret registry-password.value",
    } <= engine.kept()


def test_the_login_lies_where_only_root_reads_it(engine: Engine, deliver: Callable[..., Delivery]) -> None:
    deliver()

    for found in engine.of(FILES):
        login = plain(found.inputs["files"])["/etc/nomad/docker-auth.json"]
        assert login["mode"] == "0600"
        assert found.inputs["directories"] == {"/etc/nomad": {"mode": "0700"}}


def test_nobody_logs_in_with_a_password_before_every_registry_takes_it(
    engine: Engine, deliver: Callable[..., Delivery]
) -> None:
    made = deliver()
    accounts = {f"registry-account-{host}" for host in ("dev-server-1", "dev-server-2")}

    assert set(engine.names("mooring:registry:Account")) == accounts
    assert engine.behind(made.image.reference) >= accounts
    for found in [*engine.of(FILES), *engine.of(COPIES), *(f for f in engine.of(AGENT) if f.name in REGISTRIES)]:
        assert {each.name for each in engine.before(found.urn)} & accounts, found.name


def test_the_user_of_another_password_is_another_one() -> None:
    """So that both are let in until nobody uses the old one."""
    assert [user_name(number) for number in (1, 2, 3)] == ["mooring", "mooring-2", "mooring-3"]


def test_a_registry_of_somebody_else_is_not_run_and_its_authority_not_replaced(
    engine: Engine, deliver: Callable[..., Delivery]
) -> None:
    deliver(external=True)

    assert not {*REGISTRIES, *PROXIES} & set(engine.names(AGENT))
    assert engine.names(COPIES) == []
    for found in engine.of(FILES):
        assert list(plain(found.inputs["files"])) == ["/etc/nomad/docker-auth.json"]
    (image,) = engine.of("docker:index/image:Image")
    assert image.inputs["imageName"] == "registry.example.org/team/hello"


def test_two_hosts_carry_a_registry_and_a_job_waits_until_both_hold_its_image(
    engine: Engine, deliver: Callable[..., Delivery]
) -> None:
    deliver()

    copies = engine.one(COPIES, "hello-copies")
    assert {*REGISTRIES} <= set(engine.names(AGENT))
    assert copies.inputs["registries"] == ["198.18.9.11:5000", "198.18.9.12:5000"]
    assert copies in engine.before(engine.one("mooring:nomad:Job", "hello").urn)


def test_an_image_has_the_same_name_on_every_host_whichever_registry_answers(
    engine: Engine, deliver: Callable[..., Delivery]
) -> None:
    deliver()

    (image,) = engine.of("docker:index/image:Image")
    assert image.inputs["imageName"] == "169.254.20.20:5001/hello"
    for found in engine.of(FILES):
        assert "/etc/docker/certs.d/169.254.20.20:5001/ca.crt" in plain(found.inputs["files"])
        login = json.loads(plain(found.inputs["files"])["/etc/nomad/docker-auth.json"]["content"])
        assert list(login["auths"]) == ["169.254.20.20:5001"]


def test_no_engine_of_a_host_is_asked_by_a_read(engine: Engine, deliver: Callable[..., Delivery]) -> None:
    """While that host is down, a preview would fail at it: only images go through its engine, and they are not read."""
    deliver()

    through = [found for found in engine.declared.values() if found.provider and "registry-engine" in found.provider]
    assert {found.type for found in through} == {"docker:index/image:Image"}
    (provider,) = engine.of("pulumi:providers:docker")
    assert provider.inputs["disableDockerDaemonCheck"] == "true"


def test_a_base_that_is_made_here_is_brought_to_the_builder_first(
    engine: Engine, deliver: Callable[..., Delivery]
) -> None:
    made = deliver()

    assert "hello-base" in engine.behind(made.image.reference)


def test_a_public_base_is_left_to_the_builder(engine: Engine, deliver: Callable[..., Delivery]) -> None:
    deliver(base="docker.io/library/node:22-slim")

    (image,) = engine.of("docker:index/image:Image")
    assert image.inputs["build"]["args"] == {"BASE": "docker.io/library/node:22-slim"}
    assert "hello-base" not in engine.names("mooring:host:Image")


def test_the_folder_of_an_image_is_the_same_in_every_clone(engine: Engine, deliver: Callable[..., Delivery]) -> None:
    deliver()

    (image,) = engine.of("docker:index/image:Image")
    assert image.inputs["build"]["context"] == "../apps/hello"


def test_a_job_runs_the_digest_that_was_pushed(engine: Engine, deliver: Callable[..., Delivery]) -> None:
    made = deliver()

    job = plain(engine.one("mooring:nomad:Job", "hello").inputs["job"])
    assert job["TaskGroups"][0]["Tasks"][0]["Config"]["image"] == "hello.repoDigest"
    assert made.app.service.job.pulumi_resource_name == "hello"


def test_the_url_exists_only_once_the_apps_are_healthy_and_every_balancer_runs(
    engine: Engine, deliver: Callable[..., Delivery]
) -> None:
    made = deliver()

    assert engine.value(made.edge.url) == "http://127.0.0.1:8080/"
    (job,) = engine.of("mooring:nomad:Job")
    (page,) = engine.of("mooring:http:Page")
    assert job in engine.before(page.urn)
    assert engine.behind(made.edge.url) >= {"edge-page", "edge-dev-edge-1", "edge-address-dev-edge-1", "platform-door"}


def test_a_path_that_is_none_is_refused_before_anything_is_declared(engine: Engine, ground: Callable[[], Any]) -> None:
    def program() -> None:
        routes: dict[str, Service] = {"no path": None}  # type: ignore[dict-item]
        on = ground()
        LoadBalancer("edge", hosts=on.hosts.every, network=on.network, consul=known(), routes=routes, timings=PACE)

    with pytest.raises(ValueError, match="LoadBalancer edge: route 'no path' must be a path that starts with a slash"):
        engine.run(program)

    assert engine.names("mooring:host:Agent") == []


def test_a_slow_registry_is_checked_less_often_and_given_as_much_longer() -> None:
    """With 2 s for an answer, one that stood still for a moment was dropped in the middle of a push."""
    usual, patient = (proxy_configuration(["198.18.0.11"], patience) for patience in (1, 8))

    assert "timeout check 2s\n" in usual
    assert "inter 1s fastinter 500ms" in usual
    assert "timeout check 16s\n" in patient
    assert "inter 8s fastinter 4s" in patient
