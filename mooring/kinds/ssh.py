"""`mooring:ssh:KeyPair`, a key of our own, and `mooring:ssh:Identity`, the files the `ssh` program needs to use one."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import Field
from typing_extensions import override

from mooring.kinds.kind import Handler, Made, Problem, Props, Resource, Seen, Spec, Unreachable, Work, register


class KeyPairSpec(Spec):
    comment: str = Field(default="", pattern=r"^[^\r\n]*$")


@register
class KeyPairHandler(Handler[KeyPairSpec]):
    token = "mooring:ssh:KeyPair"  # noqa: S105 -- a type token, not a secret
    spec = KeyPairSpec
    secret_outputs = frozenset({"private_key"})
    not_imported = "no server has its secret: it lives in the state of the stack that made it, and nowhere else"

    @override
    def create(self, spec: KeyPairSpec, work: Work) -> Made:
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
        return Made(id=work.name, outputs={"private_key": private, "public_key": _commented(public, spec)})

    @override
    def read(self, id_: str, spec: KeyPairSpec, outputs: Props, work: Work) -> Seen[KeyPairSpec]:
        return Seen(spec=spec, outputs=outputs)

    @override
    def renewed(self, changed: frozenset[str]) -> Iterable[str]:
        return ("public_key",) if changed else ()

    @override
    def update(self, id_: str, old: KeyPairSpec, new: KeyPairSpec, outputs: Props, work: Work) -> Props:
        return {**outputs, "public_key": _commented(outputs["public_key"], new)}

    @override
    def delete(self, id_: str, spec: KeyPairSpec, outputs: Props, work: Work) -> None:
        """It was nowhere but in the state."""


def _commented(public: str, spec: KeyPairSpec) -> str:
    algorithm, key = public.split()[:2]
    return f"{algorithm} {key} {spec.comment}".rstrip()


class KeyPair(Resource):
    """An Ed25519 key, for a person or for a host."""

    private_key: pulumi.Output[str]
    """Secret; OpenSSH's own format."""

    public_key: pulumi.Output[str]
    """One line, as in `authorized_keys`."""

    def __init__(
        self,
        resource_name: str,
        *,
        comment: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {} if comment is None else {"comment": comment}
        super().__init__(KeyPairHandler, resource_name, inputs, outputs=("private_key", "public_key"), opts=opts)


class IdentitySpec(Spec):
    directory: str
    private_key: str = Field(repr=False)
    known_hosts: dict[str, str]


@register
class IdentityHandler(Handler[IdentitySpec]):
    """Keeps a copy, on this machine, of what the state holds.

    A copy may be missing, on a second machine or after a cleaning, and then even a preview needs it: a read puts it
    back. It may also be old, and is then overwritten: nobody but us writes there.
    """

    token = "mooring:ssh:Identity"  # noqa: S105 -- a type token, not a secret
    spec = IdentitySpec
    identity = frozenset({"directory"})
    secret_inputs = frozenset({"private_key"})

    @override
    def check(self, spec: IdentitySpec) -> Iterable[Problem]:
        if not Path(spec.directory).is_absolute():
            yield Problem(path="directory", reason=f"must be an absolute path, got {spec.directory!r}")

    @override
    def create(self, spec: IdentitySpec, work: Work) -> Made:
        copy = Copy(Path(spec.directory))
        copy.write(spec)
        return Made(id=spec.directory, outputs=copy.outputs())

    @override
    def read(self, id_: str, spec: IdentitySpec, outputs: Props, work: Work) -> Seen[IdentitySpec]:
        copy = Copy(Path(spec.directory))
        try:
            copy.complete(spec)
            return Seen(spec=copy.found(spec), outputs=copy.outputs())
        except OSError as error:
            raise Unreachable(f"{error.filename}: {error.strerror}") from error

    @override
    def update(self, id_: str, old: IdentitySpec, new: IdentitySpec, outputs: Props, work: Work) -> Props:
        copy = Copy(Path(new.directory))
        copy.write(new)
        return copy.outputs()

    @override
    def delete(self, id_: str, spec: IdentitySpec, outputs: Props, work: Work) -> None:
        Copy(Path(spec.directory)).remove()


@dataclass(frozen=True)
class Copy:
    """The two files in their directory, open to their owner alone: `ssh` refuses a key that others can read."""

    directory: Path

    @property
    def key(self) -> Path:
        return self.directory / "id"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    def outputs(self) -> Props:
        return {"key_file": str(self.key), "known_hosts_file": str(self.known_hosts)}

    def contents(self, spec: IdentitySpec) -> dict[Path, str]:
        return {self.key: key_file(spec.private_key), self.known_hosts: known_hosts_file(spec.known_hosts)}

    def write(self, spec: IdentitySpec) -> None:
        self._put(self.contents(spec))

    def complete(self, spec: IdentitySpec) -> None:
        """Put back what is missing, and close what is open to others; change no content."""
        self._put({file: content for file, content in self.contents(spec).items() if not file.exists()})
        self.key.chmod(0o600)

    def _put(self, contents: Mapping[Path, str]) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        for file, content in contents.items():
            _write(file, content)

    def found(self, spec: IdentitySpec) -> IdentitySpec:
        """What the files say, in the shape of `spec`."""
        key, hosts = self.key.read_text(), self.known_hosts.read_text()
        # The file ends with a newline that the spec need not have.
        said = spec.private_key if key == key_file(spec.private_key) else key
        return spec.model_copy(update={"private_key": said, "known_hosts": known_hosts(hosts)})

    def remove(self) -> None:
        for file in (self.key, self.known_hosts):
            file.unlink(missing_ok=True)
        if self.directory.is_dir() and not any(self.directory.iterdir()):
            self.directory.rmdir()


def key_file(private_key: str) -> str:
    return f"{private_key.rstrip()}\n"  # without the last newline ssh says: error in libcrypto


def known_hosts_file(known: Mapping[str, str]) -> str:
    return "".join(f"{address} {key}\n" for address, key in sorted(known.items()))


def known_hosts(content: str) -> dict[str, str]:
    return {address: key for address, _, key in (line.partition(" ") for line in content.splitlines())}


def _write(file: Path, content: str) -> None:
    """Replace `file` as a whole: an `ssh` that starts meanwhile sees the old one or the new one."""
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(content)
    new.replace(file)


class Identity(Resource):
    """A private key and pinned host keys as files on the machine that runs `pulumi`, for whoever calls `ssh`."""

    key_file: pulumi.Output[str]
    known_hosts_file: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        directory: pulumi.Input[str],
        private_key: pulumi.Input[str],
        known_hosts: pulumi.Input[Mapping[str, pulumi.Input[str]]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`known_hosts` has public host keys by address, as `ssh` is given it: `[127.0.0.1]:2222` with a port."""
        super().__init__(
            IdentityHandler,
            resource_name,
            {"directory": directory, "private_key": private_key, "known_hosts": known_hosts},
            outputs=("key_file", "known_hosts_file"),
            opts=opts,
        )
