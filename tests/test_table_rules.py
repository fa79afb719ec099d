"""The rules by which tables are read: numerals, headers, delimiters, quotes, encodings, units, dates, codes, missing words."""

from __future__ import annotations

import gzip
import io
import sys

import numpy as np
import pytest

from pwl.data import read_inputs, read_table
from pwl.errors import InputError

N = 40
X = np.random.default_rng(0).uniform(1, 9, N).round(3)


def of(cells, head="a,y\n", delimiter=",") -> str:
    """A table of X and one more column."""
    return head + "".join(f"{x}{delimiter}{cell}\n" for x, cell in zip(X, cells, strict=True))


Y = (1000 * X + 500).round(2)
WRITTEN = {
    "true minus": ([f"\u2212{y}" for y in Y], -Y),
    "en dash": ([f"\u2013{y}" for y in Y], -Y),
    "Fortran's exponent": ([f"{y:.6e}".replace("e", "D") for y in Y], Y),
    "thousands": ([f'"{y:,.2f}"' for y in Y], Y),
    "thin spaces": ([f"{y:,.2f}".replace(",", "\u2009") for y in Y], Y),
    "narrow no-break spaces": ([f"{y:,.2f}".replace(",", "\u202f") for y in Y], Y),
    "blanks": ([f"{y:,.2f}".replace(",", " ") for y in Y], Y),
    "apostrophes": ([f"{y:,.2f}".replace(",", "'") for y in Y], Y),
    "unit": ([f"{y} km" for y in Y], Y),
    "percent": ([f"{y}%" for y in Y], Y),
    "currency before": ([f'"\u20b9{y:,.2f}"' for y in Y], Y),
    "currency after": ([f"{y} \u20ac" for y in Y], Y),
    "sign before currency": ([f"-${y}" for y in Y], -Y),
    "code of a currency": ([f"USD {y}" for y in Y], Y),
    "square metres": ([f"{y} m\u00b2" for y in Y], Y),
    "a power of a unit": ([f"{y} m/s\u00b2" for y in Y], Y),
    "Indian groups": ([f'"1,23,{456 + i}.50"' for i in range(N)], 123456.5 + np.arange(N)),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_numbers_however_they_are_written(write, name):
    cells, wanted = WRITTEN[name]
    path = write(of(cells))
    table = read_table(path)
    np.testing.assert_allclose(table.t[:, 0], wanted, rtol=1e-12)
    np.testing.assert_array_equal(table.x[:, 0], X)
    swapped = read_table(path, "a")
    np.testing.assert_array_equal(read_inputs(path, swapped.schema)[:, 0], swapped.x[:, 0])


def test_german_numbers(write):
    def german(value: float) -> str:
        return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))

    table = read_table(write("a;y\n" + "".join(f"{german(x)};{german(y)}\n" for x, y in zip(X, Y, strict=True))))
    np.testing.assert_array_equal(table.t[:, 0], Y)
    assert (table.schema.decimal, table.schema.thousands) == (",", ".")
    one = read_inputs(write("a\n3.366\n", "one.csv"), table.schema)  # alone, it might be 3.366
    assert one.tolist() == [[3366.0]]


def test_a_decimal_comma_with_an_exponent(write):
    rows = "".join(f"{x:.3e} {y:.3e}\n".replace(".", ",") for x, y in zip(X, Y, strict=True))
    np.testing.assert_allclose(read_table(write("x y\n" + rows)).t[:, 0], Y, rtol=1e-3)


def test_a_comma_that_may_mean_two_things_is_asked_about(write):
    path = write("a;y\n1,234;2,345\n3,456;4,567\n5,678;6,789\n")
    with pytest.raises(InputError, match="--decimal , or --thousands ,"):
        read_table(path)
    assert read_table(path, decimal=",").t[0, 0] == 2.345
    assert read_table(path, thousands=",").t[0, 0] == 2345


