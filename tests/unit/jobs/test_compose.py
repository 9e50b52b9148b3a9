"""A docker-compose file becomes a job, or each of its lines that has no counterpart is named."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from mooring.jobs import (
    CheckRestart,
    Constraint,
    Docker,
    DockerLogging,
    DockerMount,
    Group,
    InvalidJob,
    Job,
    Lifecycle,
    Network,
    Port,
    Reschedule,
    Resources,
    Restart,
    ScriptCheck,
    Service,
    Task,
    Template,
    TmpfsOptions,
    Update,
    Volume,
    VolumeMount,
)

CORPUS = Path(__file__).parents[2] / "corpus" / "compose"


def composed(tmp_path: Path, text: str, **arguments: Any) -> Job:
    file = tmp_path / "stack.yaml"
    file.write_text(text)
    return Job.from_compose(file, **arguments)


def of_one(tmp_path: Path, *lines: str, **arguments: Any) -> Job:
    """A file with one service, of which these are the lines beside its image."""
    return composed(tmp_path, "\n    ".join(["services:\n  web:\n    image: web:1", *lines]), **arguments)


def task(job: Job) -> Task:
    return job.groups[0].tasks[0]


def docker(job: Job) -> Docker:
    driver = task(job).driver
    assert isinstance(driver, Docker)
    return driver


def refused(tmp_path: Path, *lines: str, **arguments: Any) -> list[str]:
    with pytest.raises(InvalidJob) as refusal:
        of_one(tmp_path, *lines, **arguments)
    return [str(problem) for problem in refusal.value.problems]


def test_a_whole_stack() -> None:
    job = Job.from_compose(CORPUS / "shop.yaml", images={"web": "registry.example:5000/web@sha256:0"})

    assert job == Job("shop", groups=[SHOP])


NAMES = ["web:127.0.0.1", "schema:127.0.0.1", "db:127.0.0.1", "cache:127.0.0.1"]

SHOP = Group(
    "shop",
    networks=[Network(mode="bridge", ports={"web_8080": Port(to=80, static=8080), "web_9090": Port(to=9090)})],
    services=[
        Service("shop-web", port="web_8080", task="web"),
        Service(
            "shop-db",
            task="db",
            checks=[
                ScriptCheck(
                    "pg_isready",
                    args=["-U", "shop"],
                    name="db is healthy",
                    task="db",
                    interval=timedelta(seconds=5),
                    timeout=timedelta(seconds=2),
                    check_restart=CheckRestart(5, grace=timedelta(seconds=20)),
                )
            ],
        ),
    ],
    volumes={"data": Volume("data", type="host")},
    update=Update(max_parallel=1, auto_revert=True),
    tasks=[
        Task(
            "web",
            Docker(
                "registry.example:5000/web@sha256:0",
                cap_drop=["all"],
                extra_hosts=NAMES,
                logging=DockerLogging(type="syslog", config={"tag": "shop"}),
                mount=[DockerMount("/tmp", type="tmpfs")],  # noqa: S108 -- inside the container
                pids_limit=100,
                readonly_rootfs=True,
            ),
            env={"DATABASE_URL": "postgres://shop@db:5432/shop", "CACHE": "cache:6379", "LEVEL": "info"},
            resources=Resources(cpu=250, memory=128, memory_max=256),
            kill_timeout=timedelta(seconds=90),
            meta={"team": "shop"},
        ),
        Task(
            "schema",
            Docker("shop/schema:7", args=["migrate", "--all"], extra_hosts=NAMES),
            env={"DATABASE_URL": "postgres://shop@db:5432/shop"},
            lifecycle=Lifecycle("prestart"),
            restart=Restart(attempts=0),
        ),
        Task(
            "db",
            Docker(
                "postgres:16-alpine",
                extra_hosts=NAMES,
                mount=[
                    DockerMount("/run/secrets/password", type="bind", source="secrets/password", readonly=True),
                ],
                ulimit={"nofile": "20000:40000"},
            ),
            env={"POSTGRES_PASSWORD_FILE": "/run/secrets/password", "PRICE": "5 $"},
            lifecycle=Lifecycle("prestart", sidecar=True),
            templates=[
                Template(
                    "secrets/password",
                    data='{{ with nomadVar "nomad/jobs/shop" }}{{ index . "password" }}{{ end }}',
                )
            ],
            volume_mounts=[VolumeMount("data", "/var/lib/postgresql/data")],
        ),
        Task(
            "cache",
            Docker(
                "redis:7-alpine",
                entrypoint=["redis-server"],
                args=["--save", "", "--appendonly", "no"],
                extra_hosts=NAMES,
            ),
            lifecycle=Lifecycle("prestart", sidecar=True),
        ),
    ],
)


def test_everything_without_a_counterpart_is_named_with_its_line() -> None:
    with pytest.raises(InvalidJob) as refusal:
        Job.from_compose(CORPUS / "refused.yaml")

    assert {problem.path for problem in refusal.value.problems} == {
        "refused.yaml:4: services.web.build",
        "refused.yaml:5: services.web.privileged",
        "refused.yaml:6: services.web.pid",
        "refused.yaml:7: services.web.network_mode",
        "refused.yaml:9: services.web.devices",
        "refused.yaml:11: services.web.volumes.0",
        "refused.yaml:12: services.web.volumes.1",
        "refused.yaml:14: services.web.environment.HOME",
        "refused.yaml:15: services.web.environment.1",
        "refused.yaml:17: services.web.ports.0",
        "refused.yaml:19: services.web.configs",
        "refused.yaml:21: services.web.deploy.mode",
        "refused.yaml:23: services.web.deploy.placement",
        "refused.yaml:24: services.web.wishes",
        "refused.yaml:29: include",
    }


def test_a_service_alone_has_its_ports_mapped_by_docker_itself(tmp_path: Path) -> None:
    """No network namespace of the group's: one that outlives a power cut half made is a known trouble of those."""
    job = of_one(tmp_path, "ports: ['8080:80', '53:53/tcp', '53:53/udp']", "hostname: shop", "container_name: x")

    assert job.groups[0].networks == (
        Network(mode="host", ports={"web_8080": Port(to=80, static=8080), "web_53": Port(to=53, static=53)}),
    )
    assert docker(job) == Docker("web:1", ports=["web_8080", "web_53"], hostname="shop")
    assert job.groups[0].services == (Service("stack-web", port="web_8080", task="web"),)


