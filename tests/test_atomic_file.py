"""replace_file: a file is replaced as a whole or not at all."""

import pytest

from freeu.atomic_file import replace_file


def write_half(path):
    with replace_file(path) as temporary:
        temporary.write_text("half")
        raise OSError("disk full")


def test_file_is_replaced_at_the_end(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with replace_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path, "os.replace is atomic only within a file system"
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]


def test_missing_folders_are_created(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    with replace_file(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


@pytest.mark.parametrize("existed", [True, False])
def test_error_leaves_the_file_as_it_was(tmp_path, existed):
    path = tmp_path / "file.txt"
    if existed:
        path.write_text("old")
    with pytest.raises(OSError, match="disk full"):
        write_half(path)
    assert [file.read_text() for file in tmp_path.iterdir()] == (["old"] if existed else [])


def test_error_while_replacing_leaves_no_temporary_file(tmp_path):
    path = tmp_path / "folder"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"), replace_file(path) as temporary:
        temporary.write_text("new")
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]
    assert (path / "inside").is_dir()


def test_nothing_written_is_an_error(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replace_file(path):
        pass
    assert path.read_text() == "old"


def test_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path):
    path, other = tmp_path / "file.txt", tmp_path / "other.txt"
    other.write_text("other")
    (tmp_path / "file.txt.tmp").symlink_to(other)
    with replace_file(path) as temporary:
        temporary.write_text("new")
    assert other.read_text() == "other"
    assert path.read_text() == "new"
    assert not path.is_symlink()


def test_permissions_are_kept(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    path.chmod(0o640)
    with replace_file(path) as temporary:
        temporary.write_text("new")
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_text() == "new"


@pytest.mark.parametrize("existed", [True, False])
def test_symlink_stays_and_its_target_is_replaced(tmp_path, existed):
    target, link = tmp_path / "folder" / "target.txt", tmp_path / "link.txt"
    target.parent.mkdir()
    if existed:
        target.write_text("old")
    link.symlink_to(target)
    with replace_file(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"
