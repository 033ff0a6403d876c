"""Saliency and integrated gradients against captum's, on the same model written in PyTorch."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agn_helpers.classifier import ProbabilisticSVC
from agn_helpers.saliency import gradient, remove_lines
from agn_helpers.saliency.gradient_methods import integrated_gradients

from ..toy_spectra import CLASSES, GRID, make_spectra

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[torch]'")
attr = pytest.importorskip("captum.attr", reason="captum is not installed: pip install -e '.[torch]'")

X, _, Y = make_spectra()


class TorchModel(torch.nn.Module):
    """Log-probabilities of a fitted scaler and ProbabilisticSVC, from their published equations alone.

    Kernel sums, Platt's sigmoids, and the coupling of Wu, Lin & Weng (2004, their equation 21): the linear
    system [[Q, e], [e^T, 0]] [p, b] = [0, 1] with Q_ii the sum of r_si² over s, Q_ij = -r_ji r_ij.
    """

    def __init__(self, scaler, machine):
        super().__init__()
        self.kernel, self.gamma = machine.kernel, machine.gamma
        self.mean, self.scale = torch.tensor(scaler.mean_), torch.tensor(scaler.scale_)
        self.dual = torch.tensor(machine.dual_coef_)
        self.vectors = torch.tensor(scaler.transform(X)[machine.support_])
        self.intercept = torch.tensor(machine.intercept_)
        self.slope, self.offset = torch.tensor(machine.sigmoids_).T
        self.n_classes = len(machine.classes_)

    def forward(self, spectra):
        scaled = (spectra - self.mean) / self.scale
        values = scaled @ self.vectors.T
        if self.kernel == "rbf":
            squares = (scaled**2).sum(dim=1)[:, None] + (self.vectors**2).sum(dim=1)
            values = torch.exp(-self.gamma * (squares - 2 * values))
        ratio = 1 / (1 + torch.exp(self.slope * (values @ self.dual.T + self.intercept) + self.offset))
        first, second = np.triu_indices(self.n_classes, 1)
        r = torch.zeros(len(spectra), self.n_classes, self.n_classes, dtype=torch.float64)
        r[:, first, second], r[:, second, first] = ratio, 1 - ratio
        system = torch.zeros(len(spectra), self.n_classes + 1, self.n_classes + 1, dtype=torch.float64)
        diagonal = torch.diag_embed((r**2).sum(dim=1))
        system[:, :-1, :-1] = diagonal - r * r.transpose(1, 2)
        system[:, :-1, -1] = system[:, -1, :-1] = 1
        right = torch.zeros(len(spectra), self.n_classes + 1, dtype=torch.float64)
        right[:, -1] = 1
        return torch.log(torch.linalg.solve(system, right)[:, :-1])


@pytest.fixture(scope="module", params=["linear", "rbf"])
def models(request):
    """Our pipeline, the same in PyTorch, and the predicted classes' columns."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    machine = ProbabilisticSVC(C=0.5, kernel=request.param, gamma=0.005, random_state=0)
    ours = make_pipeline(StandardScaler(), machine).fit(X, Y)
    yield ours, TorchModel(*(step for _, step in ours.steps)), np.searchsorted(CLASSES, ours.predict(X))
    torch.set_num_threads(before)


def test_the_two_models_are_the_same(models):
    ours, theirs, _ = models
    np.testing.assert_allclose(theirs(torch.tensor(X)).numpy(), ours.predict_log_proba(X), atol=1e-9)


def test_gradient_is_captums_saliency(models):
    ours, theirs, column = models
    expected = attr.Saliency(theirs).attribute(
        torch.tensor(X, requires_grad=True), target=torch.tensor(column), abs=False
    )
    np.testing.assert_allclose(gradient(ours, X), expected.detach().numpy(), rtol=1e-4, atol=1e-8)


def test_integrated_gradients_are_captums(models):
    ours, theirs, column = models
    baseline = remove_lines(X, GRID)
    expected = attr.IntegratedGradients(theirs).attribute(
        torch.tensor(X),
        baselines=torch.tensor(baseline),
        target=torch.tensor(column),
        n_steps=128,
        method="gausslegendre",
        internal_batch_size=3000,
    )
    result = integrated_gradients(ours, X, baseline=baseline, tolerance=1e-6)
    np.testing.assert_allclose(result, expected.detach().numpy(), rtol=1e-4, atol=1e-8)