def test_services_without_a_network_in_common_have_groups_of_their_own(tmp_path: Path) -> None:
    job = composed(
        tmp_path,
        """
        services:
          a: {image: a, networks: [front], scale: 3}
          b: {image: b, networks: [back]}
          c: {image: c, networks: {back: {aliases: [see]}}}
        networks: {front: {}, back: {driver: bridge}}
        """,
    )

    assert [(group.name, group.count, [task.name for task in group.tasks]) for group in job.groups] == [
        ("a", 3, ["a"]),
        ("b", None, ["b", "c"]),
    ]
    assert "see:127.0.0.1" in str(job.groups[1].tasks[0].driver)


def test_replicas_are_instances_of_the_group(tmp_path: Path) -> None:
    assert of_one(tmp_path, "deploy: {replicas: 3, mode: replicated}").groups[0].count == 3


def test_other_replicas_than_those_of_the_group_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match=r"stack\.yaml:4: services\.a\.deploy\.replicas: 2 instances are of the whole"):
        composed(tmp_path, "services:\n  a:\n    image: a\n    deploy: {replicas: 2}\n  b: {image: b}\n")


def test_two_services_of_a_group_that_listen_on_one_port_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match=r"stack\.yaml:3: services\.b\.expose\.0: a listens on 80 as well"):
        composed(tmp_path, "services:\n  a: {image: a, ports: ['81:80']}\n  b: {image: b, expose: [80]}\n")


