"""`mooring:pki:*`: an authority of our own and the certificates it signs.

Everything is ECDSA P-256: what every agent, the registry and the balancer understand, and made in a millisecond. There
is nothing to read or to take away: the state holds the keys, and who uses a certificate is told of a new one. What ends
soon reads as no longer fresh, and is issued anew by the next `up`.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, Literal, TypeVar

import pulumi
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import Field
from typing_extensions import override

from mooring.kinds.kind import Handler, Made, Problem, Props, Resource, Seen, Spec, Work, register

BACKDATED = timedelta(minutes=5)
"""A host whose clock is a little behind must take a certificate that was made just now."""

Usage = Literal["server", "client"]
_PURPOSES: Mapping[Usage, x509.ObjectIdentifier] = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
}


class IssuedSpec(Spec):
    common_name: str = Field(min_length=1, max_length=64)  # X.520's upper bound, which OpenSSL enforces

    renew_before_days: int = Field(default=30, ge=0)
    """How long before its end it is issued anew, by whatever `up` comes then."""

    fresh: bool = True
    """Whether more than that is left of it. A program has nothing to say here: it wants a fresh one."""


class AuthoritySpec(IssuedSpec):
    valid_days: int = Field(default=3650, ge=1)
    renew_before_days: int = Field(default=60, ge=0)
    signs: int = Field(default=1, ge=1)
    """Which of its keys signs. Another number is another key, and takes three steps, as nobody may be cut off: first
    everybody trusts both, then the new one signs, then the old one is trusted no longer."""

    trusts: tuple[int, ...] = Field(default=(1,), min_length=1)
    """The keys whose certificates are trusted."""


class CertificateSpec(IssuedSpec):
    generation: int = Field(default=1, ge=1)
    """Another number issues it anew."""

    authority_certificate: str
    authority_private_key: str = Field(repr=False)
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    usages: tuple[Usage, ...] = Field(min_length=1)
    valid_days: int = Field(default=365, ge=1)


S = TypeVar("S", bound=IssuedSpec)
Now = Callable[[], datetime]


def now_utc() -> datetime:
    return datetime.now(UTC)


class IssuedHandler(Handler[S]):
    """What an authority and a certificate have in common: they live in the state alone."""

    secret_outputs = frozenset({"private_key_pem"})
    not_imported = "no server has its secret: it lives in the state of the stack that made it, and nowhere else"

    def __init__(self, now: Now = now_utc) -> None:
        self._now = now

    @override
    def check(self, spec: S) -> Iterable[Problem]:
        if spec.renew_before_days >= self.valid_days(spec):
            yield Problem(
                path="renew_before_days",
                reason=f"must be less than the {self.valid_days(spec)} days that it is valid for",
            )

    @abstractmethod
    def valid_days(self, spec: S) -> int: ...

    @override
    def read(self, id_: str, spec: S, outputs: Props, work: Work) -> Seen[S]:
        fresh = not due(outputs["not_after"], self._now(), timedelta(days=spec.renew_before_days))
        return Seen(spec=spec.model_copy(update={"fresh": fresh}), outputs=outputs)

    @override
    def delete(self, id_: str, spec: S, outputs: Props, work: Work) -> None:
        """It was nowhere but in the state."""


@register
class AuthorityHandler(IssuedHandler[AuthoritySpec]):
    token = "mooring:pki:Authority"  # noqa: S105 -- a type token, not a secret
    spec = AuthoritySpec
    identity = frozenset({"common_name"})
    secret_outputs = frozenset({"private_key_pem", "keys"})

    @override
    def valid_days(self, spec: AuthoritySpec) -> int:
        return spec.valid_days

    @override
    def check(self, spec: AuthoritySpec) -> Iterable[Problem]:
        yield from super().check(spec)
        if spec.signs not in spec.trusts:
            yield Problem(path="trusts", reason=f"must name {spec.signs} too: who signs must be trusted")

    @override
    def check_step(self, old: AuthoritySpec, new: AuthoritySpec) -> Iterable[Problem]:
        yield from step_problems(old, new)

    @override
    def create(self, spec: AuthoritySpec, work: Work) -> Made:
        return Made(id=work.name, outputs=authorities(spec, {}, self._now(), anew=False))

    @override
    def read(self, id_: str, spec: AuthoritySpec, outputs: Props, work: Work) -> Seen[AuthoritySpec]:
        return super().read(id_, spec, known(spec, outputs), work)

    @override
    def renewed(self, changed: frozenset[str]) -> Iterable[str]:
        if changed <= {"trusts"}:
            return ("certificate_pem", "not_after") if changed else ()
        return ("certificate_pem", "signing_pem", "not_after")

    @override
    def update(self, id_: str, old: AuthoritySpec, new: AuthoritySpec, outputs: Props, work: Work) -> Props:
        before = known(old, outputs)
        # The same name and key: what it has signed stays valid.
        return authorities(new, before["keys"], self._now(), anew=old.valid_days != new.valid_days)


def step_problems(old: AuthoritySpec, new: AuthoritySpec) -> Iterable[Problem]:
    """Why going from `old` to `new` at once would cut off somebody."""
    if new.signs not in old.trusts:
        yield Problem(
            path="signs",
            reason=f"{new.signs} is not trusted by anybody yet: run `up` with signs {old.signs} and trusts "
            f"{sorted({*old.trusts, new.signs})} first",
        )
    elif old.signs not in new.trusts:
        yield Problem(
            path="trusts",
            reason=f"what {old.signs} has signed is still in use: run `up` with signs {new.signs} and trusts "
            f"{sorted({*new.trusts, old.signs})} first",
        )


def known(spec: AuthoritySpec, outputs: Props) -> Props:
    """The outputs in today's words; an authority that was made before it could change its key has one."""
    if "keys" in outputs:
        return outputs
    only = {name: outputs[name] for name in ("private_key_pem", "certificate_pem", "not_after")}
    return {**outputs, "keys": {str(spec.signs): only}, "signing_pem": outputs["certificate_pem"]}


