"""What Nomad 1.6's API takes or gives and a job here does not hold, each with its reason."""

from collections.abc import Mapping
from types import MappingProxyType

SERVERS = "the server sets it, and it is no part of what is to run"
IGNORED = "the server reads it and forgets it"
SILENT = frozenset({SERVERS, IGNORED})
"""Reasons for which nobody needs to be told: leaving it out changes nothing. For any other, a value is refused."""

_ENTERPRISE = "needs Nomad Enterprise"
_TOKEN = "a secret that the server looks at once; the agents' own tokens are used here, and a program's state never holds one"  # noqa: E501, S105 -- a reason, not a secret
_ALLOCATED = "the scheduler chooses it for each allocation"

LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        "ConsulExposeConfig.Path": "the old word for Paths",
        "ConsulGatewayBindAddress.Name": IGNORED,  # it is the key under which the address stands
        "ConsulProxy.ExposeConfig": "the old word for Expose",
        "Job.ConsulNamespace": _ENTERPRISE,
        "Job.ConsulToken": _TOKEN,
        "Job.CreateIndex": SERVERS,
        "Job.DispatchIdempotencyToken": SERVERS,
        "Job.Dispatched": SERVERS,
        "Job.JobModifyIndex": SERVERS,
        "Job.ModifyIndex": SERVERS,
        "Job.Multiregion": _ENTERPRISE,
        "Job.NomadTokenID": SERVERS,
        "Job.ParentID": SERVERS,
        "Job.Payload": SERVERS,
        "Job.Stable": SERVERS,
        "Job.Status": SERVERS,
        "Job.StatusDescription": SERVERS,
        "Job.SubmitTime": SERVERS,
        "Job.VaultNamespace": _ENTERPRISE,
        "Job.VaultToken": _TOKEN,
        "Job.Version": SERVERS,
        "LogConfig.Enabled": IGNORED,
        "NetworkResource.CIDR": _ALLOCATED,
        "NetworkResource.Device": IGNORED,
        "NetworkResource.IP": _ALLOCATED,
        "Resources.DiskMB": IGNORED,
        "Resources.IOPS": IGNORED,  # beyond a warning
        "ScalingPolicy.CreateIndex": SERVERS,
        "ScalingPolicy.ID": SERVERS,
        "ScalingPolicy.ModifyIndex": SERVERS,
        "ScalingPolicy.Namespace": SERVERS,
        "ScalingPolicy.Target": SERVERS,
        "Service.Namespace": SERVERS,
        "ServiceCheck.Advertise": IGNORED,
        "Task.ScalingPolicies": _ENTERPRISE,
        "TaskGroup.Disconnect": "exists from Nomad 1.8, and before it nothing may be used in its place: leave it out, and a lost instance is replaced at once",  # noqa: E501 -- one sentence
        "Template.VaultGrace": "nothing has used it since Vault 0.5",
    }
)
