"""Presets of one's own: nothing is lost, whoever writes at the same time and whatever ends in the middle."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freeu import Settings, SettingsError, safefile
from freeu.preset_file import MAX_NAME_LENGTH, NewerFileError, check_name, similar_names
from freeu.settings.presets import BUILTIN
from freeu.settings.settings import TABLE
from freeu.user_presets import UserPresets
from tests import strategies

ROOT = Path(__file__).parent.parent
SOME = Settings(version="1", b1=1.25, curve="0:0, 1:1", clock="noise", passes="first", width3=0.25, mask="disc")
OTHER = Settings(b1=1.5)


@pytest.fixture
def store(tmp_path):
    return UserPresets(tmp_path / "presets.json")


def written(store):
    return json.loads(store.path.read_text("utf-8"))


def run_python(code, *args):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, args)], cwd=ROOT)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# Saving, renaming, deleting


def test_without_a_file_there_are_no_presets_and_none_is_made(store, tmp_path):
    assert (store.presets, store.problems) == ({}, [])
    assert names(tmp_path) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(strategies.valid.map(Settings.parse))
def test_every_setting_comes_back_but_for_the_switch(store, asked):
    store.save("one", asked, overwrite=True)
    assert UserPresets(store.path).presets == {"one": asked.replace(enabled=True)}
    assert set(written(store)["presets"]["one"]) == set(TABLE) - {"enabled"}
    assert written(store)["version"] == 1


def test_a_saved_preset_is_not_overwritten_unless_asked(store):
    assert store.save(" one ", SOME) == "one"
    with pytest.raises(SettingsError, match="there is a preset of this name already"):
        store.save("one", OTHER)
    assert store.presets == {"one": SOME}
    store.save("one", OTHER, overwrite=True)
    assert store.presets == {"one": OTHER}


def test_a_renamed_preset_keeps_its_place(store):
    for name in ("one", "two", "three"):
        store.save(name, SOME)
    assert store.rename("two", " zwei") == "zwei"
    assert list(store.presets) == ["one", "zwei", "three"]
    with pytest.raises(SettingsError, match="already"):
        store.rename("zwei", "one")
    with pytest.raises(SettingsError, match="one, zwei, three"):
        store.rename("two", "four")
    store.rename("zwei", "zwei")
    assert list(store.presets) == ["one", "zwei", "three"]


def test_a_deleted_preset_is_gone_and_the_others_are_not(store):
    store.save("one", SOME)
    store.save("two", OTHER)
    store.delete("one")
    assert UserPresets(store.path).presets == {"two": OTHER}
    with pytest.raises(SettingsError, match="two"):
        store.delete("one")


def test_a_change_by_somebody_else_is_seen(store):
    other = UserPresets(store.path)
    other.save("one", SOME)
    assert store.presets == {"one": SOME}
    store.save("two", OTHER)
    assert list(other.presets) == ["one", "two"]
    store.path.unlink()
    assert other.presets == {}


# Names


@pytest.mark.parametrize("name", ["a", "夜の街", "Größe 2", "b1 = 1.3; soft (2)", "x" * MAX_NAME_LENGTH, "C+", "[x]"])
def test_names_that_are_allowed(store, name):
    assert store.save(name, SOME) == name
    assert list(store.presets) == [name]


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "\u3000", "x" * (MAX_NAME_LENGTH + 1), "a\nb", "a\tb", "a\x1bb", "a\u202eb", None, 3),
        *(f"a{c}b" for c in "\"',<>\\/"),
        *(change(name) for name in RESERVED for change in (str, str.upper, str.lower)),
    ],
)
def test_names_that_are_not_allowed(store, name):
    with pytest.raises(SettingsError, match="a name has 1 to 60 characters") as refusal:
        store.save(name, SOME)
    assert (refusal.value.field, refusal.value.value) == ("preset", name)
    assert not store.path.exists()


def test_what_looks_the_same_is_the_same_name():
    assert check_name("夜の\u3000街 ") == check_name("夜の 街")
    assert check_name("u\u0308ber") == check_name("\u00fcber")


@given(st.text(max_size=80))
def test_every_name_has_names_like_it_that_are_allowed(name):
    first, second = (new for new, _ in zip(similar_names(name), range(2), strict=False))
    assert first != second
    assert [check_name(new) for new in (first, second)] == [first, second]


@given(st.text(max_size=MAX_NAME_LENGTH))
def test_a_name_that_is_allowed_is_the_first_that_is_like_it(name):
    try:
        kept = check_name(name)
    except SettingsError:
        return
    assert next(similar_names(name)) == check_name(kept) == kept


# Import and export


def test_an_exported_file_is_the_same_presets_elsewhere(store, tmp_path):
    store.save("one", SOME)
    store.save("夜", OTHER)
    elsewhere = UserPresets(tmp_path / "elsewhere.json")
    elsewhere.path.write_text(store.export(), "utf-8")
    assert elsewhere.presets == store.presets


def test_import_overwrites_nothing(store):
    store.save("one", SOME)
    store.save("two", OTHER)
    done = store.add({"one": OTHER, "two": OTHER, "SDXL": SOME, "a,b": SOME, "new": SOME})
    assert done.added == ["one (2)", "SDXL (2)", "a b", "new"]
    assert done.renamed == {"one": "one (2)", "SDXL": "SDXL (2)", "a,b": "a b"}
    assert done.left_out == {"two": "it is there already, as two"}
    assert store.presets["one"] == SOME
    assert store.presets["one (2)"] == OTHER
    again = store.add({"one": OTHER, "SDXL": SOME})
    assert again.added == []
    assert set(again.left_out) == {"one", "SDXL"}


# Files that are not as they should be


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b'{"version": 1, "presets": {"one": {"b1": 1.2}', b"\xff\xfe", b"[]", b"null", b"[" * 100_000),
        *(b'{"presets": {}}', b'{"version": 1}', b'{"version": 1, "presets": []}', b'{"version": "1", "presets": {}}'),
    ],
)
def test_a_broken_file_is_kept_and_told_and_saving_goes_on(store, tmp_path, content):
    store.path.write_bytes(content)
    assert store.presets == {}
    [broken] = tmp_path.glob("presets.broken-*.json")
    assert broken.read_bytes() == content
    [told] = store.problems
    assert "presets.json could not be read" in told
    assert broken.name in told
    store.save("one", SOME)
    assert store.presets == {"one": SOME}
    assert store.problems == [told]


def test_broken_files_are_never_overwritten(store, tmp_path):
    contents = {b"{1", b"{2", b"{3"}
    for content in contents:
        store.path.write_bytes(content)
        store.save("one", SOME)
    assert {path.read_bytes() for path in tmp_path.glob("presets.broken-*.json")} == contents
    assert len(store.problems) == 3


def test_a_file_of_a_later_release_is_left_alone(store):
    content = '{"version": 2, "presets": [], "more": 1}'
    store.path.write_text(content)
    assert store.presets == {}
    assert "version: 2 is not allowed; this release of FreeU reads presets of version 1 only" in store.problems[0]
    for change in (lambda: store.save("one", SOME), lambda: store.delete("one"), lambda: store.add({"one": SOME})):
        with pytest.raises(NewerFileError, match="update the extension"):
            change()
    assert store.path.read_text() == content


@pytest.mark.parametrize(
    ("name", "entry", "why"),
    [
        ("bad", {"b1": 9}, "b1: 9"),
        ("bad", {"later": 1}, "later: 1"),
        ("bad", {"self": 1}, "self: 1"),
        ("bad", {"preset": "SDXL"}, "preset: 'SDXL'"),
        ("bad", [1], "a preset is parameters with values"),
        ("SDXL", {}, "a name has 1 to 60"),
        ("a,b", {}, "a name has 1 to 60"),
        (" a", {}, "a name has 1 to 60"),
    ],
)
def test_a_bad_preset_is_told_and_stays_and_harms_no_other(store, name, entry, why):
    document = {"version": 1, "presets": {"good": {"b1": 1.2}, name: entry}, "note": "mine"}
    store.path.write_text(json.dumps(document))
    assert store.presets == {"good": Settings(b1=1.2)}
    [told] = store.problems
    assert told.startswith(f"{name} cannot be used: ")
    assert why in told
    store.save("new", SOME)
    assert written(store)["presets"][name] == entry
    assert written(store)["note"] == "mine"
    store.delete(name)
    assert store.problems == []


def test_a_files_byte_order_mark_is_no_matter(store):
    store.path.write_text('{"version": 1, "presets": {"one": {}}}', "utf-8-sig")
    assert store.presets == {"one": Settings()}


def test_a_file_that_cannot_be_read_is_told_and_not_moved(store, tmp_path):
    store.path.mkdir()
    assert store.presets == {}
    assert "presets.json" in store.problems[0]
    with pytest.raises(OSError, match=r"presets\.json"):
        store.save("one", SOME)
    assert store.path.is_dir()


# Several at once


def test_threads_lose_nothing(tmp_path):
    stores = [UserPresets(tmp_path / "presets.json") for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: stores[i % 4].save(f"preset {i}", Settings(b1=i / 100)), range(80)))
    assert stores[0].presets == {f"preset {i}": Settings(b1=i / 100) for i in range(80)}


SAVE_MANY = """
import sys
from pathlib import Path
from freeu import Settings
from freeu.user_presets import UserPresets
store = UserPresets(Path(sys.argv[1]))
for i in range(int(sys.argv[3])):
    store.save(f"{sys.argv[2]} {i}", Settings(b1=1.5))
