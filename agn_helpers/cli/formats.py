"""`agn formats`: what is read."""


def print_formats():
    """List the kinds of spectra that are read, with the medium and the mask that are usual for them.

    "Medium" is what wavelengths are taken to be in where the file does not say; --medium goes before it.
    """
    from ..spectra import list_formats

    for line in list_formats().pformat(max_lines=-1, max_width=-1, align="<"):
        print(line.rstrip())
    print(
        "All of them also as .gz, .bz2, .xz and, for FITS, .fz. A file of many spectra gives many. "
        "agn inspect FILE says what is found in a file."
    )
