import os
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mooring.plugin.wire import UNKNOWN
from mooring.toolchain.standins.docker_plugin.build_context import BuildContext, NoSuchContext, patterns
from mooring.toolchain.standins.docker_plugin.image import (
    BuildLog,
    Image,
    PushLog,
    build_request,
    credentials,
    repository,
)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "src").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (folder / ".dockerignore").write_text("# build leftovers\n*.log\nnode_modules\n")
    (folder / "src" / "app.js").write_text("hello")
    (folder / "debug.log").write_text("noise")
    return folder


def digest(folder: Path, **build: Any) -> str:
    return BuildContext.of({"context": str(folder), **build}).digest()


def remove_file(folder: Path) -> None:
    (folder / "src" / "app.js").unlink()


def rename_file(folder: Path) -> None:
    (folder / "src" / "app.js").rename(folder / "src" / "main.js")


def change_file(folder: Path) -> None:
    (folder / "src" / "app.js").write_text("other")


def change_mode(folder: Path) -> None:
    (folder / "src" / "app.js").chmod(0o755)


def change_dockerfile(folder: Path) -> None:
    (folder / "Dockerfile").write_text("FROM scratch\n")


def ignore_less(folder: Path) -> None:
    (folder / ".dockerignore").write_text("node_modules\n")


def add_link(folder: Path) -> None:
    (folder / "link").symlink_to("nowhere")


@pytest.mark.parametrize(
    "change", [remove_file, rename_file, change_file, change_mode, change_dockerfile, ignore_less, add_link]
)
def test_what_a_build_can_see_changes_the_digest(app: Path, change: Callable[[Path], None]) -> None:
    before = digest(app)

    change(app)

    assert digest(app) != before


def write_ignored(folder: Path) -> None:
    (folder / "debug.log").write_text("more noise")
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "x").write_text("x")


def touch(folder: Path) -> None:
    os.utime(folder / "src" / "app.js", (1, 1))


@pytest.mark.parametrize("change", [write_ignored, touch])
def test_what_a_build_cannot_see_leaves_the_digest_alone(app: Path, change: Callable[[Path], None]) -> None:
    before = digest(app)

    change(app)

    assert digest(app) == before


def test_another_clone_of_the_same_files_has_the_same_digest(app: Path, tmp_path: Path) -> None:
    before = digest(app)

    assert digest(app.rename(tmp_path / "elsewhere")) == before


def test_an_ignored_dockerfile_still_counts_and_is_still_sent(app: Path) -> None:
    (app / ".dockerignore").write_text("Dockerfile\n")
    before = digest(app)
    (app / "Dockerfile").write_text("FROM scratch\n")

    assert digest(app) != before
    assert "Dockerfile" in archived(app)


def archived(folder: Path, **build: Any) -> dict[str, tarfile.TarInfo]:
    with tempfile.TemporaryFile() as file:
        BuildContext.of({"context": str(folder), **build}).write_archive(file)
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            return {member.name: member for member in tar}


def test_the_archive_holds_what_is_not_ignored_as_roots(app: Path) -> None:
    members = archived(app)

    assert set(members) == {".dockerignore", "Dockerfile", "src", "src/app.js"}
    assert {(member.uid, member.uname) for member in members.values()} == {(0, "")}


def test_a_dockerfile_from_outside_travels_along(app: Path, tmp_path: Path) -> None:
    outside = tmp_path / "other.Dockerfile"
    outside.write_text("FROM scratch\n")
    context = BuildContext.of({"context": str(app), "dockerfile": str(outside)})

    assert context.dockerfile_name in archived(app, dockerfile=str(outside))
    assert context.relative_dockerfile == "../other.Dockerfile"


def test_a_dockerfiles_own_ignore_file_takes_the_place_of_the_contexts(app: Path) -> None:
    (app / "Dockerfile.dockerignore").write_text("src\n")

    assert "debug.log" in archived(app)
    assert "src/app.js" not in archived(app)


