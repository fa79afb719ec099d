"""Tables from files: what is read, round trips, and a corpus of broken files with the words each error must hold."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pwl.data.delimited as delimited
import pwl.data.layout as layout
import pwl.data.scratch as scratch
import pwl.data.table as table_module
import pwl.data.text as text
from pwl.data import Schema, read_inputs, read_table
from pwl.errors import InputError

PLAIN = "a,b,y\n1,10,0.5\n2,20,1.5\n3,30,2.5\n"
MIXED = "sex,length,rings\nM,0.5,7\nF,0.25,9\nI,0.75,8\nM,1.5,10\n"


def test_plain_table(write):
    table = read_table(write(PLAIN))
    np.testing.assert_array_equal(table.x, [[1, 10], [2, 20], [3, 30]])
    np.testing.assert_array_equal(table.t, [[0.5], [1.5], [2.5]])
    assert table.x.dtype == table.t.dtype == np.float64
    assert (table.input_names, table.target_names, table.class_names) == (("a", "b"), ("y",), None)


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", " "),
        PLAIN.replace(",", "   ").replace("\n", "  \n  "),
        PLAIN.replace(",", " \t"),
        PLAIN.replace(",", ", "),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        "\ufeff" + PLAIN,
        PLAIN.encode("utf-16"),
        PLAIN.replace("\n", "\n\n") + "  \n",
        "\n\n" + PLAIN.rstrip(),
        '"a","b","y"\n"1","10","0.5"\n"2","20","1.5"\n"3","30","2.5"\n',
        '"a";"b";"y"\n1;10;0.5\n2;20;1.5\n3;30;2.5\n',
        "a;b;y\n1,0;10,0;0,5\n2;20;1,5\n3;30;2,5\n",
        "a\tb\ty\n1,0\t10,0\t0,5\n2\t20\t1,5\n3\t30\t2,5\n",
        "a,b,y\n+1,1e1,.5\n2.,2E+1, 1.5 \n3,30,25e-1",
    ],
)
def test_every_way_of_writing_gives_the_same_table(write, content):
    table = read_table(write(content))
    np.testing.assert_array_equal(table.x, [[1, 10], [2, 20], [3, 30]])
    np.testing.assert_array_equal(table.t, [[0.5], [1.5], [2.5]])
    assert table.input_names == ("a", "b")


def test_headerless_columns_are_numbered(write):
    table = read_table(write("1,2,3\n4,5,6\n7,8,10\n"))
    assert (table.input_names, table.target_names) == (("c1", "c2"), ("c3",))
    for target in (1, "1", "c1", ["c1"], [1]):
        table = read_table(write("1,2,3\n4,5,6\n7,8,10\n"), target)
        assert (table.input_names, table.target_names) == (("c2", "c3"), ("c1",))
        np.testing.assert_array_equal(table.t[:, 0], [1, 4, 7])


def test_delimiter_can_be_given(write):
    np.testing.assert_array_equal(read_table(write(PLAIN.replace(",", "|")), delimiter="|").t, [[0.5], [1.5], [2.5]])


def test_header_can_be_given(write):
    years = write("2019,2020\n1,2\n3,4\n5,6\n7,8\n")
    assert read_table(years, header=True).input_names == ("2019",)
    assert len(read_table(years, header=False).x) == 5
    with pytest.raises(InputError, match=r"line 1: 2019, 2020, .* say --header, or --no-header"):
        read_table(years)
    assert len(read_table(write("a,b\nc,d\na,d\n"), header=False).x) == 3


@pytest.mark.parametrize(
    "first", ["2,3", "2019,3", "9,9", "2019,2019", "2019.5,2020", "2019,2020.0", "35,44", "2019,-2020"]
)
def test_a_first_line_of_numbers_is_mostly_data(write, first):
    """Within ten ranges of the rows below, equal, negative or with a point, it names no columns."""
    assert len(read_table(write(f"{first}\n1,2\n2,3\n3,4\n4,6\n")).x) == 5


def test_a_column_without_a_name_is_called_by_its_number(write):
    """As pandas writes row numbers."""
    path = write(",a,b\n0,1,2\n1,3,5\n2,4,4\n")
    assert read_table(path).input_names == ("c1", "a")
    assert read_table(path, drop=["c1"]).input_names == ("a",)


def test_a_tab_can_be_given_as_a_shell_passes_it(write):
    np.testing.assert_array_equal(read_table(write(PLAIN.replace(",", "\t")), delimiter="\\t").t, [[0.5], [1.5], [2.5]])


NUMBER_LIKE = ["1.005,5", "1 000", "1'000", "2020-01-31", "31.1.2020", "1/2/2020", "12:30", "2020-01-31T12:30:00Z"]
NUMBER_LIKE += ["2020-01-31 12:30", "50%", "50 %", "$1,000", "$5", "5 €", "-1.005,2", "1_0"]


@pytest.mark.parametrize("cell", NUMBER_LIKE)
def test_numbers_and_dates_written_otherwise_are_no_categories(write, cell):
    with pytest.raises(InputError, match=r"line 3, column 'k': .* write numbers as 1005.5, .*--drop"):
        read_table(write(f"k;y\nsome;1\n{cell};2\nsome;3\n"), delimiter=";")


@pytest.mark.parametrize("cell", ["20-29", "v1.2", "A1", "1st", "12b", "2020-01", "$", "%", "1.5 kg"])
def test_words_with_digits_are_categories(write, cell):
    assert f"k={cell}" in read_table(write(f"k;y\nsome;1\n{cell};2\nsome;3\n"), delimiter=";").input_names


def test_a_header_may_begin_with_a_hash(write):
    assert read_table(write("#,a,y\n1,2,3\n2,3,5\n3,3,4\n")).input_names == ("#", "a")
    assert read_table(write("#f00,1\n#0f0,2\n#00f,3\n")).input_names == ("c1=#00f", "c1=#0f0", "c1=#f00")


def test_several_targets_in_the_order_asked_and_dropped_columns(write):
    table = read_table(write("a,b,c,d\n1,2,3,4\n5,6,7,9\n9,8,7,6\n"), ["d", "a"], drop=["c"])
    np.testing.assert_array_equal(table.t, [[4, 1], [9, 5], [6, 9]])
    np.testing.assert_array_equal(table.x, [[2], [6], [8]])
    assert table.target_names == ("d", "a")


def test_a_text_column_becomes_one_input_for_each_category(write):
    table = read_table(write(MIXED))
    assert table.input_names == ("sex=F", "sex=I", "sex=M", "length")
    np.testing.assert_array_equal(table.x, [[0, 0, 1, 0.5], [1, 0, 0, 0.25], [0, 1, 0, 0.75], [0, 0, 1, 1.5]])


def test_a_text_target_becomes_classes_in_the_order_of_their_names(write):
    table = read_table(write(MIXED), "sex")
    assert table.t.tolist() == [2, 0, 1, 2]
    assert table.t.dtype == np.int64
    assert table.class_names == ("F", "I", "M")
    np.testing.assert_array_equal(table.x, [[0.5, 7], [0.25, 9], [0.75, 8], [1.5, 10]])


def test_integer_targets_are_numbers_unless_asked_for_as_classes(write):
    path = write("a,y\n1,5\n2,-1\n3,5\n")
    np.testing.assert_array_equal(read_table(path).t, [[5], [-1], [5]])
    table = read_table(path, task="classification")
    assert table.t.tolist() == [1, 0, 1]
    assert table.class_names == ("-1", "5")


def test_quoted_delimiters_and_line_ends_in_text(write):
    path = write('city,note,y\n"Paris, Texas","two\nlines",1\nRome,"a ""b""",2\n"Paris, Texas","two\nlines",3\n')
    assert read_table(path).input_names == ("city=Paris, Texas", "city=Rome", 'note=a "b"', "note=two\nlines")


