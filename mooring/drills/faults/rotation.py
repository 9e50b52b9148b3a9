"""Everything that can be exchanged is exchanged while the app is used: by `up`, as a person does it."""

import textwrap

from mooring.drills import limits
from mooring.drills.drill import Drill, Scene

RAISED = textwrap.dedent(
    """
    import json as _json
    import pulumi as _pulumi

    _now = _json.loads(_pulumi.Config().get("rotation") or "{}")
    _next = {name: _now.get(name, 1) + 1 for name in ("certificates", "gossipKeys")}
    _pulumi.runtime.set_config(f"{_pulumi.get_project()}:rotation", _json.dumps({**_now, **_next}))
    """
)
"""In front of the program it raises the numbers that the stack file says; the file itself stays as it is."""


def _rotate(scene: Scene) -> None:
    def again() -> None:
        # Another number is another key, whether it is higher or lower: everything is exchanged once more.
        status, said = scene.stage.up(None, None)
        if status != 0:
            scene.complaints.append(f"the second exchange failed: {said[-1000:]}")

    with scene.afterwards("everything is exchanged again, for what the stack file says", again):
        scene.fault("every certificate and both gossip keys are exchanged")
        status, said = scene.stage.up(RAISED, None)
        if status != 0:
            scene.complaints.append(f"the exchange failed: {said[-1000:]}")


ROTATED = Drill(
    name="rotation",
    what="Every certificate and both gossip keys are exchanged by `up`, twice.",
    fault=_rotate,
    limits=limits.OPERATION,
)
