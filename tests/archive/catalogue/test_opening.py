import pytest

from tasks.archive.catalogue.heasarc import HeasarcCatalogue
from tasks.archive.catalogue.opening import is_local, open_catalogue
from tasks.archive.catalogue.table import TableCatalogue
from tasks.core.errors import BadInput


def test_heasarc_is_no_table():
    assert not is_local("heasarc")
    assert open_catalogue("heasarc") == HeasarcCatalogue()


@pytest.mark.parametrize("name", ["a.ecsv", "a.csv", "a.fits", "a.VOT"])
def test_a_table_is_known_by_its_name_and_not_read(tmp_path, name):
    path = tmp_path / name
    path.write_text("no table at all")
    assert is_local(str(path))
    assert open_catalogue(str(path)) == TableCatalogue(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("heasrac", "'heasrac' is neither heasarc nor a table"),
        ("", "'' is neither"),
        ("rows.txt", "'rows.txt' is neither"),
        ("https://host/rows.ecsv", "neither"),
        ("https://me:secret@host/rows.ecsv", "neither"),
        ("/nowhere/at/all.ecsv", "/nowhere/at/all.ecsv cannot be read: there is no such file"),
    ],
)
def test_what_names_no_catalogue(text, told):
    for refuse in (is_local, open_catalogue):
        with pytest.raises(BadInput, match=told) as refused:
            refuse(text)
        assert "secret" not in str(refused.value)


def test_a_folder_is_no_table(tmp_path):
    (tmp_path / "rows.ecsv").mkdir()
    with pytest.raises(BadInput, match="no such file"):
        open_catalogue(str(tmp_path / "rows.ecsv"))
