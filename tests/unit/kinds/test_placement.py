"""Files as archives, and back."""

from hypothesis import given
from hypothesis import strategies as st

from mooring.kinds.placement import Directory, File, archive, found, path_problems, placing, removing, strangers

NAMES = st.from_regex(r"[a-z][a-z0-9._-]{0,30}", fullmatch=True)
FILES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts)),
    st.builds(File, content=st.text(), mode=st.sampled_from(["0600", "0640", "0755"]), owner=NAMES, group=NAMES),
    max_size=5,
)


@given(FILES)
def test_what_was_packed_is_found_again(files: dict[str, File]) -> None:
    assert found(archive(files))[0] == files


@given(FILES)
def test_the_same_files_are_the_same_bytes(files: dict[str, File]) -> None:
    assert archive(files) == archive(dict(reversed(list(files.items()))))


def test_the_mode_of_a_folder_on_the_way_is_left_alone() -> None:
    """With the mode of / set from an archive, every service that is not root's died."""
    script = placing({"/etc/x/y": File(content="")}, {})

    assert "--no-overwrite-dir" in script
    assert "mkdir -p -m 0755 /etc/x" in script


def test_a_path_with_a_quote_stays_one_word() -> None:
    script = placing({}, {"/srv/it's": Directory()})

    assert """'/srv/it'"'"'s'""" in script


def test_only_what_differs_is_a_stranger() -> None:
    wanted = {"/a": File(content="1"), "/b": File(content="2")}

    assert strangers({"/a": File(content="1"), "/b": File(content="3")}, wanted) == ["/b"]
    assert strangers({"/a": File(content="1", mode="0600"), "/b": File(content="2", owner="www")}, wanted) == [
        "/a",
        "/b",
    ]


def test_folders_are_removed_from_the_inside_out() -> None:
    lines = removing([], ["/a", "/a/b"]).splitlines()

    assert "/a/b" in lines[0]


def test_a_path_that_climbs_is_refused() -> None:
    assert [p.path for p in path_problems("files", ["/etc/../root/x", "etc/x", "/ok"])] == [
        "files./etc/../root/x",
        "files.etc/x",
    ]