@pytest.mark.parametrize(
    "cell",
    [
        "{:.2f} m/s2", "({:.2f})", "~{:.2f}", "<{:.2f}", "{:.0f}/7",
        "0x{:.0f}", "{:.2f}*", "'{:.2f}'", "{:.0f}\u00bd", "{:.0f}\u00b2", "{:.0f}\u2167",
    ],
)
def test_numbers_in_disguise_are_never_classes(write, cell):
    with pytest.raises(InputError, match="'y' holds .*(digits|dates).*--drop"):
        read_table(write(of([cell.format(y) for y in Y])))


def test_units_must_agree(write):
    with pytest.raises(InputError, match="mostly digits"):
        read_table(write(of([f"{y} {'km' if i % 2 else 'm'}" for i, y in enumerate(Y)])))
    path = write(of([f"{y} km" for y in Y], "y,a\n"))
    schema = read_table(path, "y").schema
    assert schema.inputs[0].unit == "km"
    assert read_inputs(write("a\n5 km\n6\n", "new.csv"), schema).tolist() == [[5], [6]]
    with pytest.raises(InputError, match="'5 m' is not in 'km'"):
        read_inputs(write("a\n5 m\n", "new.csv"), schema)


def test_ids_are_named(write):
    names = [f"{'abcdefgh'[i % 8]}{'klmnop'[i // 8]}x" for i in range(N)]
    with pytest.raises(InputError, match="'id' holds 40 different texts in 40 rows, an id .* --drop"):
        read_table(write("id,a,y\n" + "".join(f"{n},{x},{y}\n" for n, x, y in zip(names, X, Y, strict=True))))
    with pytest.warns(UserWarning, match="'zip' .* look like codes"):
        read_table(
            write("zip,a,y\n" + "".join(f"0{i + 100},{x},{y}\n" for i, (x, y) in enumerate(zip(X, Y, strict=True))))
        )


# ---- classes


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (("01", "02"), "auto"),
        (("3266119658877827603", "11898508762506083287"), "auto"),
        (("1.0", "2.0"), "classification"),
        (("10", "9"), "classification"),
        (("True", "False"), "auto"),
        (("yes", "no"), "auto"),
        (("1", "other"), "classification"),
        (("<=50K", ">50K"), "auto"),
    ],
)
def test_labels_come_back_as_they_were_written(write, labels, task):
    table = read_table(write(of([labels[i % 2] for i in range(N)])), task=task)
    assert [table.class_names[number] for number in table.t] == [labels[i % 2] for i in range(N)]


def test_classes_of_numbers_are_in_the_order_of_numbers(write):
    assert read_table(write(of([("10", "9", "-1")[i % 3] for i in range(N)])), task="classification").class_names == (
        "-1",
        "9",
        "10",
    )
    with pytest.raises(InputError, match="'1' and '1.0', the same number"):
        read_table(write(of([("1", "1.0")[i % 2] for i in range(N)])), task="classification")
    with pytest.raises(InputError, match="16 digits and more that hardly repeat"):
        read_table(write(of([10**17 + i for i in range(N)])))


# ---- header


def test_names_that_are_numbers(write):
    rows = "".join(f"{x},{y},{'ab'[i % 2]}\n" for i, (x, y) in enumerate(zip(X, Y, strict=True)))
    table = read_table(write(f"0,1,species\n{rows}"))
    assert (len(table.x), table.input_names, table.class_names) == (N, ("0", "1"), ("a", "b"))
    for first in ("0,1", "1,2"):
        path = write(f"{first}\n" + "".join(f"{x},{y}\n" for x, y in zip(X, Y, strict=True)))
        with pytest.raises(InputError, match="may be column names, .*--header, or --no-header"):
            read_table(path)
        assert len(read_table(path, header=False).x) == N + 1
    indexed = ",0,1\n" + "".join(f"{i},{x},{y}\n" for i, (x, y) in enumerate(zip(X, Y, strict=True)))
    assert read_table(write(indexed)).input_names == ("c1", "0")


