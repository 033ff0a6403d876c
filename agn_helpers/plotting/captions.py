"""Captions of a run's figures: what is drawn and what the marks mean; what to notice, the notebooks say."""

import re

from ..lines import AGN_TYPES

_PARTS = {
    "types": ("Blue circles: type 1; crimson triangles: intermediate; gold squares: type 2."),
    "map": (
        "The t-SNE map of the spectra at equal scales; directions and distances between groups mean nothing."
    ),
    "painted": (
        "A spectrum in the colours of its saliency map: where more flux would raise the "
        "probability of the predicted type it is green, where it would lower it purple, where it "
        "does not matter pale or grey. The strip below says the same by height. Dashed: the "
        "marked lines; an arrow and a number: the peak of a line that runs out of the panel."
    ),
}

#: Captions by regular expressions of the names of figures, without the ending; the first that fits counts.
CAPTIONS = {
    r"01_observed": (
        "One spectrum of each type as observed, with its noise (1σ) in grey beneath; unused "
        "pixels are left out, marked lines stand at the spectrum's redshift."
    ),
    # In the types' order.
    **dict.fromkeys(
        (f"01_{each.key}" for each in AGN_TYPES.values()),
        "Top: mean of the reduced spectra of one type, with the band that holds the middle 68 % "
        "at each wavelength. Bottom: three of them, each cut where the next begins; arrows and "
        "numbers are the peaks of lines that are cut.",
    ),
    r"01_redshift_snr": ("Numbers of spectra of each type by redshift and by signal-to-noise ratio."),
    r"02_search": (
        "F by cross-validation against the cost C, a panel a kernel. Dark: fluxes as they are; "
        "grey: standardised. Lines join the best values of the grid, bands are one standard "
        "deviation of the folds, small dots the refinement of the grid, rings the best values, "
        "the dotted line the paper's C."
    ),
    r"02_scores": (
        "F on the test spectra, with 95 % intervals, beside the paper's (open diamonds). Left: "
        "kernels, each at its own best C, and the model of the run. Right: the model by type."
    ),
    r"02_confusion(_normalised)?": (
        "How the test spectra of each true type (rows) were predicted (columns), by the model and "
        "by the paper's kernel; shades are shares of a row."
    ),
    r"02_reliability": (
        "How often a type is the true one against its predicted probability, in bins with five "
        "spectra and more; bars are binomial standard errors, on the dashed diagonal "
        "probabilities are calibrated. Below: spectra in every bin. {types}"
    ),
    r"02_noise": (
        "F against the noise that is added to the spectra. Lines join means over draws of the "
        "noise, bands hold 95 % of the draws; hollow marks are the paper's. {types} Diamonds: the "
        "mean over the types."
    ),
    r"02_novelty": (
        "Share of the test spectra of each type that are less like the training sample than a "
        "score, from the median up; above the dashed threshold they are flagged."
    ),
    r"03_(two|three)_types_(raw|standardised)": ("Maps of the same spectra at several perplexities. {types}"),
    r"03_map_types": ("{map} {types}"),
    r"03_persistence": (
        "How much of the spectra's neighbourhoods the maps keep, against perplexity: "
        "trustworthiness, share of neighbours kept, and share of neighbours of the own type, on "
        "the maps and, at the right, among all wavelengths (no map). Dashes tell how the fluxes "
        "were scaled. Blue circles: type 1; crimson triangles: intermediate; gold squares: type 2."
    ),
    r"03_clusters": ("{map} Outlines and numbers: groups of spectra that lie densely; grey: in no group."),
    r"03_agreement": (
        "How alike the groups of each pair of maps are: adjusted mutual information, 1 for the "
        "same groups and 0 as by chance."
    ),
    r"03_stability": ("{map} Colour: in which share of the maps a spectrum keeps its group; grey: in none."),
    r"03_decision": (
        "{map} Shaded: what a classifier of places would predict, fading where no spectrum is "
        "near; lines, which fade likewise: where the prediction changes. {types}"
    ),
    r"03_misclassified": ("{map} Rings: test spectra whose predicted type is not the true one. {types}"),
    r"03_explained": (
        "{map} Numbers: spectra that are explained one by one in notebook 04, white on black "
        "where they are misclassified."
    ),
    r"03_map_columns": ("{map} Colour: a number that is known of each spectrum; grey where it has none."),
    r"03_pairs": (
        "True parameters of the simulated objects against one another, and their distributions on "
        "the diagonal. {types}"
    ),
    r"03_placed": ("{map} Stars: spectra that were placed on the map later."),
    r"04_saliency_correct": (
        "{painted} An intermediate that is predicted right, with a probability near 0.8."
    ),
    r"04_saliency_misclassified": ("{painted} An intermediate that is taken for a type 2."),
    r"04_page_.+|04_own_.+": (
        "{painted} Below: zooms on Hβ-[O III] and Hγ with the core and the wings of the Balmer "
        "line shaded, the class probabilities, and mean attributions of lines, bold where they "
        "are more than twice their uncertainty."
    ),
    r"04_(misclassified|correct)_\d+": (
        "Saliency maps, a panel a spectrum, each with its own scale of colours, which its title "
        "tells: green raises, purple lowers the probability of the predicted type. Numbers are "
        "those of the tables."
    ),
    r"04_all_maps": (
        "Saliency maps of all test spectra, a row a spectrum, the most certain of each type on "
        "top; each map is divided by its own scale. Green raises, purple lowers the probability "
        "of the predicted type. Right: that probability."
    ),
    r"04_lines": (
        "Mean attribution of each line in units of its map's mean size, a panel a type: the core "
        "(filled) and the wings (hollow); marks are medians over the correctly classified test "
        "spectra, bars hold the middle 68 %."
    ),
    r"04_opposite": (
        "Share of the correctly classified spectra of each type in which the core and the wings "
        "of a line are weighed oppositely. {types}"
    ),
    r"04_hbeta_profile": (
        "How attributions run through Hβ, a panel a type: median over the correctly classified "
        "test spectra, and the band that holds the middle 68 %; the core and the wings are "
        "shaded."
    ),
    r"04_methods_.+": (
        "One spectrum explained by every method; each strip has its own scale, which is written "
        "at its right. Green raises, purple lowers the probability of the predicted type."
    ),
    r"04_faithfulness": (
        "How the methods (columns) do by every measure (rows): the best of a row is framed, "
        "shades go from the worst to the best, grey columns are no methods but what methods are "
        "compared with."
    ),
    r"04_curves": (
        "Probability of the predicted type while pixels are replaced (left) or put back (right) "
        "in the order in which a method ranks them; methods whose curves cannot be told apart "
        "share one. Grey: a random order."
    ),
    r"05_.+": (
        "The spectrum picker as a figure. Left: the map, with a ring at the picked spectrum and "
        "an arrow to where it would move. Right: {painted} Outlined bars: probabilities before "
        "the change."
    ),
    r"06_claims": (
        "Share of the correctly classified spectra that bear a claim out, a point a survey; bars "
        "are medians, the dashed line is where there is nothing in it."
    ),
    r"06_concepts": (
        "Change of the log odds between two types when a typical amount of something is added, a "
        "point a survey; bars are medians over surveys."
    ),
    r"06_confounds": (
        "F where what tells the types apart by accident is changed or taken away: medians over surveys."
    ),
    r"06_completeness": (
        "Share of type 2 spectra that are no longer predicted type 2 once a broad Hβ of that "
        "strength and width, or displacement, is added."
    ),
    r"07_sources": (
        "The middles of simulated radio galaxies as the network sees them: clipped, divided by the "
        "peak, the root of it; dark is bright. Upper rows: FR I, brightest near the core and fading "
        "outwards. Lower rows: FR II, brightest at the ends. The bar is 30 arcsec long."
    ),
    r"07_scores": (
        "Left: share of the sources of each true class (rows) that are predicted to be of each "
        "class (columns). Right: how often a source is FR II against the probability that the "
        "network gives it, with the number of sources below; on the diagonal probabilities are "
        "right, bars are standard errors."
    ),
    r"07_explained": (
        "Four sources explained by LIME, a row each: the image, the pieces of its emission, and "
        "what these weigh, from purple (for FR I) to green (for FR II), each row with its own "
        "scale; in words: the prediction, the pieces that speak most for it, how many there are, "
        "and how well the linear model fits."
    ),
    r"07_place": (
        "How far from the middle lies what speaks for the class of a source, beside how far its "
        "flux lies, in radii that hold 95 % of the flux; a point a source, bars are medians. The "
        "dashed line is half that radius."
    ),
    r"08_galaxies": (
        "Simulated galaxies with a bar (top) and without (bottom), each with the share of the volunteers who "
        "see one. Blue: the true bar from end to end."
    ),
    r"08_rule": (
        "The published rule on one simulated galaxy, from left to right: the image with its true bar (blue); "
        "the SmoothGrad map; |r| of rows and columns of the pixels above a threshold, dashed the limit, "
        "orange where the scan stops; the pixels that are left, whose largest distance is the length."
    ),
    r"08_turned": (
        "Lengths by two rules of one map that is turned: a straight bar (left) and a SmoothGrad map (right). "
        "A rule that measures the bar draws a level line."
    ),
    r"08_methods": (
        "Pearson's r of every method with the lengths that volunteers measured. Black: dimensionless "
        "lengths; grey: in kpc. Points are medians over trials, thick bars their range, thin ones the 95 % "
        "interval of one trial; orange: what one constant for all galaxies reaches in kpc."
    ),
    r"08_lengths": (
        "Calibrated lengths against measured ones, in units of the galaxy's diameter, a point a test galaxy, "
        "all trials together; dashed: equal."
    ),
    r"08_labels": (
        "r of dimensionless lengths against the number of measured bars that are learned from: lines join "
        "medians over trials, bands are their range. Level lines: methods that need labels only for tuning."
    ),
    r"08_own": (
        "Galaxies of one's own, a row each: the prepared image, what of it deviates from round, and the "
        "SmoothGrad map of the log odds of a bar."
    ),
}


def place_figure(name):
    """Which of `CAPTIONS` is that of a figure, for sorting; figures without one come last."""
    return next((k for k, pattern in enumerate(CAPTIONS) if re.fullmatch(pattern, name)), len(CAPTIONS))


def find_caption(name):
    """The caption of a run's figure by its name without the ending; "" for any other figure."""
    text = next((text for pattern, text in CAPTIONS.items() if re.fullmatch(pattern, name)), "")
    return text.format(**_PARTS)