"""


def test_processes_lose_nothing(store):
    running = [run_python(SAVE_MANY, store.path, who, 40) for who in ("one", "two")]
    assert [process.wait(120) for process in running] == [0, 0]
    assert set(store.presets) == {f"{who} {i}" for who in ("one", "two") for i in range(40)}


DIE = """
import os, signal, sys
from pathlib import Path
from freeu import Settings
from freeu.user_presets import UserPresets
real = getattr(os, sys.argv[2])
def die(*args):
    if sys.argv[3] == "after":
        real(*args)
    os._exit(9)
setattr(os, sys.argv[2], die)
UserPresets(Path(sys.argv[1])).save("new", Settings(b1=1.5))
"""


@pytest.mark.parametrize(
    ("call", "moment", "new"),
    [("fsync", "before", False), ("fsync", "after", False), ("replace", "before", False), ("replace", "after", True)],
)
def test_a_death_in_the_middle_leaves_the_old_file_or_the_new_one(store, call, moment, new):
    store.save("old", SOME)
    assert run_python(DIE, store.path, call, moment).wait(60) == 9
    assert list(store.presets) == (["old", "new"] if new else ["old"])
    store.save("later", OTHER)  # no lock is left
    assert store.problems == []
    assert "later" in store.presets
    assert names(store.path.parent) == ["presets.json", "presets.json.lock"]


@pytest.mark.slow
def test_being_killed_at_any_moment_leaves_whole_files(store):
    for _ in range(6):
        before = len(store.presets)
        process = run_python(SAVE_MANY, store.path, time.time_ns(), 100_000)
        while len(store.presets) < before + 5:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
        assert set(written(store)["presets"]) == set(store.presets)
        assert all(settings.b1 == 1.5 for settings in store.presets.values())
    assert store.problems == []


def test_who_waits_too_long_for_the_lock_is_told(store, monkeypatch):
    monkeypatch.setattr(safefile, "PATIENCE", 0.1)
    with safefile.locked(store.path), pytest.raises(TimeoutError, match=r"presets\.json has been in use"):
        store.save("one", SOME)
    store.save("one", SOME)


def test_reading_waits_for_nobody(store):
    store.save("one", SOME)
    with safefile.locked(store.path):
        assert UserPresets(store.path).presets == {"one": SOME}


def test_readers_never_see_half_a_file(store):
    store.save("one", SOME)
    ended = threading.Event()
    seen = set()

    def look():
        while not ended.is_set():
            seen.add(tuple(UserPresets(store.path).presets))

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(50):
        store.rename("one", "two")
        store.rename("two", "one")
    ended.set()
    for reader in readers:
        reader.join()
    assert seen <= {("one",), ("two",)}


def test_the_built_in_presets_have_names_that_are_taken():
    assert set(BUILTIN) < set(RESERVED)