def test_text_with_commas_beside_decimal_commas(write):
    table = read_table(write("who;a;y\nSmith, J;1,5;1\nDoe, J;2,5;2\nDoe, J;3,5;4\n"))
    assert table.input_names == ("who=Doe, J", "who=Smith, J", "a")
    np.testing.assert_array_equal(table.x[:, 2], [1.5, 2.5, 3.5])


def test_latin_1(write):
    assert read_table(write("ville,y\nOrléans,1\nPau,2\nPau,3\n".encode("latin-1"))).input_names[0] == "ville=Orléans"


def test_ten_thousand_columns(write):
    values = np.random.default_rng(0).integers(0, 256, (5, 10_000))
    table = read_table(write("\n".join(",".join(map(str, row)) for row in values)))
    np.testing.assert_array_equal(table.x, values[:, :-1])


def test_the_fast_and_the_careful_reader_agree(write, monkeypatch):
    path = write('k;x;y\n a;1,5;1\n"b" ;2;2\n"c;d"; 3,25 ;3\n\na;-4e1;4\n')
    fast = read_table(path)
    monkeypatch.setattr(delimited, "_fast", lambda *_: None)
    np.testing.assert_array_equal(read_table(path).x, fast.x)
    assert fast.input_names == ("k=a", "k=b", "k=c;d", "x")


@pytest.mark.parametrize("chunk", [1, 7, 30])
def test_chunks_do_not_change_the_table(write, monkeypatch, chunk):
    path = write('a,k,y\n1,"x\ny",2\n3,z,4\n\n5,"x\ny",6\n')
    whole = read_table(path)
    monkeypatch.setattr(delimited, "CHUNK", chunk)
    parts = read_table(path)
    np.testing.assert_array_equal(parts.x, whole.x)
    assert parts.schema == whole.schema


