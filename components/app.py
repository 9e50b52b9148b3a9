"""A web service from an image: the short form of a job, whose defaults heal."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pulumi

from components.access import NomadAccess, Service
from components.job_body import body_of
from components.timings import Timings, timings
from mooring import jobs
from mooring.kinds.nomad_job import Job
from mooring.kinds.nomad_run import Run
from mooring.kinds.nomad_variable import Variable

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class AppArgs:
    """What differs between apps. A typed piece is laid over the app's own: what it says wins, the rest stays."""

    port: int
    """On which the app listens inside its container; it is told by the variable PORT."""

    health: str = "/"
    """A path that answers 200 when the instance may be sent requests, and anything else when it must not."""

    count: int = 3
    cpu: int = 100
    """MHz, a share rather than a limit."""

    memory: int = 128
    """MiB, a limit: an instance that needs more is killed and restarted."""

    env: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    """Variables that whoever may read jobs may read; what must stay a secret belongs into `secrets`."""

    secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    """Variables that only the app's own instances can read: Nomad keeps them, encrypted, and the job names them only.
    A change rolls through the instances as any other."""

    before: Sequence[str] = ()
    """A command in the same image, with the same variables, that must end well before this version is started: a
    database migration. When it fails the app stays as it is, and `up` fails with what the command said last."""

    stop_within: int = 20
    """Seconds an instance has to finish what it is doing."""

    healthy_within: int | None = None
    """Seconds a new instance has, its image pulled, until a deployment counts as bad and is reverted; what the servers'
    processors allow for unless given."""

    pace: Timings = field(default_factory=lambda: timings((), clients=0))
    """How soon an instance is checked, restarted and placed anew."""

    update: jobs.Update | None = None
    restart: jobs.Restart | None = None
    reschedule: jobs.Reschedule | None = None
    migrate: jobs.Migrate | None = None
    scaling: jobs.Scaling | None = None
    """Hands the count to an autoscaler; `count` is what it starts from."""

    constraints: Sequence[jobs.Constraint] = ()
    beside: Sequence[jobs.Task] = ()
    """Further tasks on the same node as each instance: a proxy, a shipper of logs."""

    change: Callable[[jobs.Job], jobs.Job] | None = None
    """The last word on anything: is given the job and returns what takes its place."""

    def problems(self) -> Iterator[str]:
        """What is wrong with what the job itself does not show."""
        for name in self.secrets:
            if not VARIABLE.fullmatch(name):
                yield f"secrets: {name!r} is no variable's name: letters, digits and underscores would do"
            if name in self.env or name == "PORT":
                yield f"secrets: {name} stands in env as well; one of the two must go"


