"""What columns, cells and tables of a run are called where people read them."""

import re
from html import escape
from html.parser import HTMLParser

import numpy as np
import pandas as pd

from ..lines import AGN_TYPES, LINES

_KEYS = {each.key: name for name, each in AGN_TYPES.items()}

_NAMES = {
    "another_seed": "another seed",
    "beyond": "beyond type 2",
    "cost": "effective C",
    "covered": "set holds the true type",
    "density": "density (even map: 1)",
    "dual_shuffled": "shuffled dual coefficients",
    "eom": "excess of mass",
    "f_score": "F",
    "half_the_sample": "half of the sample",
    "half_width": "core (km/s)",
    "ivar": "inverse variance",
    "jaccard": "Jaccard index",
    "labels_permuted": "permuted labels",
    "macro_f": "macro F",
    "max_sensitivity": "maximum sensitivity",
    "mean_test_score": "F, mean of the folds",
    "std_test_score": "F, standard deviation of the folds",
    "n": "number",
    "ndarray": "array",
    "p": "p (Holm)",
    "p_value": "p",
    "param_C": "C",
    "param_gamma": "γ",
    "gamma": "γ",
    "poly2": "polynomial, degree 2",
    "poly3": "polynomial, degree 3",
    "rbf": "Gaussian (rbf)",
    "q16": "16 %",
    "q50": "median",
    "q84": "84 %",
    "seconds": "seconds",
    "sigma": "noise σ",
    "snr": "signal-to-noise ratio",
    "stable_local_median": "stable: another normalisation",
    "stable_redshift_error": "stable: error of redshift",
    "std": "standard deviation",
    "wavelength": "wavelength (Å)",
    "prediction_set": "prediction set",
    "n_above": "surveys above",
    "n_decided": "number decided",
    "n_opposite": "number of opposite sign",
    "n_opposite_there": "of these, core lowers P",
    "n_significant": "number significant",
    "n_spectra": "spectra",
    "n_wings_raise": "wings raise P",
    "share_opposite": "share of opposite sign",
    "share_significant": "share of the significant",
}

# Behind a comma, of what stands before it.
_ENDS = {
    "_q16": "16 %",
    "_q50": "median",
    "_q84": "84 %",
    "_low": "low",
    "_high": "high",
    "_std": "standard deviation",
    "_paper": "paper",
    "_at_paper": "at the paper's parameters",
    "_difference": "difference",
    "_error": "uncertainty",
    "_uncertainty": "uncertainty",
    "_absolute": "absolute",
    "_full": "full space",
    "_pixels": "by pixels",
    "_segments": "by segments",
    "_one_host": "one host",
    "_each_host": "each its host",
}

#: What a report calls the tables of a run, by the names of their files.
TABLE_TITLES = {
    "audit_bridge": "The isthmus over independent surveys",
    "audit_claims": "Claims over independent surveys",
    "audit_completeness": "Broad lines that the general model finds",
    "audit_concepts": "What moves the classifier",
    "audit_confounds": "Surveys that differ from the training in one thing",
    "audit_judge": "The general model beside a fit of lines",
    "audit_representations": "Parts of the spectrum",
    "audit_scores": "Scores over independent surveys",
    "audit_strongest": "Where |saliency| is largest",
    "audit_turns": "What would have turned the prediction",
    "audit_widths": "Widths of lines from saliency",
    "bars_methods": "Lengths of bars by every method",
    "bars_nulls": "Lengths of bars by what knows no bar",
    "bars_scores": "Lengths of bars by every method and seed",
    "bars_turned": "Lengths of a map that is turned",
    "map_bridges": "Is there an isthmus?",
    "map_clusters": "Clusters, and what of them persists",
    "map_components": "How many components know the types",
    "map_neighbours": "Types of the neighbours on the map",
    "map_persistence": "What persists from map to map",
    "map_placing": "Types of spectra placed on the map",
    "picked": "The spectrum picked in notebook 05",
    "radio_mass": "Radio galaxies: how much of an explanation lies where classes differ",
    "radio_sanity": "Radio galaxies: explanations of networks that know nothing",
    "radio_scores": "Radio galaxies: accuracy",
    "radio_segmentations": "Radio galaxies: LIME by the pieces of an image",
    "radio_sources": "Radio galaxies: LIME source by source",
    "saliency_faithfulness": "Are the saliency maps true?",
    "saliency_hbeta": "Core and wings of Hβ",
    "saliency_kinds": "Kinds of saliency maps",
    "saliency_line_ranking": "Lines in the order of their attributions",
    "saliency_lines": "Attributions by line",
    "saliency_share_in_lines": "Share of the attributions in lines",
    "calibration": "Calibration of the probabilities",
    "confusion": "Types that are confused",
    "doubts": "Prediction sets and novelty",
    "search": "The whole search",
    "table1": "Table 1: range that spectra share",
    "table2": "Table 2: the parts of the split",
    "table3": "Table 3: the search, all types",
    "table4": "Table 4: the search, types 1 and 2",
    "table5": "Table 5: F with noise",
    "table6": "Table 6: scores by kernel, all types",
    "table7": "Table 7: scores by kernel, types 1 and 2",
    "table8": "Table 8: scores by type",
    "table9": "Table 9: training times",
    "table10": "Table 10: misclassified spectra",
    "table11": "Table 11: correctly classified spectra",
    "test_predictions": "Predictions of the test part",
}