@pytest.mark.parametrize("content", [PLAIN, MIXED])
def test_large_files_are_streamed_to_disk(write, monkeypatch, content):
    path = write(content)
    small = read_table(path)
    monkeypatch.setattr(table_module, "STREAM_BYTES", 10)
    monkeypatch.setattr(scratch, "BLOCK", 4)
    large = read_table(path)
    assert isinstance(large.x, np.memmap)
    assert not isinstance(small.x, np.memmap)
    np.testing.assert_array_equal(large.x, small.x)
    np.testing.assert_array_equal(large.t, small.t)


def test_temporary_files_go_with_the_last_view(write, monkeypatch, tmp_path):
    path = write(PLAIN)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(table_module, "STREAM_BYTES", 10)
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    x = read_table(path).x[1:, :1]
    assert len(list(folder.iterdir())) == 1
    assert x.tolist() == [[2], [3]]
    del x
    assert not list(folder.iterdir())


def test_memory_stays_bounded(write, monkeypatch):
    monkeypatch.setattr(table_module, "STREAM_BYTES", 2**20)
    for module in (delimited, layout, text):
        monkeypatch.setattr(module, "CHUNK", 2**14)
    monkeypatch.setattr(scratch, "BLOCK", 2**14)
    lines = "".join(f"{i % 97},{i % 89},{i % 83},{i % 7}\n" for i in range(5000)) * 40
    path = write("a,b,c,y\n" + lines)
    tracemalloc.start()
    table = read_table(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert table.x.shape == (200_000, 3)
    assert peak < 1.5e6  # the numbers alone are 6.4 MB


NAMES = st.text("abcxyzäµ _-,;\"'", min_size=1, max_size=6).map(lambda s: f"k{s}".strip())


def test_names_keep_their_blanks(write):
    table = read_table(write('"k  ;"," two\nlines ",y\n1,2,3\n2,3,4\n3,1,5\n'))
    assert table.input_names + table.target_names == ("k  ;", "two lines", "y")


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), delimiter=st.sampled_from([",", ";", "\t", " "]), header=st.booleans())
def test_numbers_round_trip_exactly(tmp_path, data, delimiter, header):
    width = data.draw(st.integers(2, 5))
    rows = data.draw(st.lists(st.lists(NUMBERS, min_size=width, max_size=width), min_size=3, max_size=8))
    rows[0][-1], rows[1][-1] = 1.0, 2.0  # the target varies
    names = data.draw(st.lists(NAMES, min_size=width, max_size=width, unique=True)) if header else []
    quoted = [delimiter.join('"' + name.replace('"', '""') + '"' for name in names)] if header else []
    path = tmp_path / "round.csv"
    path.write_text("\n".join(quoted + [delimiter.join(map(repr, row)) for row in rows]), encoding="utf-8")
    table = read_table(path, delimiter=delimiter)
    np.testing.assert_array_equal(np.column_stack([table.x, table.t]), rows)
    assert not header or table.input_names + table.target_names == tuple(names)
    np.testing.assert_array_equal(read_inputs(path, table.schema, delimiter=delimiter), table.x)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(NAMES, st.integers(-5, 5), NAMES), min_size=3, max_size=12).filter(
        lambda r: len({c for *_, c in r}) > 1
    )
)
def test_categories_round_trip(tmp_path, rows):
    path = tmp_path / "round.csv"
    cells = [
        [f'"{a.replace(chr(34), chr(34) * 2)}"', str(n), f'"{c.replace(chr(34), chr(34) * 2)}"'] for a, n, c in rows
    ]
    path.write_text("kind,n,label\n" + "\n".join(",".join(row) for row in cells), encoding="utf-8")
    table = read_table(path, delimiter=",")
    assert [table.class_names[i] for i in table.t] == [c for *_, c in rows]
    kinds = sorted({a for a, *_ in rows})
    assert [kinds[i] for i in table.x[:, :-1].argmax(axis=1)] == [a for a, *_ in rows]
    schema = Schema.from_dict(json.loads(json.dumps(table.schema.to_dict())))
    assert schema == table.schema
    np.testing.assert_array_equal(read_inputs(path, schema, delimiter=","), table.x)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=60), st.text('1.,;\n\t "aNe-', max_size=40).map(str.encode)))
def test_any_bytes_give_a_table_or_an_input_error(tmp_path, content):
    path = tmp_path / "any.csv"
    path.write_bytes(content)
    message, table = str(path), None
    try:
        table = read_table(path)
    except InputError as error:
        message = str(error)
    assert str(path) in message
    if table is not None:
        assert np.isfinite(table.x).all()
        assert len(table.x) == len(table.t) >= 3