def test_a_title_and_a_second_line_of_names(write):
    with pytest.raises(InputError, match="line 1 has 1 field, but most lines have 2"):
        read_table(write("My data\n" + of(Y)))
    with pytest.raises(InputError, match="line 2, column 'a': the text 'm' .*two lines, keep one"):
        read_table(write("a,y\nm,kg\n" + of(Y, "")))


# ---- delimiters


def test_delimiters_at_the_ends_of_lines(write):
    for head in ("a,y\n", "a,y,\n", ""):
        table = read_table(write(head + "".join(f"{x},{y},\n" for x, y in zip(X, Y, strict=True))))
        np.testing.assert_array_equal(table.t[:, 0], Y)


def test_a_line_that_names_the_delimiter(write):
    table = read_table(
        write("sep=;\na;y\n" + "".join(f"{x};{y}\n".replace(".", ",") for x, y in zip(X, Y, strict=True)))
    )
    np.testing.assert_array_equal(table.t[:, 0], Y)


@pytest.mark.parametrize("text", ["Smith, John", "big red house", "a|b c"])
def test_a_ragged_file_is_not_split_within_its_cells(write, text):
    lines = [f"{text};{x};{y}\n" for x, y in zip(X, Y, strict=True)]
    lines[5] = f"{text};7\n"
    with pytest.raises(InputError, match="line 7 has 2 fields between ';'"):
        read_table(write("name;a;y\n" + "".join(lines)))


def test_pipes_blanks_and_many_values_in_a_cell(write):
    np.testing.assert_array_equal(read_table(write(of(Y, "a|y\n", "|"))).t[:, 0], Y)
    aligned = "".join(f"{x:10.3f}{y:12.2f}\n" for x, y in zip(X, Y, strict=True))
    np.testing.assert_array_equal(read_table(write(aligned)).t[:, 0], Y)
    genres = "k,y\n" + "".join(f"{'|'.join('ABC'[: i % 3 + 1])},{y}\n" for i, y in enumerate(Y))
    assert read_table(write(genres)).input_names == ("k=A", "k=A|B", "k=A|B|C")


def test_twenty_thousand_columns(write):
    values = np.random.default_rng(0).standard_normal((3, 20_000))
    lines = [",".join(f"w{i}" for i in range(20_000)), *(",".join(map(repr, row)) for row in values.tolist())]
    np.testing.assert_array_equal(read_table(write("\n".join(lines))).x, values[:, :-1])


# ---- quotes


def test_a_stray_quote_swallows_no_row(write):
    colours = ["red", "green"]
    lines = [f"{i},{colours[i % 2]}\n" for i in range(400)]
    for marks, words in (
        ({50: '"red', 250: '"red'}, "line 52"),
        (
            {50: '"red', 250: 'red"'},
            "line 52: a quote opens here and closes in line 252, and lines of the table lie between",
        ),
        ({300: '"red'}, "line 302: a quote opens here and does not close"),
    ):
        changed = [f"{i},{marks[i]}\n" if i in marks else line for i, line in enumerate(lines)]
        with pytest.raises(InputError, match=words):
            read_table(write("a,k\n" + "".join(changed)))
    inches = read_table(
        write("k,a,y\n" + "".join(f'{5 + i % 2}" pipe,{x},{y}\n' for i, (x, y) in enumerate(zip(X, Y, strict=True))))
    )
    assert inches.input_names[:2] == ('k=5" pipe', 'k=6" pipe')


# ---- bytes


def test_encodings(write):
    table = "Gr\u00f6\u00dfe,Preis \u20ac\n" + of(Y, "")
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"):
        assert read_table(write(table.encode(encoding))).target_names == ("Preis \u20ac",)
    for content, words in (
        (table.encode("utf-16")[:-1], "not whole utf-16"),
        (table.encode("utf-16-le"), "zero bytes"),
        (table.encode()[:60] + b"\0" + table.encode()[60:], "zero bytes"),
        (table.encode() + b"\xe4,1\n", "letters in UTF-8 and letters that are not"),
        ("\u5973,y\n".encode("shift-jis") + of(Y, "").encode(), "neither UTF-8 nor Windows-1252"),
    ):
        with pytest.raises(InputError, match=words):
            read_table(write(content))