def test_a_dockerfile_named_from_inside_the_context_gets_the_right_name(
    app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path is the program's, as with the official plugin; the mistake is common enough to be named."""
    monkeypatch.chdir(app.parent)

    with pytest.raises(NoSuchContext, match="set dockerfile to 'app/Dockerfile'"):
        BuildContext.of({"context": "app", "dockerfile": "Dockerfile"})


def test_comments_and_blanks_are_no_patterns() -> None:
    assert patterns(["# all of it: *", "", "  *.log "]) == ["*.log"]


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(NoSuchContext, match="'nosuch' is not a folder"):
        BuildContext.of({"context": "nosuch"})


def written(app: Path, **changes: Any) -> dict[str, Any]:
    build = {"context": str(app), "platform": "linux/amd64", "builderVersion": "BuilderV1"}
    return {"imageName": "127.0.0.1:5000/hello:latest", "build": build, **changes}


def test_check_records_the_digest_of_the_context(app: Path) -> None:
    inputs = written(app)

    completed = Image().completed(inputs, inputs)

    assert completed["build"]["contextDigest"] == digest(app)
    assert completed["build"]["dockerfile"] == str(app / "Dockerfile")


def test_a_context_that_is_not_known_yet_is_not_hashed() -> None:
    inputs = {"imageName": "a", "build": {"context": UNKNOWN}}

    assert Image().completed(inputs, inputs) == inputs


def test_new_credentials_build_nothing(app: Path) -> None:
    old = written(app, registry={"server": "r", "username": "a", "password": "b"})

    assert Image().changed(old, written(app, registry={"server": "r", "username": "c", "password": "d"})) == set()
    assert Image().changed(old, written(app, registry={"server": "s"})) == {"registry"}
    assert Image().changed(written(app, registry={"password": "b"}), written(app)) == set()


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        ({"builderVersion": "BuilderBuildKit"}, "must be 'BuilderV1'"),
        ({"builderVersion": None}, "must be 'BuilderV1'"),
        ({"platform": None}, "build.platform must be said"),
        ({"dockerfile": "nosuch"}, "could not open the Dockerfile 'nosuch'"),
    ],
)
def test_a_build_it_cannot_make_is_refused(app: Path, build: dict[str, Any], complaint: str) -> None:
    inputs = written(app)
    inputs["build"] |= build

    [problem] = Image().problems(inputs)

    assert complaint in problem


def test_a_failed_build_shows_its_last_lines_without_colours() -> None:
    log = BuildLog()
    for number in range(30):
        log.hear({"stream": f"\x1b[31mline {number}\x1b[0m\n"})
    log.hear({"stream": " ---> Running in 1234\n"})

    assert log.failure("hello", "exit 3").splitlines() == [
        "unable to build hello: exit 3",
        *(f"  line {number}" for number in range(10, 30)),
    ]


def test_a_build_shows_its_steps_and_ends_with_the_image() -> None:
    log = BuildLog()

    assert log.hear({"stream": "Step 1/2 : FROM scratch\n"}) == "Step 1/2 : FROM scratch"
    assert log.hear({"stream": " ---> 1234\n"}) is None
    log.hear({"aux": {"ID": "sha256:1"}})
    assert log.image_id == "sha256:1"


def test_a_push_counts_all_layers_and_ends_with_the_digest() -> None:
    log = PushLog()

    assert log.hear({"id": "a", "progressDetail": {"current": 50, "total": 100}}) == "pushing 50 %"
    assert log.hear({"id": "b", "progressDetail": {"current": 0, "total": 100}}) == "pushing 25 %"
    assert log.hear({"id": "b", "progressDetail": {"current": 1, "total": 100}}) is None
    assert log.hear({"id": "b", "progressDetail": {"current": 900, "total": 100}}) == "pushing 75 %"
    log.hear({"aux": {"Tag": "latest", "Digest": "sha256:2", "Size": 1}})
    assert log.digest == "sha256:2"


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("127.0.0.1:5000/hello:1", "127.0.0.1:5000/hello"),
        ("127.0.0.1:5000/hello", "127.0.0.1:5000/hello"),
        ("hello:1", "docker.io/library/hello"),
        ("team/hello", "docker.io/team/hello"),
        ("localhost/hello", "localhost/hello"),
    ],
)
def test_a_repository_is_spelled_as_registries_know_it(name: str, whole: str) -> None:
    assert repository(name) == whole


def test_credentials_go_to_the_server_that_is_named_or_to_the_images_own() -> None:
    login = {"username": "a", "password": "b"}

    assert credentials(login, "127.0.0.1:5000/x") == {**login, "serveraddress": "127.0.0.1:5000"}
    assert credentials({**login, "server": "https://r.example"}, "x") == {**login, "serveraddress": "r.example"}
    assert credentials({"username": "a"}, "x") is None


def test_a_build_leaves_no_container_of_its_own(app: Path) -> None:
    request = build_request(written(app), BuildContext.of({"context": str(app)}))

    assert request["rm"]
    assert request["forcerm"]
