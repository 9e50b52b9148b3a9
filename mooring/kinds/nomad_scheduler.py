"""`mooring:nomad:Scheduler`: how Nomad's schedulers decide. A region has exactly one such configuration, always."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, Self

import pulumi
from typing_extensions import override

from mooring.clients import nomad
from mooring.clients.http import Endpoint
from mooring.kinds.cluster import CLUSTER_SECRETS, NOMAD
from mooring.kinds.kind import CannotImport, Handler, Made, Props, Resource, Seen, Spec, Work, register
from mooring.kinds.meanwhile import ChangedMeanwhile

ID: Final = "scheduler"


class Algorithm(StrEnum):
    BINPACK = "binpack"
    """Fill a node before the next one is used."""

    SPREAD = "spread"


class SchedulerSpec(Spec):
    """The defaults are those of a region that nobody has configured."""

    endpoint: Endpoint
    algorithm: Algorithm = Algorithm.BINPACK
    memory_oversubscription: bool = False
    """Whether a task's `memory_max` counts."""

    reject_jobs: bool = False
    """Take jobs from management tokens alone."""

    pause: bool = False
    """Place nothing anew until this is taken back."""

    preempt_for_system: bool = True
    preempt_for_sysbatch: bool = False
    preempt_for_batch: bool = False
    preempt_for_service: bool = False

    def to_api(self) -> dict[str, Any]:
        return {
            "SchedulerAlgorithm": self.algorithm,
            "MemoryOversubscriptionEnabled": self.memory_oversubscription,
            "RejectJobRegistration": self.reject_jobs,
            "PauseEvalBroker": self.pause,
            "PreemptionConfig": {
                "SystemSchedulerEnabled": self.preempt_for_system,
                "SysBatchSchedulerEnabled": self.preempt_for_sysbatch,
                "BatchSchedulerEnabled": self.preempt_for_batch,
                "ServiceSchedulerEnabled": self.preempt_for_service,
            },
        }

    @classmethod
    def from_api(cls, body: Mapping[str, Any], endpoint: Endpoint) -> Self:
        preemption = body["PreemptionConfig"]
        return cls(
            endpoint=endpoint,
            algorithm=Algorithm(body["SchedulerAlgorithm"]),
            memory_oversubscription=body["MemoryOversubscriptionEnabled"],
            reject_jobs=body["RejectJobRegistration"],
            pause=body["PauseEvalBroker"],
            preempt_for_system=preemption["SystemSchedulerEnabled"],
            preempt_for_sysbatch=preemption["SysBatchSchedulerEnabled"],
            preempt_for_batch=preemption["BatchSchedulerEnabled"],
            preempt_for_service=preemption["ServiceSchedulerEnabled"],
        )


@register
class SchedulerHandler(Handler[SchedulerSpec]):
    """There is always one, so a create is an update of what stands there, and a delete leaves it as it is.

    Going back to Nomad's defaults would not be taking something away: it would be deciding anew how jobs are placed.
    """

    token = "mooring:nomad:Scheduler"  # noqa: S105 -- a type token, not a secret
    spec = SchedulerSpec
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS
    reached_as = NOMAD

    @override
    def renewed(self, changed: frozenset[str]) -> Iterable[str]:
        return ("modify_index",)

    @override
    def named(self, id_: str) -> Props:
        if id_ != ID:
            raise CannotImport(f"there is one such configuration, and it is imported as {ID!r}, got {id_!r}")
        return {}

    @override
    def create(self, spec: SchedulerSpec, work: Work) -> Made:
        found = nomad.region(spec.endpoint).scheduler()
        if SchedulerSpec.from_api(found, spec.endpoint) == spec:
            return Made(id=ID, outputs={"modify_index": found["ModifyIndex"]})
        return Made(id=ID, outputs=self._put(spec, unless_changed_since=found["ModifyIndex"]))

    @override
    def read(self, id_: str, spec: SchedulerSpec, outputs: Props, work: Work) -> Seen[SchedulerSpec] | None:
        found = nomad.region(spec.endpoint).scheduler()
        return Seen(spec=SchedulerSpec.from_api(found, spec.endpoint), outputs={"modify_index": found["ModifyIndex"]})

    @override
    def update(self, id_: str, old: SchedulerSpec, new: SchedulerSpec, outputs: Props, work: Work) -> Props:
        return self._put(new, unless_changed_since=outputs["modify_index"])

    @override
    def delete(self, id_: str, spec: SchedulerSpec, outputs: Props, work: Work) -> None:
        """Leave it: see above."""

    @staticmethod
    def _put(spec: SchedulerSpec, *, unless_changed_since: int) -> Props:
        index = nomad.region(spec.endpoint).put_scheduler(spec.to_api(), unless_changed_since=unless_changed_since)
        if index is None:
            raise ChangedMeanwhile("nomad's scheduler configuration")
        return {"modify_index": index}


class Scheduler(Resource):
    modify_index: pulumi.Output[int]

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        algorithm: Algorithm = Algorithm.BINPACK,
        memory_oversubscription: bool = False,
        reject_jobs: bool = False,
        pause: bool = False,
        preempt_for_system: bool = True,
        preempt_for_sysbatch: bool = False,
        preempt_for_batch: bool = False,
        preempt_for_service: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "endpoint": endpoint,
            "algorithm": algorithm,
            "memory_oversubscription": memory_oversubscription,
            "reject_jobs": reject_jobs,
            "pause": pause,
            "preempt_for_system": preempt_for_system,
            "preempt_for_sysbatch": preempt_for_sysbatch,
            "preempt_for_batch": preempt_for_batch,
            "preempt_for_service": preempt_for_service,
        }
        super().__init__(SchedulerHandler, resource_name, inputs, outputs=("modify_index",), opts=opts)