@pytest.mark.parametrize(
    ("needs", "hooks"),
    [
        ({}, {}),
        ({"b": "a"}, {"a": "prestart"}),
        ({"b": "a", "c": "b"}, {"a": "prestart", "c": "poststart"}),
    ],
)
def test_what_others_wait_for_starts_before_them(tmp_path: Path, needs: dict[str, str], hooks: dict[str, str]) -> None:
    services = {name: {"image": name} | ({"depends_on": [needs[name]]} if name in needs else {}) for name in "abc"}
    job = composed(tmp_path, yaml.safe_dump({"services": services}))

    assert {task.name: task.lifecycle.hook for task in job.groups[0].tasks if task.lifecycle is not None} == hooks
    assert all(task.lifecycle.sidecar for task in job.groups[0].tasks if task.lifecycle is not None)


@pytest.mark.parametrize(
    ("needs", "reason"),
    [
        ({"b": "a", "c": "b", "d": "c"}, r"services\.d\.depends_on\.0: waits for services that wait for others"),
        ({"a": "b", "b": "a"}, "waits for itself"),
        ({"a": "x"}, r"services\.a\.depends_on\.0: x is not in the same group"),
    ],
)
def test_an_order_that_a_group_cannot_keep_is_refused(tmp_path: Path, needs: dict[str, str], reason: str) -> None:
    services = {name: {"image": name} | ({"depends_on": [needs[name]]} if name in needs else {}) for name in "abcd"}

    with pytest.raises(InvalidJob, match=reason):
        composed(tmp_path, yaml.safe_dump({"services": services}))


def test_only_what_waits_for_nobody_can_be_waited_out(tmp_path: Path) -> None:
    text = """
    services:
      a: {image: a}
      b: {image: b, depends_on: [a]}
      c: {image: c, depends_on: {b: {condition: service_completed_successfully}}}
    """

    with pytest.raises(InvalidJob, match="b waits for others itself"):
        composed(tmp_path, text)


