"""`agn formats`: what is read."""


def print_formats():
    """List the kinds of spectra that are read, with the medium and the mask that are usual for them.

    "Medium" is what wavelengths are taken to be in where the file does not say; --medium goes before it.
    """
    from ..limits import LARGEST_FILE, LARGEST_TEXT, LONGEST_LINE, MOST_COLUMNS, MOST_HEADER_LINES
    from ..spectra import list_formats

    for line in list_formats().pformat(max_lines=-1, max_width=-1, align="<"):
        print(line.rstrip())
    print(
        "All of them also as .gz, .bz2, .xz and, for FITS, .fz. A file of many spectra gives many. "
        "agn inspect FILE says what is found in a file."
    )
    print(
        f"Limits: regular files of at most {LARGEST_FILE >> 20} MB, unpacked, text of {LARGEST_TEXT >> 20} MB; "
        f"{MOST_COLUMNS} columns (FITS: 999), {MOST_HEADER_LINES} lines of a header or comments, lines of "
        f"{LONGEST_LINE} letters. Tables must hold what their headers promise."
    )
