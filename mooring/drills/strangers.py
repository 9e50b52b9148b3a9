"""Somebody who has no business here, and tries throughout: without a certificate, with a wrong one, without a token."""

import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

import urllib3

from mooring.clients.errors import Unreachable, Untrusted
from mooring.clients.http import Endpoint, tls_context
from mooring.clients.way import Pools, Ways
from mooring.drills.stage import Stage
from mooring.waiting import SYSTEM, Clock

NOMAD_RPC = 4647
RPC_TLS = b"\x04"
"""The first byte of a connection to Nomad's RPC port, which says that TLS follows (nomad/pool.go)."""

EVERY = 1.0
WITHIN = 3.0
"""Seconds."""


class Heard(StrEnum):
    REFUSED = "refused"
    SILENCE = "silence"
    """Nobody answered, or only that it cannot answer now: nothing was told."""

    LET_IN = "let in"


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    at: float
    who: str
    where: str
    heard: Heard


Door = Callable[[], Heard]


class Strangers:
    """Tries every door about once a second until the block ends, each house by itself: a dead one is slow to answer."""

    def __init__(self, doors: Sequence[tuple[str, str, Door]], *, clock: Clock = SYSTEM, every: float = EVERY) -> None:
        self.attempts: list[Attempt] = []
        self._clock = clock
        self._every = every
        self._stop = threading.Event()
        houses: dict[str, list[tuple[str, Door]]] = {}
        for who, where, door in doors:
            houses.setdefault(where, []).append((who, door))
        self._threads = [
            threading.Thread(target=self._run, args=house, name=f"strangers at {house[0]}", daemon=True)
            for house in houses.items()
        ]

    @classmethod
    def at(cls, stage: Stage) -> Self:
        return cls(doors(stage.consul, stage.nomad))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(3 * WITHIN)

    def _run(self, where: str, house: Sequence[tuple[str, Door]]) -> None:
        while not self._stop.is_set():
            for who, door in house:
                if self._stop.wait(self._every / len(house)):
                    return
                self.attempts.append(Attempt(at=self._clock.now(), who=who, where=where, heard=door()))


def doors(consul: Endpoint, nomad: Endpoint) -> list[tuple[str, str, Door]]:
    """(who, where, how) for every server of both clusters."""
    to_consul, to_nomad = Ways(consul.through), Ways(nomad.through)
    anonymous = consul.model_copy(update={"token": ""})
    wrong = consul.model_copy(update={"certificate": nomad.certificate, "private_key": nomad.private_key})
    found: list[tuple[str, str, Door]] = []
    for address in consul.addresses:
        url = f"https://{address}:{consul.port}/v1/agent/self"
        found += [
            ("without a certificate", f"consul at {address}", _asks(url, _nobody(consul), to_consul)),
            ("with another authority's certificate", f"consul at {address}", _asks(url, tls_context(wrong), to_consul)),
            ("without a token", f"consul at {address}", _asks(url, tls_context(anonymous), to_consul)),
        ]
    for address in nomad.addresses:
        url = f"https://{address}:{nomad.port}/v1/jobs"
        found += [
            ("without a token", f"nomad at {address}", _asks(url, tls_context(nomad), to_nomad)),
            ("with another authority's certificate", f"nomad's RPC at {address}", _calls(address, consul, to_nomad)),
        ]
    return found


def _nobody(endpoint: Endpoint) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=endpoint.authority)


def _asks(url: str, context: ssl.SSLContext, ways: Ways) -> Door:
    def door() -> Heard:
        with Pools(ways, ssl_context=context, retries=False, timeout=WITHIN) as pool:
            try:
                status = pool.request("GET", url).status
            except urllib3.exceptions.SSLError:
                return Heard.REFUSED
            except urllib3.exceptions.ProtocolError as error:
                # Under TLS 1.3 the alert comes when we have sent already, and the library tells of both ends.
                return Heard.REFUSED if isinstance(_cause(error), ssl.SSLError) else Heard.SILENCE
            except (urllib3.exceptions.HTTPError, Untrusted):
                return Heard.SILENCE
        return heard(status)

    return door


def _cause(error: Exception) -> object:
    return error.args[1] if len(error.args) > 1 else error.__cause__


SUCCESS = range(200, 300)
REFUSALS = range(400, 500)


def heard(status: int) -> Heard:
    """What a status tells a stranger; a server without a leader answers 500, and nothing else."""
    if status in SUCCESS:
        return Heard.LET_IN
    return Heard.REFUSED if status in REFUSALS else Heard.SILENCE


def _calls(address: str, with_identity_of: Endpoint, ways: Ways) -> Door:
    """A server's RPC port, as an agent would call it, with a certificate of another authority."""
    context = tls_context(with_identity_of)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Up to 1.2 the handshake ends only when our certificate was looked at; under 1.3 it would seem to have worked.
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def door() -> Heard:
        try:
            with ways.dial(address, NOMAD_RPC, WITHIN) as plain:
                plain.sendall(RPC_TLS)
                with context.wrap_socket(plain):
                    return Heard.LET_IN
        except ssl.SSLError:
            return Heard.REFUSED
        except (OSError, Unreachable, Untrusted):
            return Heard.SILENCE

    return door