class App(pulumi.ComponentResource):
    """The app is there when all its instances are healthy."""

    def __init__(
        self,
        name: str,
        *,
        image: pulumi.Input[str],
        on: NomadAccess,
        port: int,
        health: str = "/",
        count: int = 3,
        cpu: int = 100,
        memory: int = 128,
        env: Mapping[str, pulumi.Input[str]] | None = None,
        secrets: Mapping[str, pulumi.Input[str]] | None = None,
        before: Sequence[str] = (),
        after: Sequence[pulumi.Resource] = (),
        stop_within: int = 20,
        healthy_within: int | None = None,
        update: jobs.Update | None = None,
        restart: jobs.Restart | None = None,
        reschedule: jobs.Reschedule | None = None,
        migrate: jobs.Migrate | None = None,
        scaling: jobs.Scaling | None = None,
        constraints: Sequence[jobs.Constraint] = (),
        beside: Sequence[jobs.Task] = (),
        change: Callable[[jobs.Job], jobs.Job] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Each argument is a field of `AppArgs`, but for `after`: what must be there before any of it is touched."""
        super().__init__("platform:app:App", name, None, opts)
        args = AppArgs(
            port=port,
            health=health,
            count=count,
            cpu=cpu,
            memory=memory,
            env=env or {},
            secrets=secrets or {},
            before=before,
            stop_within=stop_within,
            healthy_within=healthy_within,
            pace=on.timings,
            update=update,
            restart=restart,
            reschedule=reschedule,
            migrate=migrate,
            scaling=scaling,
            constraints=constraints,
            beside=beside,
            change=change,
        )
        if problems := [f"  {problem}" for problem in args.problems()]:
            raise pulumi.RunError("\n".join([f"app {name} cannot be run:", *problems]))
        self._going = pulumi.ResourceOptions(parent=self, deleted_with=on.goes_with)
        waiting = pulumi.ResourceOptions.merge(self._going, pulumi.ResourceOptions(depends_on=list(after)))
        self.job = job(name, image, on.datacenter, args, self._kept(name, args, on))
        earlier: list[pulumi.Resource] = []
        if args.before:
            first = job_before(name, image, on.datacenter, args, self._kept(f"{name}-before", args, on))
            earlier.append(Run(first.id, endpoint=on.deploy, job=body_of(first), opts=waiting))
        running = Job(
            name,
            endpoint=on.deploy,
            catalogue=on.catalogue,
            job=body_of(self.job),
            opts=pulumi.ResourceOptions.merge(waiting, pulumi.ResourceOptions(depends_on=earlier)),
        )
        self.service = Service(name=name, health=health, job=running)
        self.register_outputs({})

    def _kept(self, job_id: str, args: AppArgs, on: NomadAccess) -> pulumi.Input[str]:
        """The version of the secrets that the job of that name can read, and no other job."""
        if not args.secrets:
            return ""
        kept = Variable(
            f"{job_id}-secrets", endpoint=on.deploy, path=secrets_path(job_id), items=args.secrets, opts=self._going
        )
        return kept.modify_index.apply(str)


def job(
    name: str, image: pulumi.Input[str], datacenter: str, args: AppArgs, secrets_version: pulumi.Input[str] = ""
) -> jobs.Job:
    """The whole job, in typed pieces."""
    healthy_within = timedelta(seconds=args.healthy_within or args.pace.healthy_within)
    made = jobs.Job(
        name,
        type="service",
        namespace="default",
        priority=50,
        stop=False,
        datacenters=[datacenter],
        constraints=args.constraints,
        groups=[
            jobs.Group(
                name,
                count=args.count,
                # Spread and not distinct_hosts: with as many instances as hosts that would leave no place for a
                # canary, nor for the instance of a host that died.
                spreads=[jobs.Spread("${node.unique.id}", weight=100)],
                networks=[jobs.Network(mode="host", ports={"http": jobs.Port(to=args.port)})],
                services=[_service(name, args)],
                # A service is changed in place, in every instance at the same moment: a mistaken path would be an
                # outage. The group's own data are not, so that a new path comes as a new version does, by canary.
                meta={"health": args.health},
                update=jobs.merged(args.update, _update(healthy_within)),
                restart=jobs.merged(args.restart, _restart(args.pace)),
                reschedule=jobs.merged(args.reschedule, _reschedule(args.pace)),
                migrate=jobs.merged(args.migrate, _migrate(healthy_within)),
                scaling=args.scaling,
                shutdown_delay=timedelta(seconds=args.pace.forgotten_within),
                tasks=[_task(name, image, args, secrets_version), *args.beside],
            )
        ],
    )
    return args.change(made) if args.change else made


def job_before(
    name: str, image: pulumi.Input[str], datacenter: str, args: AppArgs, secrets_version: pulumi.Input[str] = ""
) -> jobs.Job:
    """What runs to its end before the app itself: once, and never again by itself when it fails."""
    id_ = f"{name}-before"
    command, *rest = args.before
    task = replace(
        _task(id_, image, args, secrets_version), driver=replace(_container(image), command=command, args=tuple(rest))
    )
    return jobs.Job(
        id_,
        type="batch",
        namespace="default",
        datacenters=[datacenter],
        constraints=args.constraints,
        groups=[
            jobs.Group(
                id_,
                count=1,
                restart=jobs.Restart(attempts=0, mode="fail"),
                reschedule=jobs.Reschedule(attempts=0, unlimited=False),
                tasks=[task],
            )
        ],
    )


def secrets_path(job_id: str) -> str:
    """Where Nomad keeps what the job of that name, and no other, may read by its own identity."""
    return f"nomad/jobs/{job_id}"


def _restart(pace: Timings) -> jobs.Restart:
    return jobs.Restart(
        attempts=10, interval=timedelta(seconds=300), delay=timedelta(seconds=pace.restart_delay), mode="fail"
    )


def _reschedule(pace: Timings) -> jobs.Reschedule:
    return jobs.Reschedule(
        attempts=0,
        interval=timedelta(0),
        delay=timedelta(seconds=pace.reschedule_delay),
        delay_function="exponential",
        max_delay=timedelta(seconds=pace.reschedule_at_most),
        unlimited=True,
    )


def _update(healthy_within: timedelta) -> jobs.Update:
    return jobs.Update(
        max_parallel=1,
        canary=1,
        auto_promote=True,
        auto_revert=True,
        health_check="checks",
        min_healthy_time=timedelta(seconds=2),
        healthy_deadline=healthy_within,
        # With any other value a bad deployment is reverted only when that time is over.
        progress_deadline=timedelta(0),
    )


def _migrate(healthy_within: timedelta) -> jobs.Migrate:
    return jobs.Migrate(
        max_parallel=1,
        health_check="checks",
        min_healthy_time=timedelta(seconds=2),
        healthy_deadline=healthy_within,
    )


def _service(name: str, args: AppArgs) -> jobs.Service:
    check = jobs.HttpCheck(
        args.health,
        name=f"{name} answers",
        interval=timedelta(seconds=args.pace.check_interval),
        timeout=timedelta(seconds=args.pace.check_timeout),
        check_restart=jobs.CheckRestart(args.pace.check_failures, grace=timedelta(seconds=args.pace.check_grace)),
    )
    return jobs.Service(name, provider="consul", port="http", checks=[check])


def _container(image: pulumi.Input[str]) -> jobs.Docker:
    return jobs.Docker(_text(image), cap_drop=["all"], security_opt=["no-new-privileges"], readonly_rootfs=True)


def _task(job_id: str, image: pulumi.Input[str], args: AppArgs, secrets_version: pulumi.Input[str]) -> jobs.Task:
    return jobs.Task(
        job_id,
        replace(_container(image), ports=["http"]),
        user="65534",
        env={"PORT": str(args.port), **{key: _text(value) for key, value in args.env.items()}},
        templates=[_secrets_file(job_id, args.secrets)] if args.secrets else [],
        # Another version of the secrets is another version of the job, which rolls: a template that restarts its
        # task would restart every instance at the same moment.
        meta={"secrets": _text(secrets_version)} if args.secrets else {},
        resources=jobs.Resources(cpu=args.cpu, memory=args.memory),
        kill_signal="SIGTERM",
        kill_timeout=timedelta(seconds=args.stop_within),
    )


def _secrets_file(job_id: str, names: Iterable[str]) -> jobs.Template:
    """The app's secrets as variables of its environment, rendered on the node into memory."""
    lines = [f"{name}={{{{ .{name}.Value | toJSON }}}}" for name in sorted(names)]
    data = "\n".join([f'{{{{ with nomadVar "{secrets_path(job_id)}" }}}}', *lines, "{{ end }}", ""])
    return jobs.Template("secrets/app.env", data=data, env=True, change_mode="noop")


def _text(value: pulumi.Input[str]) -> str:
    return value if isinstance(value, str) else jobs.later(value)