@pytest.mark.parametrize(
    ("lines", "driver"),
    [
        (["command: run --fast 'a b'"], {"args": ["run", "--fast", "a b"]}),
        (["command: [run, --fast]"], {"args": ["run", "--fast"]}),
        (["entrypoint: /run.sh now"], {"entrypoint": ["/run.sh", "now"]}),
        (
            ["working_dir: /app", "init: true", "tty: true", "stdin_open: true"],
            {"work_dir": "/app", "init": True, "tty": True, "interactive": True},
        ),
        (["cap_add: [NET_ADMIN]", "cap_drop: [all]"], {"cap_add": ["NET_ADMIN"], "cap_drop": ["all"]}),
        (
            ["security_opt: [no-new-privileges]", "group_add: [1000]"],
            {"security_opt": ["no-new-privileges"], "group_add": ["1000"]},
        ),
        (
            ["dns: 10.0.0.53", "dns_search: [a.b]", "dns_opt: [use-vc]"],
            {"dns_servers": ["10.0.0.53"], "dns_search_domains": ["a.b"], "dns_options": ["use-vc"]},
        ),
        (["extra_hosts: ['a:10.0.0.1']"], {"extra_hosts": ["a:10.0.0.1"]}),
        (["extra_hosts: {a: 10.0.0.1}"], {"extra_hosts": ["a:10.0.0.1"]}),
        (["extra_hosts: ['a=10.0.0.1']"], {"extra_hosts": ["a:10.0.0.1"]}),
        (
            ["shm_size: 64mb", "pids_limit: 20", "runtime: runsc"],
            {"shm_size": 67108864, "pids_limit": 20, "runtime": "runsc"},
        ),
        (["sysctls: {net.core.somaxconn: 1024}"], {"sysctl": {"net.core.somaxconn": "1024"}}),
        (["ulimits: {nproc: 65535}"], {"ulimit": {"nproc": "65535"}}),
        (["pull_policy: always"], {"force_pull": True}),
        (
            ["tmpfs: [/run, '/cache:size=64m']"],
            {"mount": [DockerMount("/run", type="tmpfs"), DockerMount("/cache", type="tmpfs")]},
        ),
        (["volumes: [/cache]"], {"mount": [DockerMount("/cache", type="volume")]}),
        (
            ["volumes: [{type: tmpfs, target: /run, tmpfs: {size: 1m}}]"],
            {"mount": [DockerMount("/run", type="tmpfs", tmpfs_options=TmpfsOptions(size=1048576))]},
        ),
        (["privileged: false", "network_mode: bridge", "profiles: [dev]", "x-mine: 1"], {}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_docker_itself_is_told(tmp_path: Path, lines: list[str], driver: dict[str, Any]) -> None:
    assert docker(of_one(tmp_path, *lines)) == Docker("web:1", **driver)


@pytest.mark.parametrize(
    ("lines", "changes"),
    [
        (["user: '1000'", "stop_signal: SIGINT"], {"user": "1000", "kill_signal": "SIGINT"}),
        (["stop_grace_period: 20s"], {"kill_timeout": timedelta(seconds=20)}),
        (["labels: [a=b, c=d]"], {"meta": {"a": "b", "c": "d"}}),
        (["labels: {a: b}", "deploy: {labels: {c: d}}"], {"meta": {"a": "b", "c": "d"}}),
        (["mem_limit: 1.5g", "cpus: 1.5"], {"resources": Resources(memory=1536, cpu=1500)}),
        (["deploy: {resources: {limits: {cpus: '0.5', memory: 50M}}}"], {"resources": Resources(cpu=500, memory=50)}),
        (["restart: always"], {}),
        (["restart: unless-stopped"], {}),
        (["restart: on-failure:5"], {"restart": Restart(attempts=5)}),
        (
            ["deploy: {restart_policy: {condition: any, delay: 5s, max_attempts: 3, window: 2m}}"],
            {"restart": Restart(attempts=3, delay=timedelta(seconds=5), interval=timedelta(minutes=2))},
        ),
        (
            ["environment: {A: 1, B: yes, C: 22:22, D: 0123}"],
            {"env": {"A": "1", "B": "yes", "C": "22:22", "D": "0123"}},
        ),
        (["environment: [A=1, 'B=x=y', C=]"], {"env": {"A": "1", "B": "x=y", "C": ""}}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_the_task_is_told(tmp_path: Path, lines: list[str], changes: dict[str, Any]) -> None:
    assert task(of_one(tmp_path, *lines)) == Task("web", Docker("web:1"), **changes)


def test_a_service_that_is_not_restarted_is_not_placed_anew_either(tmp_path: Path) -> None:
    for line in ("restart: 'no'", "deploy: {restart_policy: {condition: none}}"):
        job = of_one(tmp_path, line)

        assert task(job).restart == Restart(attempts=0)
        assert job.groups[0].reschedule == Reschedule(attempts=0, unlimited=False)


def test_a_platform_is_a_constraint_of_the_group(tmp_path: Path) -> None:
    assert of_one(tmp_path, "platform: linux/arm64").groups[0].constraints == (Constraint("${attr.cpu.arch}", "arm64"),)


@pytest.mark.parametrize(
    ("test", "command", "args"),
    [
        ("curl localhost", "/bin/sh", ("-c", "curl localhost")),
        ('["CMD-SHELL", "a || b"]', "/bin/sh", ("-c", "a || b")),
        ('["CMD", "a", "b"]', "a", ("b",)),
    ],
)
def test_a_healthcheck_is_a_script_inside_the_task(
    tmp_path: Path, test: str, command: str, args: tuple[str, ...]
) -> None:
    (service,) = of_one(tmp_path, "healthcheck:", f"  test: {test}").groups[0].services
    (check,) = service.checks

    assert isinstance(check, ScriptCheck)
    assert (check.command, check.args, check.task) == (command, args, "web")
    assert (check.interval, check.timeout, check.check_restart) == (
        timedelta(seconds=30),
        timedelta(seconds=30),
        CheckRestart(3),
    )


@pytest.mark.parametrize("line", ["healthcheck: {disable: true}", "healthcheck: {test: [NONE]}"])
def test_a_healthcheck_can_be_none(tmp_path: Path, line: str) -> None:
    assert not of_one(tmp_path, line).groups[0].services


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("$NAME", "value"),
        ("${NAME}", "value"),
        ("a-${NAME}-b", "a-value-b"),
        ("$$NAME", "$NAME"),
        ("$${NAME}", "${NAME}"),
        ("${NONE-other}", "other"),
        ("${NONE:-other}", "other"),
        ("${EMPTY-other}", ""),
        ("${EMPTY:-other}", "other"),
        ("${NAME:-other}", "value"),
        ("${NONE:-${NAME}}", "value"),
        ("${NAME:+there}", "there"),
        ("${NONE:+there}", ""),
        ("${NAME?must be}", "value"),
    ],
)
def test_a_variable_is_filled_in_as_compose_does(tmp_path: Path, written: str, meant: str) -> None:
    variables = {"NAME": "value", "EMPTY": ""}

    assert task(of_one(tmp_path, f"environment: {{A: '{written}'}}", variables=variables)).env == {"A": meant}
    assert task(of_one(tmp_path, f"environment: ['A={written}']", variables=variables)).env == {"A": meant}


def test_a_file_of_variables_gives_way_to_those_beside_it(tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text("# ours\nexport A=1\nB='two # 2'\nC = three # 3\n\nnothing\n")

    job = of_one(tmp_path, "env_file: [web.env, {path: none.env, required: false}]", "environment: {A: one}")

    assert task(job).env == {"A": "one", "B": "two # 2", "C": "three"}


def test_a_volume_has_the_name_that_the_agents_know(tmp_path: Path) -> None:
    job = composed(
        tmp_path,
        """
        services:
          db:
            image: db
            volumes: ["data:/data:ro", {type: volume, source: logs, target: /logs, read_only: true}]
        volumes: {data: {name: shared, external: true}, logs: {driver: local}}
        """,
    )

    assert job.groups[0].volumes == {"data": Volume("shared", type="host"), "logs": Volume("logs", type="host")}
    assert task(job).volume_mounts == (
        VolumeMount("data", "/data", read_only=True),
        VolumeMount("logs", "/logs", read_only=True),
    )


def test_what_an_anchor_holds_gives_way_to_what_is_said_beside_it(tmp_path: Path) -> None:
    job = composed(
        tmp_path,
        """
        x-usual: &usual {image: web, user: nobody}
        services:
          web: {<<: *usual, user: root}
        """,
    )

    assert task(job) == Task("web", Docker("web"), user="root")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["image: web:2"], "stack.yaml:4: services.web.image: stands there twice"),
        (["ports: [x]"], "stack.yaml:4: services.web.ports.0: 'x' is not a port as 8080:80"),
        (["ports: [{published: '80'}]"], "stack.yaml:4: services.web.ports.0: has no target"),
        (["ports: [{target: 80, wishes: 1}]"], "services.web.ports.0.wishes: has no counterpart"),
        (["ports: ['80-82:80-81']"], "services.web.ports.0: 3 ports cannot lead to 2"),
        (["expose: ['80:80']"], "services.web.expose.0: '80:80' is not a port"),
        (["mem_limit: lots"], "services.web.mem_limit: 'lots' is not a size as 512m"),
        (["stop_grace_period: soon"], "services.web.stop_grace_period: 'soon' is not a time as 1m30s"),
        (["scale: many"], "services.web.scale: 'many' is not a whole number"),
        (["cpus: many"], "services.web.cpus: 'many' is not a number"),
        (["init: perhaps"], "services.web.init: 'perhaps' is not true or false"),
        (["user: [a]"], "services.web.user: is not text"),
        (["deploy: 3"], "services.web.deploy: is not a mapping"),
        (["cap_add: {a: b}"], "services.web.cap_add: is not a list"),
        (["restart: never"], "services.web.restart: 'never' is not no, always, on-failure or unless-stopped"),
        (["environment: {A: null}"], "services.web.environment.A: has no value"),
        (["environment: {A: $}"], "services.web.environment.A: a dollar sign stands for a variable"),
        (["env_file: none.env"], "services.web.env_file: there is no file none.env beside this one"),
        (["volumes: [data:/data]"], "services.web.volumes.0: data is none of the file's volumes"),
        (["networks: [front]"], "services.web.networks.0: front is none of the file's networks"),
        (["networks: {default: {ipv4_address: 10.0.0.1}}"], "networks.default.ipv4_address: has no counterpart"),
        (["secrets: [key]"], "services.web.secrets.0: key is none of the file's secrets"),
        (["secrets: [{target: x, uid: '1'}]"], "services.web.secrets.0.uid: has no counterpart"),
        (["network_mode: 'container:x'"], "services.web.network_mode: 'container:x' has no counterpart"),
        (["ipc: shareable"], "services.web.ipc: has no counterpart"),
        (["platform: windows/amd64"], "services.web.platform: 'windows/amd64' has no counterpart"),
        (["extra_hosts: ['a:host-gateway']"], "services.web.extra_hosts.a: has no counterpart"),
        (["depends_on: {web: {restart: true}}"], "services.web.depends_on.web.restart: has no counterpart"),
        (["links: ['web:other']"], "services.web.links.0: other is a name for web here alone"),
        (["healthcheck: {test: [RUN, x]}"], "services.web.healthcheck.test: is not NONE, CMD or CMD-SHELL"),
        (["healthcheck: {start_interval: 1s}"], "services.web.healthcheck.start_interval: has no counterpart"),
        (["logging: {driver: syslog, x: 1}"], "services.web.logging.x: has no counterpart"),
        (["deploy: {resources: {limits: {devices: []}}}"], "deploy.resources.limits.devices: has no counterpart"),
        (["deploy: {resources: {wishes: {}}}"], "deploy.resources.wishes: has no counterpart"),
        (["deploy: {restart_policy: {x: 1}}"], "deploy.restart_policy.x: has no counterpart"),
        (["deploy: {update_config: {order: start-first}}"], "deploy.update_config.order: has no counterpart"),
        (["volumes: [{type: npipe, target: /x}]"], "services.web.volumes.0.type: 'npipe' has no counterpart"),
        (["volumes: [{type: bind, source: ./a, target: /x, bind: {}}]"], "services.web.volumes.0.bind: has no"),
        (["extends: base"], "services.web.extends: has no counterpart: a YAML anchor says the same"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_line_without_a_counterpart_is_named(tmp_path: Path, lines: list[str], sentence: str) -> None:
    assert any(sentence in told for told in refused(tmp_path, *lines))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "stack.yaml: has no services"),
        ("services: {web: {}}", "stack.yaml:1: services.web: has neither an image nor a build"),
        ("services: {web: {image: a}}\nvolumes: {a: {driver: nfs}}", "stack.yaml:2: volumes.a.driver: has no"),
        ("services: {web: {image: a}}\nvolumes: {a: {driver_opts: {}}}", "stack.yaml:2: volumes.a.driver_opts: has no"),
        ("services: {web: {image: a}}\nnetworks: {a: {external: true}}", "stack.yaml:2: networks.a.external: has no"),
        ("services: {web: {image: a}}\nnetworks: {a: {driver: macvlan}}", "networks.a.driver: 'macvlan' is not bridge"),
    ],
)
def test_a_file_without_a_counterpart_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InvalidJob) as refusal:
        composed(tmp_path, text)

    assert any(sentence in str(problem) for problem in refusal.value.problems)


def test_an_image_for_a_service_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, images={"wbe": "web:2"}) == ["images: stack.yaml has no service 'wbe'"]


def test_two_updates_of_one_group_are_refused(tmp_path: Path) -> None:
    text = """
    services:
      a: {image: a, deploy: {update_config: {parallelism: 1}}}
      b: {image: b, deploy: {update_config: {parallelism: 2}}}
    """

    with pytest.raises(InvalidJob, match=r"services\.b: says another update"):
        composed(tmp_path, text)


def test_what_breaks_a_rule_of_nomads_is_refused_in_the_jobs_own_words(tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match=r"^groups\.stack\.tasks\.web\.resources\.memory: 4 MB is below the minimum"):
        of_one(tmp_path, "mem_limit: 4m")


def test_a_job_is_called_as_compose_would_call_it(tmp_path: Path) -> None:
    (tmp_path / "My Shop").mkdir()
    file = tmp_path / "My Shop" / "docker-compose.yml"
    file.write_text("services: {web: {image: a}}")

    assert Job.from_compose(file).id == "my-shop"
    assert composed(tmp_path, "name: other\nservices: {web: {image: a}}").id == "other"


def test_a_file_that_is_no_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(yaml.YAMLError, match="line 1"):
        composed(tmp_path, "services: [")
