"""`mooring:http:Page`: a page that answers, so that `up` ends when somebody can use what it made."""

import pulumi
import requests
from typing_extensions import override

from mooring.kinds.kind import Handler, Made, NotHealthy, Props, Resource, Seen, Spec, Work, register
from mooring.waiting import Cancelled, TimedOut, wait_for

ANSWER_WITHIN = 60.0
"""Seconds. The instances are healthy before this is asked: what is left is the balancer's next look at Consul."""


class PageSpec(Spec):
    url: str
    status: int = 200


@register
class PageHandler(Handler[PageSpec]):
    token = "mooring:http:Page"  # noqa: S105 -- a type token, not a secret
    spec = PageSpec
    identity = frozenset({"url"})

    @override
    def create(self, spec: PageSpec, work: Work) -> Made:
        _wait_for_answer(spec, work)
        return Made(id=spec.url)

    @override
    def read(self, id_: str, spec: PageSpec, outputs: Props, work: Work) -> Seen[PageSpec] | None:
        complaint = _complaint(spec)
        return Seen(spec=spec, reasons=(complaint,) if complaint else ())

    @override
    def update(self, id_: str, old: PageSpec, new: PageSpec, outputs: Props, work: Work) -> Props:
        _wait_for_answer(new, work)
        return {}

    @override
    def delete(self, id_: str, spec: PageSpec, outputs: Props, work: Work) -> None:
        """The page goes with what serves it."""


def _complaint(spec: PageSpec) -> str | None:
    with requests.Session() as session:
        session.trust_env = False
        try:
            got = session.get(spec.url, timeout=(2, 5), allow_redirects=False)
        except requests.RequestException as error:
            return f"{spec.url} does not answer: {type(error).__name__}"
    return None if got.status_code == spec.status else f"{spec.url} answers {got.status_code}, not {spec.status}"


def _wait_for_answer(spec: PageSpec, work: Work) -> None:
    last: str | None = None

    def answering() -> bool | None:
        nonlocal last
        last = _complaint(spec)
        if last:
            work.say(last)
        return None if last else True

    try:
        wait_for(answering, spec.url, within=ANSWER_WITHIN, every=0.1, clock=work.clock)
    except (TimedOut, Cancelled) as error:
        raise NotHealthy(spec.url, {}, [last or str(error)]) from error


class Page(Resource):
    url: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        url: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(PageHandler, resource_name, {"url": url}, opts=opts)
