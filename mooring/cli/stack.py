"""Bringing a stack up and taking it away, with what surrounds Pulumi's own commands."""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from mooring.cli import checkpoints, pulumi
from mooring.cli.recover import mend, recover
from mooring.clients.answers import rows, table
from mooring.toolchain import binaries, pins, places
from mooring.toolchain.environment import (
    PASSPHRASE,
    PASSPHRASE_FILE,
    backend_url,
    ensure_passphrase,
    local_stacks,
    passphrase_file,
)
from mooring.toolchain.places import CHECKOUT

Say = Callable[[str], None]


class NoSuchStack(Exception):
    """No file says what this stack is: name one that has a file, or write one."""


class CannotSelect(Exception):
    """Pulumi cannot open or make the stack, for the reason that it gives."""


class DoesNotOpen(Exception):
    """The passphrase at hand is not the one that closed the stack's secrets: find that one, nothing was touched."""


def up(stack: str, options: Sequence[str], say: Say) -> int:
    """Make the stack what the program says; a run that was killed before is put right first."""
    mend(stack, project=pulumi.project(), env=pulumi.whole_environment(), cwd=CHECKOUT, say=say)
    if status := select(stack, create=True):
        return status
    bring_agents(stack, say)
    recover(stack, project=pulumi.project(), env=pulumi.whole_environment(), cwd=CHECKOUT, say=say)
    once = {checkpoints.SETTING: "true"} if checkpoints.written_once(stack, options, say) else {}
    return pulumi.run(["up", "--stack", stack, "--yes", "--skip-preview", *options], **once)


def preview(stack: str, options: Sequence[str], say: Say) -> int:
    """Show what `up` would do; nothing is written but what the toolchain keeps on this machine."""
    if status := select(stack, create=True):
        return status
    bring_agents(stack, say)
    return pulumi.run(["preview", "--stack", stack, *options])


def down(stack: str, options: Sequence[str], say: Say) -> int:
    """Destroy everything of the stack, then what Pulumi keeps of it; succeed when there is nothing."""
    mend(stack, project=pulumi.project(), env=pulumi.whole_environment(), cwd=CHECKOUT, say=say)
    if select(stack, create=False):
        say(f"there is no stack {stack!r}")
        return 0
    recover(stack, project=pulumi.project(), env=pulumi.whole_environment(), cwd=CHECKOUT, say=say)
    # Not through the program, which may be what is broken; and unread, as what is gone already is gone.
    destroy = ["destroy", "--stack", stack, "--yes", "--skip-preview", "--refresh=false", *options]
    if status := pulumi.run(destroy, PULUMI_RUN_PROGRAM="false"):
        return status
    asked = pulumi.ask(["stack", "rm", stack, "--yes", "--preserve-config"])
    if asked.returncode != 0:
        say(asked.stderr.strip())
        return asked.returncode
    forget(stack)
    say(f"stack {stack!r} is gone, and what Pulumi kept of it")
    return 0


def bring_agents(stack: str, say: Say) -> None:
    """Fetch what the stack names beyond what is always here: other versions, drivers; raises `CannotPrepare`."""
    values = table(yaml.safe_load(stack_file(stack).read_text()).get("config"))
    for tool in ("consul", "nomad"):
        if (version := values.get(f"{pulumi.project()}:{tool}Version")) is not None:
            binaries.agent_binary(tool, str(version), say)
    # What is wrong with the list itself is for the program to say.
    listed = values.get(f"{pulumi.project()}:hosts")
    groups = [table(group) for group in rows(listed) if isinstance(group, dict)] if isinstance(listed, list) else []
    named = [group.get("drivers") for group in groups]
    for driver, plugin in pins.PLUGINS.items():
        if any(driver in rows(drivers) for drivers in named if isinstance(drivers, list)):
            binaries.plugin(plugin, say)


def select(stack: str, *, create: bool) -> int:
    """Make `stack` the current one, so that plain `pulumi` commands mean it too; raises `DoesNotOpen`."""
    if create and not stack_file(stack).is_file():
        known = sorted(file.name.split(".")[1] for file in stack_file(stack).parent.glob("Pulumi.*.yaml"))
        raise NoSuchStack(f"there is no stacks/{stack_file(stack).name}; these stacks have one: {', '.join(known)}")
    if create and pulumi.whole_environment()["PULUMI_BACKEND_URL"] == backend_url():
        places.private(places.state())
        ensure_passphrase()
    asked = pulumi.ask(["stack", "select", stack, *(["--create"] if create else [])])
    if asked.returncode != 0:
        if create:
            raise CannotSelect(f"stack {stack!r}: {asked.stderr.strip()}{_hint(stack)}")
        return asked.returncode
    # With the wrong passphrase Pulumi's other commands would first write a salt of their own into the stack file.
    opened = pulumi.ask(["stack", "output", "--stack", stack, "--show-secrets", "--json"])
    if opened.returncode != 0:
        raise DoesNotOpen(
            f"{passphrase_setting()} does not open the secrets of stack {stack!r}: {opened.stderr.strip()}"
        )
    return 0


def _hint(stack: str) -> str:
    """What is behind it when a stack file outlived its state: Pulumi says only that a passphrase is wrong."""
    if "encryptionsalt:" not in stack_file(stack).read_text():
        return ""
    return (
        f"\nstacks/{stack_file(stack).name} has a line `encryptionsalt`, made with a passphrase: "
        f"{passphrase_setting()} must give that one, or the line must go, for a stack that starts anew"
    )


def stack_file(stack: str) -> Path:
    return CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml"


def passphrase_setting() -> str:
    """The setting that says the passphrase, with its value where that is no secret."""
    found = pulumi.whole_environment()
    return PASSPHRASE if PASSPHRASE in found else f"{PASSPHRASE_FILE}={found.get(PASSPHRASE_FILE, '')}"


def forget(stack: str) -> None:
    """Remove what a removed stack leaves in the local backend, and the backend with its last stack."""
    if pulumi.whole_environment()["PULUMI_BACKEND_URL"] != backend_url():
        return
    project = pulumi.project()
    for kept in ("backups", "history"):
        shutil.rmtree(places.state() / ".pulumi" / kept / project / stack, ignore_errors=True)
    file = stack_file(stack)
    file.write_text(without_salt(file.read_text()))
    if not local_stacks():
        passphrase_file().unlink(missing_ok=True)
        (places.state() / "environment").unlink(missing_ok=True)
        for folder in (places.state() / ".pulumi", places.state() / "ssh"):
            shutil.rmtree(folder, ignore_errors=True)
        remove_if_empty(places.state())


def without_salt(text: str) -> str:
    """A stack file without the line that ties it to a passphrase, unless a secret in it still needs that."""
    return text if "secure:" in text else re.sub(r"^encryptionsalt:.*\n", "", text, flags=re.MULTILINE)


def remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
