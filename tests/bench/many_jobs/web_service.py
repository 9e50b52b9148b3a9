"""The job that is measured, as often as is asked for."""

from datetime import timedelta

from mooring import jobs

SECOND = timedelta(seconds=1)


def web_service(number: int, release: str) -> jobs.Job:
    """A web service as people write it. Nobody asks for an instance of it, so no client is needed to run one."""
    name = f"web-{number:04}"
    return jobs.Job(
        name,
        datacenters=["dc1"],
        groups=[
            jobs.Group(
                "web",
                count=0,
                networks=[jobs.Network(ports={"http": jobs.Port(to=8080)})],
                services=[
                    jobs.Service(
                        name=name,
                        port="http",
                        checks=[jobs.HttpCheck("/healthz", interval=SECOND, timeout=SECOND)],
                    )
                ],
                update=jobs.Update(canary=1, auto_promote=True, auto_revert=True),
                tasks=[
                    jobs.Task(
                        "web",
                        jobs.Docker(f"registry.example:5000/web@sha256:{number:064x}", ports=["http"]),
                        env={"PORT": "8080", "RELEASE": release},
                        resources=jobs.Resources(cpu=100, memory=128),
                    )
                ],
            )
        ],
    )
