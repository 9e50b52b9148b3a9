import shutil
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from mooring.kinds.kind import Props, Seen, Work
from mooring.kinds.pki import (
    AuthorityHandler,
    AuthoritySpec,
    CertificateHandler,
    CertificateSpec,
    due,
    private_key,
    step_problems,
)

WORK = Work(urn="urn:pulumi:dev::shop::x::leaf", name="leaf", project="shop", stack="dev")
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
ENDS = "2031-01-01T12:00:00Z"
AUTHORITY = AuthorityHandler(lambda: NOW).create(AuthoritySpec(common_name="test"), WORK).outputs


def leaf_spec(**changes: Any) -> CertificateSpec:
    said = {
        "authority_certificate": AUTHORITY["certificate_pem"],
        "authority_private_key": AUTHORITY["private_key_pem"],
        "common_name": "web",
        "dns_names": ("web.test", "*.web.test"),
        "ip_addresses": ("127.0.0.1", "::1"),
        "usages": ("server", "client"),
    }
    return CertificateSpec(**{**said, **changes})


def leaf(now: datetime = NOW, **changes: Any) -> Props:
    return CertificateHandler(lambda: now).create(leaf_spec(**changes), WORK).outputs


def certificate(outputs: Props) -> x509.Certificate:
    return x509.load_pem_x509_certificate(outputs["certificate_pem"].encode())


def test_an_authority_signs_certificates_and_no_further_authorities() -> None:
    made = certificate(AUTHORITY)

    basic = made.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = made.extensions.get_extension_for_class(x509.KeyUsage)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (True, True, False)
    assert made.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def test_keys_are_p256() -> None:
    for outputs in (AUTHORITY, leaf()):
        assert isinstance(private_key(outputs["private_key_pem"]).curve, ec.SECP256R1)


def test_a_certificate_belongs_to_its_key_and_to_its_authority() -> None:
    outputs = leaf()
    made = certificate(outputs)

    made.verify_directly_issued_by(certificate(AUTHORITY))
    assert made.public_key() == private_key(outputs["private_key_pem"]).public_key()


def test_a_certificate_names_whom_it_is_for_and_what_for() -> None:
    extensions = certificate(leaf()).extensions

    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["web.test", "*.web.test"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]
    assert set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    }
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_client_has_no_names_and_is_no_server() -> None:
    extensions = certificate(leaf(dns_names=(), ip_addresses=(), usages=("client",))).extensions

    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(x509.ExtensionNotFound):
        extensions.get_extension_for_class(x509.SubjectAlternativeName)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on PATH")
