"""What is to be known before a probability is believed: of one spectrum in words, of all as a table."""

from typing import NamedTuple

from astropy.table import vstack

from ..classifier import UNDETERMINED
from ..lines import LINES

# A probability of the predicted type below this, by a model of another survey, is another type.
_TURNED = 0.5


class Badge(NamedTuple):
    """A few words, what they mean, and whether they are a "doubt" or merely a "fact"."""

    words: str
    meaning: str
    kind: str = "fact"


def judge_spectra(model, samples):
    """Types and doubts of reduced samples, a row a spectrum: a Table, as of `TrainedModel.predict`."""
    return vstack([model.predict(sample) for sample in samples], metadata_conflicts="silent")


def list_badges(judged):
    """Badges of one row of `judge_spectra`."""
    names, badges = judged.colnames, []
    if "prediction_set" in names and judged["prediction_set"]:
        types = str(judged["prediction_set"]).split("|")
        meaning = "Types that hold the true one in 95 of 100 spectra of each type."
        kind = "doubt" if len(types) > 1 else "fact"
        badges.append(Badge(" or ".join(types) if len(types) > 1 else f"{types[0]} alone", meaning, kind))
    if judged["predicted"] == UNDETERMINED:
        badges.append(Badge("undetermined", f"{judged['reason']}.", "doubt"))
    if "novelty" in names:
        novelty = float(judged["novelty"])
        meaning = "Novelty in units of its threshold: above 1 the model was trained on nothing like this."
        if judged["unlike_training"]:
            parts = str(judged["unlike_in"]).replace("|", ", ")
            badges.append(Badge(f"unlike the training sample: {parts} ({novelty:.1f})", meaning, "doubt"))
        else:
            badges.append(Badge(f"like the training sample ({novelty:.2f})", meaning))
    if "p_low" in names:
        low, high = float(judged["p_low"]), float(judged["p_high"])
        meaning = "Probability of this type by models that were trained on other surveys of the population."
        kind = "doubt" if low < _TURNED else "fact"
        badges.append(Badge(f"P {low:.2f} to {high:.2f} over surveys", meaning, kind))
    if judged["missing_lines"]:
        missing = ", ".join(LINES[line].label for line in str(judged["missing_lines"]).split("|"))
        share = f"{float(judged['unobserved']):.0%} of the wavelengths were not observed."
        badges.append(Badge(f"missing: {missing}", share, "doubt"))
    return badges