def authorities(spec: AuthoritySpec, keys: Mapping[str, Props], now: datetime, *, anew: bool) -> Props:
    """Every key that is trusted, each with its own certificate; one of them signs.

    A key that is there keeps its certificate unless that is due, or all are to be issued `anew`.
    """
    found: dict[str, Props] = {}
    for number in sorted(spec.trusts):
        before = keys.get(str(number))
        if before is not None and not anew and not due(before["not_after"], now, timedelta(spec.renew_before_days)):
            found[str(number)] = before
            continue
        key = new_key() if before is None else private_key(before["private_key_pem"])
        name = spec.common_name if number == 1 else f"{spec.common_name} {number}"
        found[str(number)] = authority(spec.model_copy(update={"common_name": name}), key, now)
    signing = found[str(spec.signs)]
    return {
        "keys": found,
        "private_key_pem": signing["private_key_pem"],
        "signing_pem": signing["certificate_pem"],
        "certificate_pem": "".join(each["certificate_pem"] for each in found.values()),
        "not_after": min(each["not_after"] for each in found.values()),
    }


def due(not_after: str, now: datetime, before: timedelta) -> bool:
    """Whether what ends at `not_after` (RFC 3339) has no more than `before` left."""
    return datetime.fromisoformat(not_after) - now <= before


@register
class CertificateHandler(IssuedHandler[CertificateSpec]):
    token = "mooring:pki:Certificate"  # noqa: S105 -- a type token, not a secret
    spec = CertificateSpec
    secret_inputs = frozenset({"authority_private_key"})

    @override
    def valid_days(self, spec: CertificateSpec) -> int:
        return spec.valid_days

    @override
    def check(self, spec: CertificateSpec) -> Iterable[Problem]:
        yield from super().check(spec)
        if "server" in spec.usages and not (spec.dns_names or spec.ip_addresses):
            yield Problem(
                path="usages", reason="a server needs names that clients know it by: give dns_names or ip_addresses"
            )
        for index, address in enumerate(spec.ip_addresses):
            if not _is_address(address):
                yield Problem(path=f"ip_addresses.{index}", reason=f"must be an IP address, got {address!r}")

    @override
    def create(self, spec: CertificateSpec, work: Work) -> Made:
        return Made(id=work.name, outputs=certificate(spec, self._now()))

    @override
    def renewed(self, changed: frozenset[str]) -> Iterable[str]:
        return ("certificate_pem", "private_key_pem", "not_after") if changed else ()

    @override
    def update(self, id_: str, old: CertificateSpec, new: CertificateSpec, outputs: Props, work: Work) -> Props:
        return certificate(new, self._now()) if old != new else outputs


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is no elliptic-curve key")
    return key


