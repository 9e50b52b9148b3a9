"""HAProxy's configuration, as a value."""

from components.load_balancer import configuration, route_problems
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


def test_a_path_that_would_say_more_than_a_path_is_refused() -> None:
    assert list(route_problems({"/ok": None, "/x }\nbackend evil": None}))  # type: ignore[dict-item]
    assert not list(route_problems({"/ok-1/": None}))  # type: ignore[dict-item]
