import shutil
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from mooring.kinds.kind import Props, Seen, Work
from mooring.kinds.pki import AuthorityHandler, AuthoritySpec, CertificateHandler, CertificateSpec, private_key

WORK = Work(urn="urn:pulumi:dev::shop::x::leaf", name="leaf", project="shop", stack="dev")
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
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
    assert set(AuthorityHandler().renewed(frozenset({"valid_days"}))) == {"certificate_pem", "not_after"}


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

    assert CertificateHandler().read("leaf", spec, {"a": 1}, WORK) == Seen(spec=spec, outputs={"a": 1})


def test_keys_are_secret_and_not_in_a_repr() -> None:
    assert AuthorityHandler.secret_outputs == CertificateHandler.secret_outputs == {"private_key_pem"}
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