def test_gzip_and_standard_input(write, monkeypatch):
    packed = gzip.compress(of(Y).encode())
    np.testing.assert_array_equal(read_table(write(packed, "t.csv.gz")).t[:, 0], Y)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed)))
    for _ in range(2):  # the copy can be read again
        np.testing.assert_array_equal(read_table("-").t[:, 0], Y)
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        read_table("-")
    with pytest.raises(InputError, match="an empty name"):
        read_table("")


def test_parquet_equals_csv(write, tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    kinds = [("NA", "ZA", "BW")[i % 3] for i in range(N)]
    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table({"k": kinds, "n": list(range(N)), "a": X, "y": Y}), path)
    table = read_table(path, missing=[])
    text = read_table(
        write("k,n,a,y\n" + "".join(f"{k},{i},{x},{y}\n" for i, (k, x, y) in enumerate(zip(kinds, X, Y, strict=True)))),
        missing=[],
    )
    np.testing.assert_array_equal(table.x, text.x)
    assert table.schema.inputs == text.schema.inputs
    np.testing.assert_array_equal(read_inputs(path, text.schema), text.x)
    with pytest.raises(InputError, match="row 1, column 'k': a value is missing .*--missing"):
        read_table(path)


# ---- missing values and dates


def test_a_code_that_looks_like_a_missing_value(write):
    path = write(
        "country,a,y\n" + "".join(f"{('NA', 'ZA')[i % 2]},{x},{y}\n" for i, (x, y) in enumerate(zip(X, Y, strict=True)))
    )
    with pytest.raises(InputError, match="'NA' is a word here, say --missing ''"):
        read_table(path)
    table = read_table(path, missing=[])
    assert table.input_names[:2] == ("country=NA", "country=ZA")
    np.testing.assert_array_equal(read_inputs(path, table.schema), table.x)
    with pytest.raises(InputError, match="a value is missing"):
        read_table(
            write("a,y\n" + "".join(f"{x},{y}\n" for x, y in zip(X, Y, strict=True)) + "gone,3\n"), missing=["gone"]
        )


@pytest.mark.parametrize(
    ("order", "cells", "days"),
    [
        ("ymd", ["1970-01-02", "2000-01-01", "1969-12-31"], [1, 10957, -1]),
        ("dmy", ["2.1.1970", "01.01.2000", "31.12.1969"], [1, 10957, -1]),
        ("mdy", ["1/2/1970", "1/1/00", "12/31/69"], [1, 10957, -1]),
        ("ymd", ["1970-01-02 12:00", "1970-01-01T06:00:00Z", "1970-01-01T06:00:00+06:00"], [1.5, 0.25, 0]),
        ("ymd", ["12:00", "18:00:00", "06:00"], [0.5, 0.75, 0.25]),
    ],
)
def test_dates_become_days_if_their_order_is_said(write, order, cells, days):
    path = write("when,y\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells)))
    with pytest.raises(InputError, match="'when' holds dates, .*--dates ymd, dmy or mdy .*--drop"):
        read_table(path)
    table = read_table(path, dates=order)
    np.testing.assert_allclose(table.x[:, 0], days)
    np.testing.assert_array_equal(read_inputs(path, table.schema), table.x)


def test_weights_and_groups_are_no_inputs(write):
    table = read_table(write("g,w,a,y\nx,2,1,5\ny,0,2,6\nx,1,3,8\n"), weights="w", groups="g")
    assert table.input_names == ("a",)
    assert table.weights.tolist() == [2, 0, 1] and table.groups.tolist() == [0, 1, 0]
    with pytest.raises(InputError, match="weights in 'w' must be 0 or more"):
        read_table(write("w,a,y\n-2,1,5\n1,2,6\n1,3,8\n"), weights="w")
