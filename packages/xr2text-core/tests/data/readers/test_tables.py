"""Tables as people save them: whole rows are read, damaged ones are named by their line, and no row is swallowed."""

import gzip
from pathlib import Path

import pytest

from xr2text_core.data.readers.tables import OPEN_QUOTE, WRONG_LENGTH, read_table
from xr2text_core.data.study import DatasetError

CLEAR = {"image": "1.png", "report": "ok"}


def rows_of(path: Path, content: str | bytes) -> list[tuple[int, dict[str, str] | str]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_table(path, needed=("image",), any_of=("report", "findings")))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(['0.png,"Clear', "1.png,ok"], [(2, OPEN_QUOTE), (3, CLEAR)], id="never closed"),
        pytest.param(['0.png,"Clear', '1.png,"ok"'], [(2, OPEN_QUOTE), (3, CLEAR)], id="before a quoted cell"),
        pytest.param(["1.png,ok", '0.png,"Clear'], [(2, CLEAR), (3, OPEN_QUOTE)], id="in the last row"),
        pytest.param(['"0.png","Clear', '"1.png","ok"'], [(2, OPEN_QUOTE), (3, CLEAR)], id="all cells quoted"),
        pytest.param(['0.png,"a "b" c"', "1.png,ok"], [(2, OPEN_QUOTE), (3, CLEAR)], id="not doubled"),
        pytest.param(['0.png,"a', '0.png,"b', "1.png,ok"], [(2, OPEN_QUOTE), (3, OPEN_QUOTE), (4, CLEAR)], id="two"),
        pytest.param(
            ["0.png", "0.png,a,b", "1.png,ok,,"], [(2, WRONG_LENGTH), (3, WRONG_LENGTH), (4, CLEAR)], id="cells"
        ),
        pytest.param(["", "1.png,ok", "", ""], [(3, CLEAR)], id="blank lines"),
        pytest.param(['1.png, "ok"'], [(2, CLEAR)], id="space before a quote"),
        pytest.param(['1.png,"a\nb"', "1.png,ok"], [(2, CLEAR | {"report": "a\nb"}), (4, CLEAR)], id="line break"),
        pytest.param(['1.png,5" tube'], [(2, CLEAR | {"report": '5" tube'})], id="inches"),
        pytest.param(['1.png,"5"" tube"'], [(2, CLEAR | {"report": '5" tube'})], id="doubled"),
    ],
)
def test_a_damaged_row_is_named_by_its_line_and_swallows_no_other(tmp_path: Path, lines: list[str], expected) -> None:
    assert rows_of(tmp_path / "t.csv", "\n".join(["image,report", *lines])) == expected


def test_many_unclosed_quotes_are_read_in_one_pass(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "t.csv", "image,report\n" + '0.png,"Clear\n' * 20_000)
    assert [row for _, row in rows] == [OPEN_QUOTE] * 20_000


@pytest.mark.parametrize("word", ["nan", "NaN", "NULL", "null", "None", "N/A", "NA", "<NA>", "#N/A", " ", "None."])
def test_a_cell_that_says_it_is_empty_is_empty(tmp_path: Path, word: str) -> None:
    assert rows_of(tmp_path / "t.csv", f"image,report\n1.png,{word}\n") == [(2, {"image": "1.png", "report": ""})]


@pytest.mark.parametrize("text", ["No", "Normal", "Nana", "None seen.", "NAD", "0"])
def test_short_texts_are_texts(tmp_path: Path, text: str) -> None:
    assert rows_of(tmp_path / "t.csv", f"image,report\n1.png,{text}\n") == [(2, {"image": "1.png", "report": text})]


def test_a_huge_cell_is_read(tmp_path: Path) -> None:
    ((_, row),) = rows_of(tmp_path / "t.csv", "image,report\n1.png," + "Clear lungs. " * 30_000)
    assert isinstance(row, dict) and len(row["report"]) == 390_000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_of_spreadsheets(tmp_path: Path, encoding: str, ending: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    content = f"{mark}Image , REPORT{ending}1.png,Größe{ending}".encode(encoding)
    assert rows_of(tmp_path / "t.csv", content) == [(2, {"image": "1.png", "report": "Größe"})]
    assert rows_of(tmp_path / "t.csv.gz", gzip.compress(content)) == [(2, {"image": "1.png", "report": "Größe"})]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("image;report", "no column image; found: image;report. Columns are separated by commas, here by semicolons"),
        ("image\treport", "separated by commas, here by tabs"),
        ("image,text", r"no column report, findings; found: image, text \(one of them is enough\)"),
        ("", "no column image; found: 1, 2"),
    ],
)
def test_a_header_that_lacks_a_column_says_which_and_why(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        rows_of(tmp_path / "t.csv", f"{header}\n1,2\n")


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="found: nothing"):
        rows_of(tmp_path / "t.csv", "")


@pytest.mark.parametrize("content", [b"image,report\n1.png,Gr\xf6\xdfe\n", b"\xff\xfei\0m"])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DatasetError, match=r"t\.csv cannot be read as a CSV file in UTF-8.*Save it as UTF-8"):
        rows_of(tmp_path / "t.csv", content)


@pytest.mark.parametrize("damage", [lambda whole: whole[:30], lambda _: b"image,report\n", lambda _: b"\x1f\x8b"])
def test_a_damaged_archive_is_named(tmp_path: Path, damage) -> None:
    whole = gzip.compress(b"image,report\n" + b"1.png,Clear lungs.\n" * 50)
    with pytest.raises(DatasetError, match=r"t\.csv\.gz cannot be read"):
        rows_of(tmp_path / "t.csv.gz", damage(whole))
