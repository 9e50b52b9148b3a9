"""The time spans that decide how soon a stack heals, and what each must be longer than."""

from dataclasses import dataclass, fields

import pytest

from components.timings import MOVES_WITHIN, Profile, Timings, text, timings
from mooring.kinds.nomad_deployment import DEPLOYED_WITHIN


@dataclass
class Server:
    emulated: bool = False


EVERY = [(profile, clients) for profile in Profile for clients in (1, 3, 49, 200, 5000)]


def test_servers_with_processors_of_their_own_are_fast_and_one_emulated_one_makes_all_careful() -> None:
    assert timings([Server()] * 3, clients=3).profile is Profile.FAST
    assert timings([Server(), Server(emulated=True)], clients=3).profile is Profile.CAREFUL


def test_a_person_may_know_better() -> None:
    assert timings([Server(emulated=True)], clients=3, profile=Profile.FAST).profile is Profile.FAST


def test_three_clients_are_given_what_was_measured() -> None:
    fast, careful = (timings([], clients=3, profile=profile) for profile in Profile)

    assert (fast.heartbeat_ttl, fast.heartbeat_grace, fast.failover_ttl) == (2, 2, 21)
    assert (careful.heartbeat_ttl, careful.heartbeat_grace, careful.failover_ttl) == (5, 15, 60)


@pytest.mark.parametrize(("profile", "clients"), EVERY)
def test_a_new_leader_waits_longer_than_nomad_asks_for(profile: Profile, clients: int) -> None:
    """Nomad's documentation: more than 2*(clients/50) + 10*min_heartbeat_ttl, and than the longest of a client's."""
    pace = timings([], clients=clients, profile=profile)

    assert pace.failover_ttl > 2 * (clients / 50) + 10 * pace.heartbeat_ttl
    assert pace.failover_ttl > 2 * pace.heartbeat_ttl


@pytest.mark.parametrize(("profile", "clients"), EVERY)
def test_a_client_whose_server_vanished_has_time_to_find_another(profile: Profile, clients: int) -> None:
    pace = timings([], clients=clients, profile=profile)

    assert pace.failover_ttl >= pace.silent_client_down + MOVES_WITHIN


@pytest.mark.parametrize("profile", Profile)
def test_an_instance_serves_on_until_every_balancer_has_forgotten_it(profile: Profile) -> None:
    pace = timings([], clients=3, profile=profile)

    assert pace.forgotten_within > pace.resolve + pace.remembered


@pytest.mark.parametrize("profile", Profile)
def test_nothing_is_shorter_than_nomad_allows(profile: Profile) -> None:
    """structs/services.go: checks of a second at the least; structs.go: 5 s between two places of an instance."""
    pace = timings([], clients=3, profile=profile)

    assert min(pace.check_interval, pace.check_timeout) >= 1
    assert pace.reschedule_delay >= 5
    assert pace.check_grace < pace.healthy_within


def test_the_balancer_has_dropped_a_dead_host_before_consul_tells_it() -> None:
    """Gossip takes 4 s at the least."""
    pace = timings([], clients=3)

    assert pace.balancer_check * pace.balancer_failures + pace.check_timeout < 4


@pytest.mark.parametrize("profile", Profile)
def test_gossip_asks_by_way_of_others_before_it_asks_anew(profile: Profile) -> None:
    """Consul waits for the rest of the interval for those others."""
    pace = timings([], clients=3, profile=profile)

    assert pace.gossip_timeout < pace.gossip_probe
    # Whoever is late for Raft is not dead yet.
    assert pace.silent_agent_failed > pace.late_after


@pytest.mark.parametrize("profile", Profile)
def test_a_canary_and_the_rest_are_healthy_while_their_deployment_is_still_waited_for(profile: Profile) -> None:
    assert 2 * timings([], clients=3, profile=profile).healthy_within < DEPLOYED_WITHIN


def test_the_careful_are_in_nothing_faster() -> None:
    fast, careful = (timings([], clients=3, profile=profile) for profile in Profile)

    for field in fields(Timings):
        if field.name != "profile":
            assert getattr(careful, field.name) >= getattr(fast, field.name), field.name


def test_a_span_is_written_as_every_program_reads_it() -> None:
    assert (text(21), text(0.5), text(1.5), text(2.0)) == ("21s", "500ms", "1500ms", "2s")
