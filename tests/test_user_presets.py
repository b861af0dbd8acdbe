"""The user's own presets: nothing is lost when several write at once or a write is interrupted."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freeu import Settings, SettingsError, user_presets
from freeu.settings.presets import BUILTIN
from freeu.settings.settings import TABLE
from freeu.user_presets import (
    MAX_NAME_LENGTH,
    MAX_PRESETS,
    RESERVED_NAMES,
    ConflictError,
    UserPresets,
    check_name,
    similar_names,
)
from tests.support import strategies
from tests.support.waiting import wait_until

ROOT = Path(__file__).parent.parent
SOME = Settings(version="1", b1=1.25, curve="0:0, 1:1", clock="noise", passes="first", width3=0.25, mask="disc")
OTHER = Settings(b1=1.5)


@pytest.fixture
def store(tmp_path):
    return UserPresets(tmp_path / "presets.json")


def presets(store):
    """Return the presets of a store in which nothing is wrong."""
    parsed = store.read()
    assert parsed.errors == {}
    return parsed.presets


def file_content(store):
    return json.loads(store.path.read_text("utf-8"))


def shown(errors):
    """Return the messages about presets, which must have no folder of their file."""
    assert "/" not in "".join(errors.values())
    return errors


def file_names(folder):
    return {path.name for path in folder.iterdir()}


# Save, rename, delete


def test_reading_without_a_file_creates_none(store, tmp_path):
    assert presets(store) == {}
    assert file_names(tmp_path) == set()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(strategies.valid.map(Settings.parse))
def test_preset_has_every_parameter_except_enabled(store, saved):
    store.save("one", saved, overwrite=True)
    assert presets(UserPresets(store.path)) == {"one": saved.replace(enabled=True)}
    assert set(file_content(store)["presets"]["one"]) == set(TABLE) - {"enabled"}
    assert file_content(store)["version"] == 1


def test_save_does_not_overwrite_by_default(store):
    assert store.save(" one ", SOME) == "one"
    with pytest.raises(ConflictError, match=r"^preset name must not be the name of an existing preset, got 'one'$"):
        store.save("one", OTHER)
    assert presets(store) == {"one": SOME}
    store.save("one", OTHER, overwrite=True)
    assert presets(store) == {"one": OTHER}


def test_renamed_preset_keeps_its_position(store):
    for name in ("one", "two", "three"):
        store.save(name, SOME)
    assert store.rename("two", " zwei") == "zwei"
    assert list(presets(store)) == ["one", "zwei", "three"]
    with pytest.raises(ConflictError, match="must not be the name of an existing preset"):
        store.rename("zwei", "one")
    with pytest.raises(SettingsError, match=r"^preset must be one of your own presets: one, zwei, three, got 'two'$"):
        store.rename("two", "four")
    store.rename("zwei", "zwei")
    assert list(presets(store)) == ["one", "zwei", "three"]


def test_delete_removes_only_one_preset(store):
    store.save("one", SOME)
    store.save("two", OTHER)
    store.delete("one")
    assert presets(UserPresets(store.path)) == {"two": OTHER}
    with pytest.raises(SettingsError, match=r"^preset must be one of your own presets: two, got 'one'$"):
        store.delete("one")
    store.delete("two")
    with pytest.raises(SettingsError, match="your own presets: none yet"):
        store.delete("two")


def test_changes_by_another_process_are_read(store):
    other = UserPresets(store.path)
    other.save("one", SOME)
    assert presets(store) == {"one": SOME}
    store.save("two", OTHER)
    assert list(presets(other)) == ["one", "two"]
    store.path.unlink()
    assert presets(other) == {}


def test_missing_folders_are_created(tmp_path):
    store = UserPresets(tmp_path / "new" / "folder" / "presets.json")
    store.save("one", SOME)
    assert presets(store) == {"one": SOME}


# Names


@pytest.mark.parametrize("name", ["a", "夜の街", "Größe 2", "b1 = 1.3; soft (2)", "x" * MAX_NAME_LENGTH, "C+", "[x]"])
def test_allowed_names(store, name):
    assert store.save(name, SOME) == name
    assert list(presets(store)) == [name]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            " ",
            "\u3000",
            "x" * (MAX_NAME_LENGTH + 1),
            "a\nb",
            "a\tb",
            "a\x1bb",
            "a\u202eb",
            "a\ud800",
            "a\0b",
            None,
            3,
        ),
        *(f"a{c}b" for c in "\"',<>\\/"),
        *(change(name) for name in RESERVED_NAMES for change in (str, str.upper, str.lower)),
    ],
)
def test_names_that_are_not_allowed(store, name):
    with pytest.raises(SettingsError, match=r"^preset name must have 1 to 60 visible characters, ") as caught:
        store.save(name, SOME)
    assert (caught.value.field, caught.value.value) == ("preset name", name)
    assert not store.path.exists()


def test_names_of_built_in_presets_are_reserved():
    assert set(BUILTIN) < set(RESERVED_NAMES)


def test_names_that_look_the_same_are_the_same():
    assert check_name("夜の\u3000街 ") == check_name("夜の 街")
    assert check_name("u\u0308ber") == check_name("\u00fcber")


@given(st.text(max_size=80))
def test_similar_names_are_allowed_and_distinct(name):
    names = list(islice(similar_names(name), 3))
    assert len(set(names)) == 3
    assert [check_name(new) for new in names] == names


def test_similar_names_count_up():
    assert list(islice(similar_names("soft"), 3)) == ["soft", "soft 2", "soft 3"]
    assert list(islice(similar_names("sdxl"), 2)) == ["sdxl 2", "sdxl 3"]
    assert list(islice(similar_names("x" * 100), 2, 1001, 998)) == [f"{'x' * 58} 3", f"{'x' * 55} 1001"]


@given(st.text(max_size=MAX_NAME_LENGTH))
def test_first_similar_name_of_an_allowed_name_is_itself(name):
    try:
        checked = check_name(name)
    except SettingsError:
        return
    assert next(similar_names(name)) == check_name(checked) == checked


# Import and export


def test_exported_file_has_the_same_presets(store, tmp_path):
    store.save("one", SOME)
    store.save("夜", OTHER)
    other = UserPresets(tmp_path / "other.json")
    other.path.write_text(store.export(), "utf-8")
    assert presets(other) == presets(store)


def test_import_overwrites_nothing(store):
    store.save("one", SOME)
    store.save("two", OTHER)
    result = store.add({"one": OTHER, "two": OTHER, "SDXL": SOME, "a,b": SOME, "new": SOME})
    assert result.stored == {"one": "one 2", "SDXL": "SDXL 2", "a,b": "a b", "new": "new"}
    assert result.left_out == {"two": "the same preset exists as two"}
    assert presets(store)["one"] == SOME
    assert presets(store)["one 2"] == OTHER
    again = store.add({"one": OTHER, "SDXL": SOME})
    assert again.stored == {}
    assert again.left_out == {
        "one": "the same preset exists as one 2",
        "SDXL": "the same preset exists as SDXL 2",
    }


# Limits


def write_entries(store, count):
    entries = {f"preset {index}": {"b1": 1.1} for index in range(count)}
    store.path.write_text(json.dumps({"version": 1, "presets": entries}))


def test_number_of_presets_is_limited(store):
    write_entries(store, MAX_PRESETS)
    before = store.path.read_bytes()
    for change in (lambda: store.save("one", SOME), lambda: store.add({"one": SOME})):
        with pytest.raises(SettingsError, match=r"^number of presets must be at most 1000, got 1001$"):
            change()
    assert store.path.read_bytes() == before
    store.delete("preset 0")
    store.save("one", SOME)


def test_more_presets_than_allowed_stay_in_the_file(store):
    write_entries(store, MAX_PRESETS + 2)
    parsed = store.read()
    assert len(parsed.presets) == MAX_PRESETS
    assert parsed.errors == {"preset 1001 and later": "a file can have at most 1000 presets"}
    store.delete("preset 1")
    assert len(file_content(store)["presets"]) == MAX_PRESETS + 1


def test_size_of_the_file_is_limited(store):
    curve = ", ".join(f"{index / 201}:{index / 201}" for index in range(200))
    many = dict.fromkeys((f"preset {index}" for index in range(200)), Settings(curve=curve))
    with pytest.raises(SettingsError, match=r"^size of the preset file must be at most 1000000 bytes, got \d+$"):
        store.add(many)
    assert not store.path.exists()


def test_file_above_the_limit_is_reported_and_stays(store):
    with store.path.open("wb") as file:
        file.truncate(10**11)  # takes no space on the disk
    assert shown(store.read().errors) == {"presets.json": "presets.json must be at most 1000000 bytes"}
    with pytest.raises(OSError, match="must be at most 1000000 bytes"):
        store.save("one", SOME)
    assert store.path.stat().st_size == 10**11


# Permissions and links


def test_saved_file_keeps_its_permissions(store):
    store.save("one", SOME)
    store.path.chmod(0o600)
    store.save("two", OTHER)
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_linked_file_is_changed_under_its_own_lock(store, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "shared.json"
    store.path.symlink_to(target)
    store.save("one", SOME)
    UserPresets(target).save("two", OTHER)
    assert list(presets(store)) == ["one", "two"]
    assert store.path.is_symlink()
    assert file_names(tmp_path) == {"elsewhere", "presets.json"}
    target.write_text("{")
    assert presets(store) == {}
    store.save("three", SOME)
    assert store.path.is_symlink()
    assert [path.read_text() for path in target.parent.glob("shared.broken-*.json")] == ["{"]


# Broken files


BROKEN = [
    *(b"", b"{", b'{"version": 1, "presets": {"one": {"b1": 1.2}', b"\xff\xfe", b"[]", b"null", b"[" * 100_000),
    *(b'{"presets": {}}', b'{"version": 1}', b'{"version": 1, "presets": []}', b'{"version": "1", "presets": {}}'),
    b'{"version": 1, "presets": {"one": {}, "one": {"b1": 1.2}}}',
    b'{"version": 1, "presets": {"one": {"b1": 1.2, "b1": 1.3}}}',
    b'{"version": 1, "presets": {"one": {}}, "presets": {"two": {}}}',
]


@pytest.mark.parametrize("content", BROKEN)
def test_broken_file_is_kept_and_reported(store, tmp_path, content):
    store.path.write_bytes(content)
    assert presets(store) == {}
    [kept] = tmp_path.glob("presets.broken-*.json")
    assert kept.read_bytes() == content
    [message] = store.moved
    assert message.startswith("presets.json could not be read (a preset file must be ")
    assert message.endswith(f"); it was kept as {kept.name}")
    store.save("one", SOME)
    assert presets(store) == {"one": SOME}
    assert store.moved == [message]


def test_name_that_occurs_twice_is_reported_by_name(store):
    store.path.write_text('{"version": 1, "presets": {"two": {}, "one\\ud800": {"b1": 1}, "one\\ud800": {"b1": 2}}}')
    assert presets(store) == {}
    [message] = store.moved
    assert r"must be JSON: the name 'one\ud800' must not occur twice in an object); it was kept as" in message


def test_broken_files_are_never_overwritten(store, tmp_path):
    contents = {b"{1", b"{2", b"{3"}
    for content in contents:
        store.path.write_bytes(content)
        store.save("one", SOME)
    assert {path.read_bytes() for path in tmp_path.glob("presets.broken-*.json")} == contents
    assert len(store.moved) == 3


def test_broken_file_that_cannot_be_renamed_is_reported(store, monkeypatch):
    store.path.write_bytes(b"{")

    def fail(*args):
        raise PermissionError("read-only folder")

    monkeypatch.setattr(os, "replace", fail)
    assert store.read() == ({}, {"presets.json": "read-only folder"})
    with pytest.raises(PermissionError, match="read-only folder"):
        store.save("one", SOME)
    assert store.path.read_bytes() == b"{"
    assert store.moved == []


def test_broken_file_that_is_locked_is_reported(store, monkeypatch):
    monkeypatch.setattr(user_presets, "LOCK_TIMEOUT", 0.1)
    store.path.write_bytes(b"{")
    with FileLock(f"{store.path}.lock"):
        parsed = store.read()
    assert parsed.presets == {}
    assert "could not be acquired" in shown(parsed.errors)["presets.json"]
    assert store.path.read_bytes() == b"{"


def test_file_of_a_later_release_is_not_changed(store):
    content = '{"version": 2, "presets": [], "more": 1}'
    store.path.write_text(content)
    message = "version must be 1 in this release, got 2. Update the extension"
    assert store.read() == ({}, {"presets.json": message})
    for change in (lambda: store.save("one", SOME), lambda: store.delete("one"), lambda: store.add({"one": SOME})):
        with pytest.raises(ConflictError, match="Update the extension"):
            change()
    assert store.path.read_text() == content


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("bad", {"b1": 9}, "b1 must be between -1 and 3, got 9"),
        ("bad", {"later": 1}, "later is not a parameter of FreeU, got 1. The closest name is "),
        ("bad", {"self": 1}, "self is not a parameter of FreeU, got 1. The closest name is "),
        ("bad", {"preset": "SDXL"}, "preset is not a parameter of FreeU, got 'SDXL'"),
        ("bad", [1], "bad must be an object of parameters and values, got [1]"),
        ("SDXL", {}, "preset name must have 1 to 60 visible characters"),
        ("a,b", {}, "preset name must have 1 to 60 visible characters"),
        (" a", {}, "preset name must have 1 to 60 visible characters"),
        ("\ud800", {"b1": 1.2}, "preset name must have 1 to 60 visible characters"),
        ("bad", {"curve": "\ud800"}, "curve must be empty or points progress:strength"),
        ("bad", {"\ud800": "\udfff"}, r"\ud800 is not a parameter of FreeU, got '\udfff'"),
        ("bad", {"b1": 10**4000}, "b1 must be between -1 and 3, got 1000"),
    ],
)
def test_invalid_entry_is_reported_and_stays_in_the_file(store, name, entry, message):
    document = {"version": 1, "presets": {"good": {"b1": 1.2}, name: entry}, "note": "mine"}
    store.path.write_text(json.dumps(document))
    parsed = store.read()
    assert parsed.presets == {"good": Settings(b1=1.2)}
    assert list(parsed.errors) == [name]
    assert parsed.errors[name].startswith(message)
    store.save("new", SOME)
    assert file_content(store)["presets"][name] == entry
    assert file_content(store)["note"] == "mine"
    store.delete(name)
    assert list(presets(store)) == ["good", "new"]


def test_byte_order_mark_is_ignored(store):
    store.path.write_text('{"version": 1, "presets": {"one": {}}}', "utf-8-sig")
    assert presets(store) == {"one": Settings()}


def test_path_that_cannot_be_read_is_reported_and_not_moved(store):
    store.path.mkdir()
    parsed = store.read()
    assert parsed.presets == {}
    assert "presets.json" in shown(parsed.errors)["presets.json"]
    with pytest.raises(OSError, match=r"presets\.json"):
        store.save("one", SOME)
    assert store.path.is_dir()


# Interrupted writes


def test_error_while_writing_leaves_the_file_as_it_was(store, tmp_path, monkeypatch):
    store.save("old", SOME)
    before = store.path.read_bytes()

    def fail(path, content):
        path.write_text("half")
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fail)
        with pytest.raises(OSError, match="disk full"):
            store.save("new", OTHER)
    assert store.path.read_bytes() == before
    assert file_names(tmp_path) <= {"presets.json", "presets.json.lock"}
    store.save("new", OTHER)  # the lock is free
    assert list(presets(store)) == ["old", "new"]


# Several at once


def test_threads_lose_nothing(tmp_path):
    stores = [UserPresets(tmp_path / "presets.json") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: stores[i % 4].save(f"preset {i}", Settings(b1=i / 100)), range(40)))
    assert presets(stores[0]) == {f"preset {i}": Settings(b1=i / 100) for i in range(40)}


def test_lock_held_too_long_is_an_os_error(store, monkeypatch):
    monkeypatch.setattr(user_presets, "LOCK_TIMEOUT", 0.1)
    with FileLock(f"{store.path}.lock"), pytest.raises(OSError, match=r"presets\.json\.lock"):
        store.save("one", SOME)
    store.save("one", SOME)
    assert presets(store) == {"one": SOME}


def test_reading_does_not_wait_for_the_lock(store):
    store.save("one", SOME)
    with FileLock(f"{store.path}.lock"):
        assert presets(UserPresets(store.path)) == {"one": SOME}


def test_readers_never_see_an_incomplete_file(store):
    store.save("one", SOME)

    def read(_):
        return tuple(presets(UserPresets(store.path)))

    with ThreadPoolExecutor(2) as pool:
        seen = pool.map(read, range(200))
        for _ in range(20):
            store.rename("one", "two")
            store.rename("two", "one")
        assert set(seen) <= {("one",), ("two",)}


# Processes. The children import no torch.


EXIT_WHILE_REPLACING = """
import os, sys
from pathlib import Path
from freeu.settings.settings import Settings
from freeu.user_presets import UserPresets
os.replace = lambda *args: os._exit(9)
UserPresets(Path(sys.argv[1])).save("new", Settings(b1=1.5))
"""

SAVE_MANY = """
import sys
from pathlib import Path
from freeu.settings.settings import Settings
from freeu.user_presets import UserPresets
store = UserPresets(Path(sys.argv[1]))
for i in range(int(sys.argv[3])):
    store.save(f"{sys.argv[2]} {i}", Settings(b1=1.5))
"""


@contextmanager
def python(code, *args):
    """A process that is killed at the end."""
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, args)], cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)


def test_end_of_a_process_while_it_writes_leaves_the_old_file(store):
    store.save("old", SOME)
    with python(EXIT_WHILE_REPLACING, store.path) as process:
        assert process.wait(60) == 9
    assert presets(store) == {"old": SOME}
    store.save("later", OTHER)  # the lock is free
    assert list(presets(store)) == ["old", "later"]
    assert store.moved == []


def test_processes_lose_nothing(store):
    with python(SAVE_MANY, store.path, "theirs", 20) as process:
        wait_until(lambda: len(presets(store)) >= 1)
        for i in range(20):
            store.save(f"ours {i}", OTHER)
        assert process.wait(60) == 0
    assert set(presets(store)) == {f"{name} {i}" for name in ("ours", "theirs") for i in range(20)}


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 10, 50])
def test_being_killed_at_any_moment_leaves_a_complete_file(store, count):
    with python(SAVE_MANY, store.path, "new", MAX_PRESETS):
        wait_until(lambda: len(presets(store)) >= count)
    assert set(file_content(store)["presets"]) == set(presets(store))
    assert set(presets(store).values()) == {OTHER}
    assert store.moved == []
