from mooring.plugin.masking import mask_of
from mooring.plugin.wire import secret


def test_a_secret_is_hidden_wherever_it_stands() -> None:
    mask = mask_of({"deep": [secret("correct horse")]})

    assert mask("login with correct horse: refused") == "login with [secret]: refused"


def test_a_line_of_a_secret_is_hidden_and_its_frame_is_not() -> None:
    mask = mask_of({"key": secret("-----BEGIN KEY-----\nMIIBtzCCAV2g\n-----END KEY-----\n")})

    assert mask("bad line 'MIIBtzCCAV2g' after -----BEGIN KEY-----") == (
        "bad line '[secret]' after -----BEGIN KEY-----"
    )


def test_the_longer_of_two_secrets_is_hidden_first() -> None:
    assert mask_of([secret("swordfish"), secret("swordfish-2")])("swordfish-2!") == "[secret]!"


def test_what_is_too_short_or_open_stays() -> None:
    assert mask_of({"short": secret("true"), "open": "visible text"})("true: visible text") == "true: visible text"