def authority(spec: AuthoritySpec, key: ec.EllipticCurvePrivateKey, now: datetime) -> Props:
    """A self-signed authority that may sign certificates, and no further authorities."""
    subject = _name(spec.common_name)
    builder = (
        _builder(subject, subject, key.public_key(), now, now + timedelta(days=spec.valid_days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    return _issued(builder.sign(key, hashes.SHA256()), key)


def certificate(spec: CertificateSpec, now: datetime) -> Props:
    """A certificate for a new key; it never outlives its authority."""
    issuer = x509.load_pem_x509_certificate(spec.authority_certificate.encode())
    issuer_key = private_key(spec.authority_private_key)
    if issuer.public_key() != issuer_key.public_key():
        raise ValueError("authority_private_key does not belong to authority_certificate")
    key = new_key()
    until = min(now + timedelta(days=spec.valid_days), issuer.not_valid_after_utc)
    builder = (
        _builder(_name(spec.common_name), issuer.subject, key.public_key(), now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_PURPOSES[usage] for usage in spec.usages]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    names: list[x509.GeneralName] = [
        *(x509.DNSName(name) for name in spec.dns_names),
        *(x509.IPAddress(ip_address(address)) for address in spec.ip_addresses),
    ]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _issued(builder.sign(issuer_key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _issued(signed: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Props:
    return {
        "certificate_pem": signed.public_bytes(Encoding.PEM).decode(),
        "private_key_pem": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "not_after": signed.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class _Issued(Resource):
    certificate_pem: pulumi.Output[str]
    """Of an authority, whom its readers trust: two while its key changes."""

    private_key_pem: pulumi.Output[str]
    """Secret; PKCS 8."""

    not_after: pulumi.Output[str]
    """The last moment it is valid, RFC 3339."""

    def __init__(
        self,
        handler: type[Handler[Any]],
        name: str,
        inputs: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None,
        more: Sequence[str] = (),
    ) -> None:
        given = {key: value for key, value in inputs.items() if value is not None}
        outputs = ("certificate_pem", "private_key_pem", "not_after", *more)
        super().__init__(handler, name, given, outputs=outputs, opts=opts)


class Authority(_Issued):
    """Who signs certificates, and whom their readers trust."""

    signing_pem: pulumi.Output[str]
    """The certificate of the key that signs."""

    def __init__(
        self,
        resource_name: str,
        *,
        common_name: pulumi.Input[str],
        valid_days: pulumi.Input[int] | None = None,
        renew_before_days: pulumi.Input[int] | None = None,
        signs: pulumi.Input[int] | None = None,
        trusts: pulumi.Input[Sequence[pulumi.Input[int]]] | None = None,
        certificates: int = 1,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Ten years unless `valid_days` is given; another `common_name` is another authority.

        Another number of `certificates` issues everything anew that it has signed.
        """
        self.certificates = certificates
        inputs = {
            "common_name": common_name,
            "valid_days": valid_days,
            "renew_before_days": renew_before_days,
            "signs": signs,
            "trusts": trusts,
        }
        super().__init__(AuthorityHandler, resource_name, inputs, opts, more=("signing_pem",))


class Certificate(_Issued):
    """Who somebody is, signed by an authority; it is issued anew when anything about it changes."""

    def __init__(
        self,
        resource_name: str,
        *,
        authority: Authority,
        common_name: pulumi.Input[str],
        usages: pulumi.Input[Sequence[pulumi.Input[Usage]]],
        dns_names: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        ip_addresses: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        valid_days: pulumi.Input[int] | None = None,
        renew_before_days: pulumi.Input[int] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """One year unless `valid_days` is given, and never longer than its authority."""
        super().__init__(
            CertificateHandler,
            resource_name,
            {
                "authority_certificate": authority.signing_pem,
                "authority_private_key": authority.private_key_pem,
                "common_name": common_name,
                "dns_names": dns_names,
                "ip_addresses": ip_addresses,
                "usages": usages,
                "valid_days": valid_days,
                "renew_before_days": renew_before_days,
                "generation": authority.certificates,
            },
            opts,
        )
