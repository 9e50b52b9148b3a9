"""What every kind promises, on the real servers that the pretended ones stand for."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from lifecycle.cases import SECOND, Reach, job
from lifecycle.promises import Lifecycle
from live.stack import Stack

from mooring.clients import nomad
from mooring.clients.http import Endpoint
from mooring.kinds.kind import NotHealthy, Work
from mooring.kinds.nomad_job import JobHandler, JobSpec

pytestmark = pytest.mark.live


def opened(found: dict[str, Any]) -> Any:
    """For `json.loads`: what `pulumi stack export --show-secrets` tells, without the wrappers."""
    return json.loads(found["plaintext"], object_hook=opened) if "plaintext" in found else found


def work(stack: str) -> Work:
    return Work(urn=f"urn:pulumi:{stack}::mooring::x::lifecycle", name="lifecycle", project="lifecycle", stack=stack)


@pytest.fixture(scope="module")
def reach(stack: Stack) -> Reach:
    exported = json.loads(stack.pulumi("stack", "export", "--show-secrets").stdout, object_hook=opened)
    clusters = {
        resource["type"]: Endpoint.model_validate(resource["inputs"]["endpoint"])
        for resource in exported["deployment"]["resources"]
        if resource["type"] in ("mooring:consul:Cluster", "mooring:nomad:Cluster")
    }
    hello = nomad.region(clusters["mooring:nomad:Cluster"]).job("hello")
    assert hello is not None
    return Reach(
        consul=clusters["mooring:consul:Cluster"],
        nomad=clusters["mooring:nomad:Cluster"],
        host=stack.overview().hosts[0].connection,
        image=hello["TaskGroups"][0]["Tasks"][0]["Config"]["image"],
        work=work,
    )


class TestOnRealServers(Lifecycle):
    """With names of their own, beside what the stack has there."""


class TestFailedDeployment:
    @pytest.fixture
    def failing(self, reach: Reach, request: pytest.FixtureRequest) -> Iterator[JobSpec]:
        body = job(reach.image)
        group = body["TaskGroups"][0]
        group["Update"]["MinHealthyTime"] = 5 * SECOND  # or it would be healthy before it ends
        group["RestartPolicy"] = {"Attempts": 0, "Interval": 5 * SECOND, "Delay": SECOND, "Mode": "fail"}
        group["ReschedulePolicy"] = {"Delay": 5 * SECOND, "DelayFunction": "constant", "Unlimited": True}
        says = "console.log('starting'); console.error('no such module'); process.exit(3)"
        group["Tasks"][0]["Config"] |= {"command": "node", "args": ["-e", says]}
        group["Tasks"][0]["Env"]["TEST"] = request.node.name
        spec = JobSpec(endpoint=reach.nomad, job_id=body["ID"], job=body)
        yield spec
        JobHandler().delete("lifecycle", spec, {}, work("test"))

    @staticmethod
    def failure(spec: JobSpec) -> NotHealthy:
        with pytest.raises(NotHealthy, match="Failed due to unhealthy allocations") as caught:
            JobHandler().create(spec, work("test"))
        print(*caught.value.reasons, sep="\n")
        return caught.value

    def test_it_tells_the_instance_its_node_its_events_and_its_last_words(self, failing: JobSpec) -> None:
        told = self.failure(failing).reasons[1]

        assert told.startswith("instance ")
        assert " on test-server-" in told
        assert "Exit Code: 3" in told
        assert told.splitlines()[1:] == ["    starting", "    no such module"]

    def test_the_next_run_tries_again(self, failing: JobSpec) -> None:
        first = self.failure(failing)

        with pytest.raises(NotHealthy, match="unhealthy") as second:
            JobHandler().update("lifecycle", failing, failing, first.outputs, work("test"))

        assert second.value.outputs["version"] == first.outputs["version"] + 1

    def test_a_job_that_is_made_again_is_not_judged_by_its_forerunner(self, failing: JobSpec) -> None:
        first = self.failure(failing)
        JobHandler().delete("lifecycle", failing, first.outputs, work("test"))

        second = self.failure(failing)

        assert second.reasons[1].split()[:2] != first.reasons[1].split()[:2]