@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_openssl_takes_the_chain(tmp_path: Path, purpose: str) -> None:
    (tmp_path / "ca.pem").write_text(AUTHORITY["certificate_pem"])
    (tmp_path / "leaf.pem").write_text(leaf()["certificate_pem"])

    checked = subprocess.run(
        [
            *("openssl", "verify", "-x509_strict", "-attime", str(int(NOW.timestamp())), "-purpose", purpose),
            *("-CAfile", str(tmp_path / "ca.pem"), str(tmp_path / "leaf.pem")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr


def test_python_takes_the_pair(tmp_path: Path) -> None:
    outputs = leaf()
    (tmp_path / "pair.pem").write_text(outputs["private_key_pem"] + outputs["certificate_pem"])

    ssl.create_default_context(cadata=AUTHORITY["certificate_pem"]).load_cert_chain(tmp_path / "pair.pem")


def test_a_certificate_is_backdated_for_clocks_that_are_behind() -> None:
    assert certificate(leaf()).not_valid_before_utc == NOW - timedelta(minutes=5)


def test_validity_is_ten_years_and_one() -> None:
    assert AUTHORITY["not_after"] == "2039-12-30T12:00:00Z"
    assert leaf()["not_after"] == "2031-01-01T12:00:00Z"


def test_a_certificate_never_outlives_its_authority() -> None:
    assert leaf(valid_days=9999)["not_after"] == AUTHORITY["not_after"]


def test_a_change_of_names_issues_anew_in_place() -> None:
    before = leaf()

    after = CertificateHandler(lambda: NOW).update(
        "leaf", leaf_spec(), leaf_spec(dns_names=("other.test",)), before, WORK
    )

    names = certificate(after).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["other.test"]
    assert after["private_key_pem"] != before["private_key_pem"]
    assert CertificateHandler.identity == frozenset()


def test_a_preview_of_a_change_shows_every_output_as_new() -> None:
    assert set(CertificateHandler().renewed(frozenset({"dns_names"}))) == leaf().keys()
    assert not list(CertificateHandler().renewed(frozenset()))
    assert set(AuthorityHandler().renewed(frozenset({"valid_days"}))) == {"certificate_pem", "signing_pem", "not_after"}
    # Who signs is the same one while another is only trusted besides.
    assert set(AuthorityHandler().renewed(frozenset({"trusts"}))) == {"certificate_pem", "not_after"}


def test_nothing_changed_issues_nothing() -> None:
    before = leaf()

    assert CertificateHandler().update("leaf", leaf_spec(), leaf_spec(), before, WORK) == before


def test_an_authority_that_is_prolonged_is_still_the_one_that_signed() -> None:
    spec = AuthoritySpec(common_name="test")

    after = AuthorityHandler(lambda: NOW).update(
        "ca", spec, AuthoritySpec(common_name="test", valid_days=1), AUTHORITY, WORK
    )

    assert after["not_after"] == "2030-01-02T12:00:00Z"
    certificate(leaf()).verify_directly_issued_by(certificate(after))


def test_another_name_is_another_authority() -> None:
    assert AuthorityHandler.identity == {"common_name"}


def test_what_was_made_reads_as_it_is() -> None:
    spec = leaf_spec()

    handler = CertificateHandler(lambda: NOW)

    assert handler.read("leaf", spec, leaf(), WORK).spec == spec
    assert handler.read("leaf", spec, {"not_after": ENDS, "a": 1}, WORK) == Seen(
        spec=spec, outputs={"not_after": ENDS, "a": 1}
    )


def test_keys_are_secret_and_not_in_a_repr() -> None:
    assert AuthorityHandler.secret_outputs == {"private_key_pem", "keys"}
    assert CertificateHandler.secret_outputs == {"private_key_pem"}
    assert CertificateHandler.secret_inputs == {"authority_private_key"}
    assert "PRIVATE" not in repr(leaf_spec())


def test_a_key_of_another_authority_is_refused() -> None:
    other = AuthorityHandler().create(AuthoritySpec(common_name="other"), WORK).outputs

    with pytest.raises(ValueError, match="does not belong to"):
        leaf(authority_private_key=other["private_key_pem"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"dns_names": (), "ip_addresses": ()},
            "usages: a server needs names that clients know it by: give dns_names or ip_addresses",
        ),
        ({"ip_addresses": ("127.0.0.1", "web")}, "ip_addresses.1: must be an IP address, got 'web'"),
    ],
)
def test_bad_names_are_refused_before_anything_is_made(changes: Props, said: str) -> None:
    assert [f"{p.path}: {p.reason}" for p in CertificateHandler().check(leaf_spec(**changes))] == [said]


class TestRenewal:
    """What ends soon is issued anew by whatever `up` comes then."""

    @pytest.mark.parametrize(
        ("days", "expected"), [(31, False), (30, True), (1, True), (0, True), (-100, True)], ids=str
    )
    def test_what_has_less_than_its_time_left_is_due(self, days: int, expected: bool) -> None:  # noqa: FBT001
        ends = (NOW + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")

        assert due(ends, NOW, timedelta(days=30)) is expected

    def test_a_certificate_that_ends_soon_is_a_difference_and_an_update_renews_it(self) -> None:
        later = NOW + timedelta(days=336)
        handler, before = CertificateHandler(lambda: later), leaf()

        seen = handler.read("leaf", leaf_spec(), before, WORK)
        after = handler.update("leaf", seen.spec, leaf_spec(), before, WORK)

        assert not seen.spec.fresh
        assert after["not_after"] == "2031-12-03T12:00:00Z"
        assert handler.read("leaf", leaf_spec(), after, WORK).spec.fresh

    def test_another_number_issues_it_anew_on_demand(self) -> None:
        before = leaf()

        after = CertificateHandler(lambda: NOW).update("leaf", leaf_spec(), leaf_spec(generation=2), before, WORK)

        assert certificate(after).serial_number != certificate(before).serial_number
        assert after["private_key_pem"] != before["private_key_pem"]

    def test_an_authority_that_ends_soon_is_prolonged_under_its_own_key(self) -> None:
        spec = AuthoritySpec(common_name="test")
        handler = AuthorityHandler(lambda: NOW + timedelta(days=3600))

        seen = handler.read("ca", spec, AUTHORITY, WORK)
        after = handler.update("ca", seen.spec, spec, AUTHORITY, WORK)

        assert not seen.spec.fresh
        assert after["private_key_pem"] == AUTHORITY["private_key_pem"]
        assert handler.read("ca", spec, after, WORK).spec.fresh

    def test_one_that_would_be_due_as_soon_as_it_is_made_is_refused(self) -> None:
        (problem,) = CertificateHandler().check(leaf_spec(valid_days=30))

        assert (problem.path, problem.reason) == (
            "renew_before_days",
            "must be less than the 30 days that it is valid for",
        )


class TestNewKey:
    """An authority's key is exchanged in three steps, in each of which everybody trusts everybody."""

    ONE = AuthoritySpec(common_name="test")
    BOTH = AuthoritySpec(common_name="test", trusts=(1, 2))
    NEW = AuthoritySpec(common_name="test", signs=2, trusts=(1, 2))
    ALONE = AuthoritySpec(common_name="test", signs=2, trusts=(2,))

    @staticmethod
    def step(old: AuthoritySpec, new: AuthoritySpec, before: Props) -> Props:
        assert list(step_problems(old, new)) == []
        return AuthorityHandler(lambda: NOW).update("ca", old, new, before, WORK)

    @staticmethod
    def takes(trusting: Props, shown: Props) -> bool:
        trusted = x509.load_pem_x509_certificates(trusting["certificate_pem"].encode())
        return any(_signed(each, certificate(shown)) for each in trusted)

    def test_at_every_step_everybody_takes_what_everybody_shows(self) -> None:
        """Also those that are still at the step before: hosts change one after the other."""
        steps = [AUTHORITY]
        for old, new in ((self.ONE, self.BOTH), (self.BOTH, self.NEW), (self.NEW, self.ALONE)):
            steps.append(self.step(old, new, steps[-1]))
        shown = [
            leaf(authority_certificate=at["signing_pem"], authority_private_key=at["private_key_pem"]) for at in steps
        ]

        for number, at in enumerate(steps):
            for neighbour in {max(number - 1, 0), number, min(number + 1, 3)}:
                assert self.takes(at, shown[neighbour]), (number, neighbour)
        assert not self.takes(steps[3], shown[0])
        assert steps[3]["private_key_pem"] != steps[0]["private_key_pem"]
        assert steps[1]["signing_pem"] == steps[0]["signing_pem"]  # nothing is issued anew while nobody trusts it

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            (ONE, NEW, "2 is not trusted by anybody yet: run `up` with signs 1 and trusts [1, 2] first"),
            (ONE, ALONE, "2 is not trusted by anybody yet: run `up` with signs 1 and trusts [1, 2] first"),
            (BOTH, ALONE, "what 1 has signed is still in use: run `up` with signs 2 and trusts [1, 2] first"),
        ],
    )
    def test_a_step_that_would_cut_somebody_off_is_refused(
        self, old: AuthoritySpec, new: AuthoritySpec, reason: str
    ) -> None:
        (problem,) = AuthorityHandler().check_step(old, new)

        assert problem.reason == reason

    def test_who_signs_must_be_trusted(self) -> None:
        (problem,) = AuthorityHandler().check(AuthoritySpec(common_name="test", signs=2))

        assert problem.path == "trusts"

    def test_an_authority_of_before_there_were_numbers_goes_on(self) -> None:
        older = {name: AUTHORITY[name] for name in ("certificate_pem", "private_key_pem", "not_after")}

        seen = AuthorityHandler(lambda: NOW).read("ca", self.ONE, older, WORK)

        assert seen.spec == self.ONE
        assert seen.outputs["signing_pem"] == older["certificate_pem"]
        assert self.step(self.ONE, self.BOTH, older)["signing_pem"] == older["certificate_pem"]


def _signed(by: x509.Certificate, made: x509.Certificate) -> bool:
    try:
        made.verify_directly_issued_by(by)
    except (ValueError, InvalidSignature):
        return False
    return True