def name_column(key):
    """A column's name, or a row's, as a reader meets it: ``share_q16`` is "share, 16 %"."""
    key = str(key)
    if key in LINES:
        return LINES[key].label
    if key in _NAMES:
        return _NAMES[key]
    if key in _KEYS:
        return _KEYS[key]
    if key.startswith("p_") and key[2:] in _KEYS:
        return f"P({_KEYS[key[2:]]})"
    for end, words in sorted(_ENDS.items(), key=lambda item: -len(item[0])):
        if key.endswith(end) and len(key) > len(end):
            return f"{name_column(key.removesuffix(end))}, {words}"
    words = key.replace("_", " ") if re.fullmatch(r"[A-Za-z0-9_]+", key) else key
    return re.sub(r"\btype([12])\b", r"type \1", words)


def write_cell(value):
    """A cell as text: four digits, a dash for nothing, lines and sets by their names."""
    if value is None or value is np.ma.masked or (isinstance(value, float | np.floating) and np.isnan(value)):
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        text = f"{round(value, 3) + 0:.3f}" if 1e-2 <= abs(value) < 100 or value == 0 else f"{value:.4g}"
        return text.rstrip("0").rstrip(".") if "e" not in text and "." in text else text
    text = str(value)
    if "|" in text and set(text.split("|")) <= set(AGN_TYPES):
        return " or ".join(text.split("|"))
    return name_column(text) if text in LINES or text in _KEYS else text


def write_table(table, *, most=60, links=None):
    """Rows of an astropy Table, or a DataFrame, as an HTML table; all text in it is escaped.

    table : Table or DataFrame; a column ``survey`` of one value is left out, since the page says it
    most : int, rows that are shown
    links : dict of str, optional, addresses by what stands in the column ``name``
    Returns str.
    """
    frame = table if isinstance(table, pd.DataFrame) else table.to_pandas()
    if "survey" in frame and frame["survey"].nunique() <= 1:
        frame = frame.drop(columns="survey")
    head = "".join(f'<th scope="col">{escape(name_column(name))}</th>' for name in frame)
    rows = []
    for values in frame.head(most).itertuples(index=False, name=None):
        cells = []
        for name, value in zip(frame.columns, values):
            text = escape(write_cell(value))
            if links and name == "name" and str(value) in links:
                text = f'<a href="{escape(links[str(value)])}">{text}</a>'
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            cells.append(f'<td class="number">{text}</td>' if number else f"<td>{text}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


class _Cleaner(HTMLParser):
    """Keeps a table's structure and text, and of all attributes the spans; names of columns become words."""

    _KEPT = ("table", "thead", "tbody", "tr", "th", "td", "caption", "p", "sub", "sup", "b", "i")
    _DROPPED = ("style", "script", "title", "template", "textarea", "iframe")

    def __init__(self):
        super().__init__()
        self.parts, self.inside, self.is_dropped = [], "", ""

    def handle_starttag(self, tag, attributes):
        if tag in self._DROPPED:
            self.is_dropped = tag
        elif tag in self._KEPT and not self.is_dropped:
            spans = "".join(
                f' {key}="{value}"'
                for key, value in attributes
                if key in ("colspan", "rowspan") and str(value).isdigit()
            )
            self.parts.append(f"<{tag}{spans}>")
            self.inside = tag if tag in ("th", "td") else self.inside

    def handle_endtag(self, tag):
        if tag == self.is_dropped:
            self.is_dropped = ""
        elif tag in self._KEPT and not self.is_dropped:
            self.parts.append(f"</{tag}>")

    def handle_data(self, text):
        if self.is_dropped:
            return
        words = text.strip()
        if self.inside and words:
            text = name_column(words) if self.inside == "th" else write_cell(words)
        self.parts.append(escape(text))


def clean_table(html):
    """Make a plain table, with names in words, of HTML that a notebook showed.

    Parameters
    ----------
    html : str
        What is no table in it, is text; scripts and styles are left out.

    Returns
    -------
    str
        Without any attributes but spans, and a class of cells with numbers.
    """
    cleaner = _Cleaner()
    cleaner.feed(html)
    cleaner.close()
    text = "".join(cleaner.parts)
    # An empty heading says nothing to anybody, least of all to a screen reader.
    text = re.sub(r"<th((?: \w+=\"\d+\")*)>\s*</th>", r"<td\1></td>", text)
    # pandas gives the name of an index a row of its own.
    heads, name = r"((?:\s*<th>[^<]*</th>)+)", r"(<th>[^<]*</th>)(?:\s*<td></td>)+"
    text = re.sub(rf"<tr>\s*<td></td>{heads}\s*</tr>\s*<tr>\s*{name}\s*</tr>", r"<tr>\2\1</tr>", text)
    text = text.replace("<td>NaN</td>", "<td>–</td>")
    text = re.sub(r"(\[[\d.+-]+,) (?=[\d.+-]+\])", "\\1\N{NO-BREAK SPACE}", text)
    return re.sub(r"<td>([+-]?)(\d[\d.]*(?:e[+-]?\d+)?)</td>", _write_number_cell, text)


def _write_number_cell(found):
    return f'<td class="number">{found[1].replace("-", "−")}{found[2].replace("e-", "e−")}</td>'
