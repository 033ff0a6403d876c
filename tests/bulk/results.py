"""What lies in folders of results."""

import pyarrow as pa
import pyarrow.parquet as pq


def read_bytes(folder):
    """The bytes of all that a run leaves, by name; a model's file tells the time it was written at."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in (".parquet", ".json")
    }


def stamp_finished(folder):
    """Inode and time of the files of finished partitions: whatever is written again has others."""
    stamps = {}
    for record in (folder / "done").glob("part-*.json"):
        for kind in ("spectra", "rejected"):
            found = (folder / kind / f"{record.stem}.parquet").stat()
            stamps[kind, record.stem] = found.st_ino, found.st_mtime_ns
    return stamps


def read_rows(folder, kind="spectra"):
    """All rows, a pandas.DataFrame."""
    return pa.concat_tables([pq.read_table(path) for path in sorted((folder / kind).glob("*"))]).to_pandas()
