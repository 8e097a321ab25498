"""Rewrite one of the three files as the official format has it: UTF-8, commas, one row end.

For a file that went through a spreadsheet: other separators and encodings, a byte order mark, names
of columns in another case, ids as 123.0. The file as it was stays beside it, as NAME.original.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from src.command_line import parser, run
from src.data.csv_files import FILES, NO_ID
from src.errors import EXIT_FINE, FileFault, UsageError
from src.files import write_atomically


def convert(path: Path) -> int:
    """Rewrite a file, or refuse it with a FileFault; return the number of its rows."""
    from src.data.readers import open_binary
    from src.data.tables import index_column, places_of, read_table

    columns = FILES[path.name]
    with open_binary(path) as stream:
        header, records = read_table(stream, path, columns[0], [])
        rows = list(records)
    places, index = places_of(header, path), index_column(header)
    missing = [name for name in columns if name not in places]
    if missing or index is None:
        wanted = f"a column {missing[0]!r}" if missing else "a row index in the first column"
        raise FileFault.of(path, f"expected {wanted}, found {','.join(header)!r}", line=1)
    chosen = {"": index, **{name: places[name] for name in columns}}
    converted = [
        [_converted(name, cells[place], path, line) for name, place in chosen.items()]
        for line, cells in rows
    ]
    original = path.with_name(f"{path.name}.original")
    if not original.exists():
        with write_atomically(original, "wb") as copy:
            copy.write(path.read_bytes())
    with write_atomically(path, newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(chosen)
        writer.writerows(converted)
    return len(converted)


def _converted(name: str, text: str, path: Path, line: int) -> str:
    """Return a cell; an id without what a spreadsheet wrote behind it."""
    from src.data.tables import read_id

    if name in ("designation", "description"):
        return text
    number = read_id(text, name, path, line)
    return text if number == NO_ID else str(number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = parser(__doc__, config=False)
    options.add_argument("file", type=Path, help=f"one of {', '.join(FILES)}")
    return run(_convert, options, arguments, kept="the file is as it was")


def _convert(args: argparse.Namespace) -> int:
    if args.file.name not in FILES:
        problem = f"{args.file.name}: expected one of {', '.join(FILES)}"
        raise UsageError(problem, next_command="python etl/convert_csv.py --help")
    sys.stdout.write(f"{args.file}: {convert(args.file)} rows rewritten\n")
    return EXIT_FINE


if __name__ == "__main__":
    raise SystemExit(main())
