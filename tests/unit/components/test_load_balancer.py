"""HAProxy's configuration, as a value."""

from components.load_balancer import WAIT, configuration, route_problems, vrrp_configuration
from components.network import door_configuration
from components.timings import Profile, timings

PACE = timings([], clients=3)


def test_the_longest_path_is_asked_first() -> None:
    text = configuration({"/": ("web", "/healthz"), "/api": ("api", "/ready")}, PACE)

    assert text.index("path_beg /api ") < text.index("path_beg / ")


def test_each_service_has_its_own_health_check_and_is_found_through_consul() -> None:
    text = configuration({"/": ("web", "/healthz"), "/api": ("api", "/ready")}, PACE)

    assert "backend api\n  balance leastconn\n  option httpchk GET /ready\n" in text
    assert "server-template web 20 _web._tcp.service.consul resolvers consul" in text


def test_a_service_behind_two_paths_is_one_backend() -> None:
    text = configuration({"/": ("web", "/healthz"), "/old": ("web", "/healthz")}, PACE)

    assert text.count("backend web\n") == 1


def test_a_balancer_of_careful_servers_is_patient() -> None:
    careful = configuration({"/": ("web", "/healthz")}, timings([], clients=3, profile=Profile.CAREFUL))

    assert "timeout connect 2s\n" in careful
    assert "inter 2s fastinter 1s downinter 2s fall 3 rise 1" in careful
    assert "hold obsolete 5s\n" in careful


def test_what_was_known_outlives_consul_and_a_reload() -> None:
    """Nothing is marked down because Consul is away; and a process that takes over starts with its forerunner's."""
    text = configuration({"/": ("web", "/healthz")}, PACE)

    assert all(f"hold {answer} 7d\n" in text for answer in ("refused", "timeout", "other"))
    assert "load-server-state-from-file global" in text
    assert "init-addr last,none" in text
    assert "expose-fd listeners" in text


def holder(others: list[str]) -> str:
    return vrrp_configuration(
        name="edge-1", address="198.18.0.61", others=others, floating="198.18.0.10/24", priority=150, timings=PACE
    )


def test_the_address_is_announced_to_the_other_edges_alone_and_kept_when_one_comes_back() -> None:
    text = holder(["198.18.0.62", "198.18.0.63"])

    assert "unicast_peer {\n    198.18.0.62\n    198.18.0.63\n  }" in text
    assert "check_unicast_src" in text
    assert "state BACKUP\n  nopreempt\n" in text
    assert "advert_int 0.2\n" in text


def test_a_balancer_that_is_alone_has_nobody_to_tell() -> None:
    assert "unicast_peer" not in holder([])


def test_who_does_not_balance_does_not_hold_the_address() -> None:
    text = holder(["198.18.0.62"])

    assert 'script "/usr/bin/curl' in text
    assert "track_script {\n    balancer\n  }" in text


def test_the_door_tries_for_longer_than_another_takes_to_hold_the_address() -> None:
    text = door_configuration("198.18.0.10")

    assert "server floating 198.18.0.10:80\n" in text
    assert PACE.address_taken_over + 2 * PACE.check_interval < 0.3 * 15


def test_a_request_waits_when_there_is_no_instance_for_a_moment() -> None:
    """Seen as 49 failed requests, when Consul came back on every host at once."""
    text = configuration({"/": ("web", "/healthz")}, PACE)

    assert "lua-load /etc/mooring/haproxy/wait.lua\n" in text
    assert "http-request lua.wait_for_instance web if { nbsrv(web) lt 1 }\n" in text
    assert 'register_action("wait_for_instance"' in WAIT


def test_a_path_that_would_say_more_than_a_path_is_refused() -> None:
    assert list(route_problems({"/ok": None, "/x }\nbackend evil": None}))  # type: ignore[dict-item]
    assert not list(route_problems({"/ok-1/": None}))  # type: ignore[dict-item]
